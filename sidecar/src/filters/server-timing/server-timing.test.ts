import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileChain } from '../../core/chain.ts';
import { Failure } from '../../core/failure.ts';
import { CONTINUE, type Filter } from '../../core/filter.ts';
import type { Direction } from '../../core/route.ts';
import { type Journey, travel } from '../hand-made-exchange.ts';
import { ServerTimingFilter } from './server-timing.ts';

const PEER = 'spiffe://shop.test/ns/shop/sa/web';
const PHASES =
  'tulle-head;dur=2.000, tulle-pool;dur=1.000, tulle-connect;dur=1.000, tulle-upstream;dur=2.000';

/** Lines of Server-Timing that reach the caller. */
function told(
  audience: 'mesh' | 'everyone',
  direction: Direction,
  journey: Omit<Journey, 'chain'> = {},
  ...others: Filter[]
): string[] {
  const chain = compileChain([new ServerTimingFilter(audience, direction, 'orders'), ...others]);
  return travel({ chain, direction, ...journey })
    .returned.filter((line) => line.startsWith('server-timing: '))
    .map((line) => line.slice('server-timing: '.length));
}

describe('server-timing', () => {
  test.each<['mesh' | 'everyone', Direction, string, boolean]>([
    ['mesh', 'inbound', PEER, true],
    ['mesh', 'inbound', '', false],
    ['mesh', 'outbound', '', true],
    ['everyone', 'inbound', PEER, true],
    ['everyone', 'inbound', '', true],
    ['everyone', 'outbound', '', true],
  ])('for %s, %s, to a caller that proved to be "%s": %s', (audience, direction, peerIdentity, tells) => {
    const total = `tulle;dur=6.000;desc="orders ${direction}"`;
    expect(told(audience, direction, { peerIdentity })).toEqual(tells ? [`${total}, ${PHASES}`] : []);
  });

  test.each<[string, Omit<Journey, 'chain'>, string]>([
    ['a refused connection', { unavailable: Failure.connectRefused }, ', tulle-head;dur=2.000'],
    [
      'a failed handshake',
      { unavailable: Failure.tlsFailed, detail: 'expired' },
      ', tulle-head;dur=2.000, tulle-tls',
    ],
    ['a head that can not be read', { requestLine: 'unreadable' }, ', tulle-head;dur=2.000'],
    [
      'gRPC',
      { fields: ['host: a', 'content-type: application/grpc'], unavailable: Failure.connectTimeout },
      ', tulle-head;dur=2.000, tulle-connect',
    ],
  ])('an answer of the mesh itself tells where it ended: %s', (_what, journey, expected) => {
    const [line = ''] = told('everyone', 'inbound', journey);
    expect(line.slice(line.indexOf(','))).toContain(expected);
    expect(line).not.toContain('tulle-upstream');
  });

  test('entries of the service stay as they are, ours come behind', () => {
    const [own, ours, ...more] = told('everyone', 'inbound', {
      answerFields: ['server-timing: db;dur=53, cache;desc="hit, miss"'],
    });
    expect(own).toBe('db;dur=53, cache;desc="hit, miss"');
    expect(ours).toMatch(/^tulle;dur=6\.000;/);
    expect(more).toEqual([]);
  });

  test('whatever time was spent, the line is what the grammar has, and its phases are the total', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }), { minLength: 2, maxLength: 2 }),
        ([waitMs, answerMs]) => {
          const wait: Filter = {
            name: 'wait',
            onRequestHead({ time }) {
              (time as { nowMs: number }).nowMs += waitMs as number;
              return CONTINUE;
            },
          };
          const [line = ''] = told('everyone', 'inbound', { answerMs: answerMs as number }, wait);
          const [total, ...phases] = parse(line);
          expect(total?.name).toBe('tulle');
          expect(new Set(phases.map(({ name }) => name)).size).toBe(phases.length);
          const sum = phases.reduce((all, { durationMs }) => all + durationMs, 0);
          // Each is rounded to the microsecond, and doubles of this size have a few decimals.
          expect(Math.abs(sum - (total?.durationMs ?? 0))).toBeLessThan(0.01);
        },
      ),
    );
  });
});

/** By the grammar of https://www.w3.org/TR/server-timing/ and RFC 9110 section 5.6; throws at what does not follow it. */
function parse(line: string): { name: string; durationMs: number }[] {
  const token = String.raw`[!#$%&'*+.^_\`|~0-9A-Za-z-]+`;
  const entry = new RegExp(
    String.raw`(${token})((?:\s*;\s*${token}\s*=\s*(?:${token}|"(?:[^"\\]|\\.)*"))*)(?:\s*,\s*|$)`,
    'y',
  );
  const entries: { name: string; durationMs: number }[] = [];
  while (entry.lastIndex < line.length) {
    const [all, name = '', params = ''] = entry.exec(line) ?? [];
    if (all === undefined) throw new Error(`no Server-Timing: ${line}`);
    entries.push({ name, durationMs: Number(/;dur=([\d.]+)/.exec(params)?.[1]) });
  }
  return entries;
}
