import { describe, expect, test } from 'vitest';
import { compileChain } from '../../core/chain.ts';
import { systemClock } from '../../core/clock.ts';
import type { Direction } from '../../core/route.ts';
import { RandomWords } from '../../observe/random-words.ts';
import { keepingOf } from '../../observe/retention/keeping.fixture.ts';
import { keepTraces, type TraceKeeping } from '../../observe/retention/trace-keeping.ts';
import { type Arrival, travel } from '../hand-made-exchange.ts';
import { TraceFilter } from './trace.ts';

function withIntake(): TraceKeeping {
  const intake = { host: '127.0.0.1', port: 0 };
  return keepTraces({ ringSpans: 16, slowShare: 0, intake }, { clock: systemClock, random: () => 1 });
}

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const PARENT = `traceparent: 00-${TRACE}-${SPAN}-01`;

function chainOf(headSampleRatio: number, keeping: TraceKeeping | null = keepingOf(16), trustsPeer = true) {
  const random = new RandomWords(Math.random);
  const origin = keeping?.ring.addOrigin({ direction: 'inbound', route: 'http' }) ?? 0;
  return compileChain([new TraceFilter(trustsPeer, random, headSampleRatio, keeping, origin)]);
}

const send = (fields: readonly string[], headSampleRatio = 0) =>
  travel({ chain: chainOf(headSampleRatio), fields: ['host: a', ...fields] });

/** The one traceparent that went upstream, in its parts. */
function sentContext({ forwarded }: Arrival) {
  const lines = (forwarded ?? []).filter((line) => /^traceparent:/i.test(line));
  expect(lines).toHaveLength(1);
  const match = /^traceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-(0[0-3])$/.exec(lines[0] as string);
  expect(match).not.toBeNull();
  const [, traceId, spanId, flags] = match as RegExpExecArray;
  return { traceId, spanId, flags };
}

const linesNamed = ({ forwarded }: Arrival, name: string) =>
  (forwarded ?? []).filter((line) => line.toLowerCase().startsWith(`${name}:`));

