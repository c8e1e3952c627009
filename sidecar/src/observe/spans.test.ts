import { describe, expect, test } from 'vitest';
import { compileChain } from '../core/chain.ts';
import { Failure } from '../core/failure.ts';
import { type Journey, travel } from '../filters/hand-made-exchange.ts';
import { TraceFilter } from '../filters/trace/trace.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { RandomWords } from './random-words.ts';
import { keepingOf } from './retention/keeping.fixture.ts';
import { type SpanRecord, WORD } from './span-record.ts';
import { SpanRing } from './spans.ts';

const CAPACITY = 8;

function ringOf(headSampleRatio = 1) {
  const keeping = keepingOf(CAPACITY);
  const { ring } = keeping;
  const origin = ring.addOrigin({ direction: 'inbound', route: 'http' });
  const filter = new TraceFilter(true, new RandomWords(Math.random), headSampleRatio, keeping, origin);
  const chain = compileChain([filter]);
  return { ring, send: (journey: Omit<Journey, 'chain'> = {}) => travel({ chain, ...journey }).exchange };
}

function take<T>(ring: SpanRing, read: (record: SpanRecord) => T, limit = CAPACITY): T[] {
  const taken: T[] = [];
  ring.take(limit, (record) => taken.push(read(record)));
  return taken;
}

const path = (i: number) => ({ requestLine: `GET /${i} HTTP/1.1` });

describe('SpanRing', () => {
  test('hands out what waits once, oldest first, at most so many', () => {
    const { ring, send } = ringOf();
    for (let i = 0; i < 5; i++) send(path(i));
    expect(take(ring, (record) => record.text(WORD.pathBytes), 3)).toEqual(['/0', '/1', '/2']);
    send(path(5));
    expect(take(ring, (record) => record.text(WORD.pathBytes))).toEqual(['/3', '/4', '/5']);
    expect(take(ring, (record) => record.text(WORD.pathBytes))).toEqual([]);
  });

  test('counts what it overwrites before it was taken, and keeps the newest', () => {
    const { ring, send } = ringOf();
    for (let i = 0; i < CAPACITY + 3; i++) send(path(i));
    expect({ recorded: ring.recorded, overwritten: ring.overwritten, waiting: ring.waiting }).toEqual({
      recorded: CAPACITY + 3,
      overwritten: 3,
      waiting: CAPACITY,
    });
    const paths = take(ring, (record) => record.text(WORD.pathBytes));
    expect(paths).toEqual(Array.from({ length: CAPACITY }, (_, i) => `/${i + 3}`));
  });

  test('records what is not sampled, and lets nobody wait for it', () => {
    const { ring, send } = ringOf(0);
    for (let i = 0; i < 3 * CAPACITY; i++) send();
    expect({ recorded: ring.recorded, overwritten: ring.overwritten, waiting: ring.waiting }).toEqual({
      recorded: 3 * CAPACITY,
      overwritten: 0,
      waiting: 0,
    });
  });

  test('calls its listener when the first waits, and before anything is lost', () => {
    const { ring, send } = ringOf();
    const calls: string[] = [];
    ring.listener = {
      onWaiting: () => calls.push('waiting'),
      onUrgent: () => calls.push(`urgent, ${ring.overwritten} lost`),
    };
    for (let i = 0; i < CAPACITY; i++) send();
    expect(calls[0]).toBe('waiting');
    expect(calls).toContain('urgent, 0 lost');
    expect(calls.filter((call) => call === 'waiting')).toHaveLength(1);
  });

  test('cuts text at its bounds without touching the next record', () => {
    const { ring, send } = ringOf();
    const long = 'x'.repeat(2_000);
    const journey: Omit<Journey, 'chain'> = {
      requestLine: `GET /${long}?secret=1 HTTP/1.1`,
      fields: [`host: ${'h'.repeat(200)}`],
      unavailable: Failure.connectRefused,
      detail: `no way to ${long}`,
    };
    // Around the end of the ring, where a write too long would be out of range.
    for (let i = 0; i < CAPACITY + 1; i++) send(i % 2 === 0 ? journey : path(i));
    const read = take(ring, (record) => [
      record.text(WORD.pathBytes),
      record.text(WORD.authorityBytes),
      record.text(WORD.detailBytes),
    ]);
    const [cut, short] = [read.at(-1) as string[], read.at(-2) as string[]];
    expect(short).toEqual(['/7', 'a', '']);
    expect(cut[0]).toBe(`/${long}`.slice(0, OBSERVE_LIMITS.spanPathBytes));
    expect(cut[1]).toBe('h'.repeat(OBSERVE_LIMITS.spanAuthorityBytes));
    expect(cut[2]).toMatch(/^no way to x+$/);
    const room =
      OBSERVE_LIMITS.spanTextBytes - OBSERVE_LIMITS.spanPathBytes - OBSERVE_LIMITS.spanAuthorityBytes;
    expect((cut[2] as string).length).toBeLessThanOrEqual(room);
  });

  test('leaves the query out', () => {
    const { ring, send } = ringOf();
    send({ requestLine: 'GET /pay?token=secret HTTP/1.1' });
    send({ requestLine: 'GET /pay? HTTP/1.1' });
    send({ requestLine: 'OPTIONS * HTTP/1.1' });
    expect(take(ring, (record) => record.text(WORD.pathBytes))).toEqual(['/pay', '/pay', '*']);
  });

  test('tells a bounded number of identities apart', () => {
    const ring = new SpanRing(1);
    const { names } = ring;
    const indexes = Array.from({ length: OBSERVE_LIMITS.spanNames + 50 }, (_, i) => names.indexOf(`id-${i}`));
    expect(Math.max(...indexes)).toBe(OBSERVE_LIMITS.spanNames - 1);
    expect(names.textOf(indexes[0] as number)).toBe('id-0');
    expect(names.textOf(indexes.at(-1) as number)).toBe('other');
    expect(names.indexOf('id-0')).toBe(indexes[0]);
    expect(names.textOf(names.indexOf(''))).toBe('');
  });

  test('knows an origin by one number', () => {
    const ring = new SpanRing(1);
    const first = ring.addOrigin({ direction: 'inbound', route: 'http' });
    expect(ring.addOrigin({ direction: 'outbound', route: 'http' })).not.toBe(first);
    // A reload compiles the same routes again.
    expect(ring.addOrigin({ direction: 'inbound', route: 'http' })).toBe(first);
  });
});