describe('trace', () => {
  test('continues the caller: same trace, a span of its own, tracestate untouched', () => {
    const arrival = send([PARENT, 'tracestate: vendor=1,other=2']);
    const { traceId, spanId, flags } = sentContext(arrival);
    expect({ traceId, flags }).toEqual({ traceId: TRACE, flags: '01' });
    expect(spanId).not.toBe(SPAN);
    expect(arrival.exchange.hasParent).toBe(true);
    expect(linesNamed(arrival, 'tracestate')).toEqual(['tracestate: vendor=1,other=2']);
  });

  test('honours a parent that decided against sampling, whatever the ratio', () => {
    expect(sentContext(send([`traceparent: 00-${TRACE}-${SPAN}-00`], 1)).flags).toBe('00');
  });

  test('begins a trace when there is none', () => {
    const first = sentContext(send([]));
    const second = sentContext(send([]));
    expect(first.traceId).not.toBe(second.traceId);
    expect(first.flags).toBe('02');
    expect(send([]).exchange.hasParent).toBe(false);
  });

  test.each([
    ['malformed', ['traceparent: nonsense', 'tracestate: a=1']],
    ['given twice', [PARENT, PARENT, 'tracestate: a=1']],
    ['given twice as b3', [`b3: ${TRACE}-${SPAN}-1`, `b3: ${TRACE}-${SPAN}-1`, 'tracestate: a=1']],
  ])('begins a trace, without tracestate, when the context is %s', (_what, fields) => {
    const arrival = send(fields);
    expect(sentContext(arrival).traceId).not.toBe(TRACE);
    expect(arrival.exchange.hasParent).toBe(false);
    expect(linesNamed(arrival, 'tracestate')).toEqual([]);
  });

  test('falls back to b3, and sends traceparent in its place', () => {
    const arrival = send([`b3: ${TRACE}-${SPAN}-1`, 'tracestate: a=1']);
    expect(sentContext(arrival)).toMatchObject({ traceId: TRACE, flags: '01' });
    expect(linesNamed(arrival, 'b3')).toEqual([]);
    expect(linesNamed(arrival, 'tracestate')).toEqual([]);
  });

  test('prefers traceparent to b3', () => {
    const arrival = send([`b3: ${'a'.repeat(32)}-${SPAN}-0`, PARENT]);
    expect(sentContext(arrival)).toMatchObject({ traceId: TRACE, flags: '01' });
  });

  describe('continues the fields of B3', () => {
    const fields = (...more: string[]) => [`X-B3-TraceId: ${TRACE}`, `X-B3-SpanId: ${SPAN}`, ...more];

    test.each([
      ['sampled', ['x-b3-sampled: 1'], '01'],
      ['not sampled', ['x-b3-sampled: 0'], '00'],
      ['for debugging', ['x-b3-flags: 1', 'x-b3-parentspanid: 0000000000000001'], '01'],
      ['without a decision', [], '00'],
    ])('%s', (_what, more, flags) => {
      const arrival = send(fields(...more));
      expect(sentContext(arrival)).toMatchObject({ traceId: TRACE, flags });
      expect(arrival.forwarded?.filter((line) => /^x-b3/i.test(line))).toEqual([]);
    });

    test('with a trace id of 64 bits', () => {
      const arrival = send([`x-b3-traceid: ${TRACE.slice(16)}`, `x-b3-spanid: ${SPAN}`]);
      expect(sentContext(arrival).traceId).toBe(TRACE.slice(16).padStart(32, '0'));
    });

    test('behind traceparent and b3, which end them as well', () => {
      for (const better of [PARENT, `b3: ${TRACE}-${SPAN}-1`]) {
        const arrival = send([...[`x-b3-traceid: ${'a'.repeat(32)}`, `x-b3-spanid: ${SPAN}`], better]);
        expect(sentContext(arrival)).toMatchObject({ traceId: TRACE, flags: '01' });
        expect(arrival.forwarded?.filter((line) => /^x-b3/i.test(line))).toEqual([]);
      }
    });

    test.each([
      ['no span id', [`x-b3-traceid: ${TRACE}`]],
      ['no trace id', [`x-b3-spanid: ${SPAN}`, 'x-b3-sampled: 1']],
      ['a trace id of another length', [`x-b3-traceid: ${TRACE}0`, `x-b3-spanid: ${SPAN}`]],
      ['a span id of another length', [`x-b3-traceid: ${TRACE}`, `x-b3-spanid: ${SPAN}0`]],
      ['upper case', [`x-b3-traceid: ${TRACE.toUpperCase()}`, `x-b3-spanid: ${SPAN}`]],
      ['ids of zeros', [`x-b3-traceid: ${'0'.repeat(32)}`, `x-b3-spanid: ${SPAN}`]],
      ['two trace ids', fields(`x-b3-traceid: ${TRACE}`)],
      ['two decisions', fields('x-b3-sampled: 1', 'x-b3-sampled: 1')],
      ['no bit', fields('x-b3-sampled: yes')],
    ])('not with %s', (_what, lines) => {
      const arrival = send(lines);
      expect(sentContext(arrival).traceId).not.toBe(TRACE);
      expect(arrival.exchange.hasParent).toBe(false);
    });
  });

  test.each([0, 0.25, 1])('samples roots at the ratio %d', (ratio) => {
    const chain = chainOf(ratio);
    const count = 4_000;
    let sampled = 0;
    for (let i = 0; i < count; i++) if (travel({ chain }).exchange.sampled) sampled++;
    // Six standard deviations; exact at both ends.
    const tolerance = 6 * Math.sqrt(count * ratio * (1 - ratio));
    expect(Math.abs(sampled - count * ratio)).toBeLessThanOrEqual(tolerance);
  });

  test.each(['00', '01', '02', '03'])('keeps the flags %s of a trusted parent', (flags) => {
    expect(sentContext(send([`traceparent: 00-${TRACE}-${SPAN}-${flags}`], 0.5)).flags).toBe(flags);
  });

  describe('of a service that sends its own spans to the sidecar', () => {
    const flagsOf = (direction: Direction, keeping: TraceKeeping, flags: string, traceId = TRACE) => {
      const filter = new TraceFilter(true, new RandomWords(Math.random), 0.5, keeping, 0);
      const fields = ['host: a', `traceparent: 00-${traceId}-${SPAN}-${flags}`];
      const arrival = travel({ chain: compileChain([filter]), direction, fields });
      return [sentContext(arrival).flags, arrival.exchange.sampled];
    };
    // By the rule for roots the first is never sampled at 0.5, the second always.
    const UNLIKELY = `${'1'.repeat(24)}f0000000`;
    const LIKELY = `${'1'.repeat(24)}10000000`;

    test('it is told that everything is sampled', () => {
      expect(flagsOf('inbound', withIntake(), '00')).toEqual(['01', false]);
      expect(flagsOf('inbound', withIntake(), '01')).toEqual(['01', true]);
    });

    test('what it says itself is replaced by what came in', () => {
      const keeping = withIntake();
      flagsOf('inbound', keeping, '01', UNLIKELY);
      expect(flagsOf('outbound', keeping, '01', UNLIKELY)).toEqual(['01', true]);
      expect(flagsOf('outbound', withIntake(), '01', UNLIKELY)).toEqual(['00', false]);
    });

    test('the id decides for what did not come in here', () => {
      expect(flagsOf('outbound', withIntake(), '01', LIKELY)).toEqual(['01', true]);
      expect(flagsOf('outbound', withIntake(), '00', LIKELY)).toEqual(['01', true]);
    });
  });

  describe('of a stranger', () => {
    const flagsOf = (headSampleRatio: number, fields: readonly string[]) => {
      const chain = chainOf(headSampleRatio, keepingOf(16), false);
      const { traceId, flags } = sentContext(travel({ chain, fields: ['host: a', ...fields] }));
      expect(traceId).toBe(TRACE);
      return flags;
    };

    test.each([
      ['traceparent', [`traceparent: 00-${TRACE}-${SPAN}-01`]],
      ['b3', [`b3: ${TRACE}-${SPAN}-d`]],
    ])('is joined by its %s, and not kept on its word', (_what, fields) => {
      expect(flagsOf(0, fields)).toBe('00');
      expect(flagsOf(1, fields)).toBe('01');
    });

    test('is kept at our ratio, whatever trace id was chosen', () => {
      const chain = chainOf(0.25, keepingOf(16), false);
      // By the rule for roots this id would always be sampled.
      const fields = ['host: a', `traceparent: 00-${'1'.repeat(24)}00000000-${SPAN}-01`];
      const count = 4_000;
      let sampled = 0;
      for (let i = 0; i < count; i++) if (travel({ chain, fields }).exchange.sampled) sampled++;
      expect(Math.abs(sampled - count / 4)).toBeLessThanOrEqual(6 * Math.sqrt((count * 3) / 16));
    });
  });

  test('leaves one record for each exchange, and lets those wait for export that are sampled or failed', () => {
    const keeping = keepingOf(16);
    const { ring } = keeping;
    const chain = chainOf(0, keeping);
    travel({ chain });
    travel({ chain, fields: ['host: a', PARENT] });
    travel({ chain, requestLine: 'unreadable' });
    expect({ recorded: ring.recorded, waiting: ring.waiting }).toEqual({ recorded: 3, waiting: 2 });
  });

  test('leaves context alone where no spans are kept, so that sidecars behind it still decide', () => {
    const off = chainOf(0, null);
    expect(linesNamed(travel({ chain: off }), 'traceparent')).toEqual([]);
    const arrival = travel({ chain: off, fields: ['host: a', PARENT, 'tracestate: a=1'] });
    expect(linesNamed(arrival, 'traceparent')).toEqual([PARENT]);
    expect(linesNamed(arrival, 'tracestate')).toEqual(['tracestate: a=1']);
    const b3 = [`b3: ${TRACE}-${SPAN}-1`, 'tracestate: a=1'];
    expect(travel({ chain: off, fields: ['host: a', ...b3] }).forwarded).toEqual(['host: a', ...b3]);
    const behind = travel({ chain: chainOf(1), fields: travel({ chain: off }).forwarded ?? [] });
    expect(behind.exchange.sampled).toBe(true);
  });
});
