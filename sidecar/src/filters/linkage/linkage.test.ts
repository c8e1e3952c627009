import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileChain } from '../../core/chain.ts';
import type { Direction } from '../../core/route.ts';
import { OBSERVE_LIMITS } from '../../observe/limits.ts';
import { RandomWords } from '../../observe/random-words.ts';
import { keepingOf } from '../../observe/retention/keeping.fixture.ts';
import { type Arrival, travel } from '../hand-made-exchange.ts';
import { RequestIdFilter } from '../request-id/request-id.ts';
import { TraceFilter } from '../trace/trace.ts';
import { Linkage, LinkageFilter } from './linkage.ts';

const random = new RandomWords(Math.random);
const parent = (digit: string) => `traceparent: 00-${digit.repeat(32)}-${'b'.repeat(16)}-00`;

function open() {
  const linkage = new Linkage(() => random.next());
  const chainOf = (direction: Direction) =>
    compileChain([
      new TraceFilter(true, random, 0, keepingOf(16), 0),
      new RequestIdFilter(true, random, direction === 'outbound' ? linkage : null),
      new LinkageFilter(linkage, direction),
    ]);
  const chains = { inbound: chainOf('inbound'), outbound: chainOf('outbound') };
  const send = (direction: Direction, fields: string[], startedMs = 1_000) =>
    travel({ chain: chains[direction], direction, fields: ['host: a', ...fields], startedMs });
  const counts = () => ({ linked: linkage.linked, own: linkage.own, none: linkage.none });
  return { send, counts };
}

test('a call is linked when its trace came in before, whoever began it', () => {
  const { send, counts } = open();
  send('inbound', [parent('1')]);
  const begun = send('inbound', []).forwarded?.find((line) => line.startsWith('traceparent')) as string;
  send('outbound', [parent('1')]);
  send('outbound', [parent('1')]);
  send('outbound', [begun]);
  expect(counts()).toEqual({ linked: 3, own: 0, none: 0 });
});

test('one that began in the service, and one without a context that can be read, are not', () => {
  const { send, counts } = open();
  send('inbound', [parent('1')]);
  send('outbound', [parent('2')]);
  send('outbound', []);
  send('outbound', [parent('0')]);
  expect(counts()).toEqual({ linked: 0, own: 1, none: 2 });
});

test('what was sent and what was begun here for a call without context does not count as come in', () => {
  const { send, counts } = open();
  const begun = send('outbound', []).forwarded?.find((line) => line.startsWith('traceparent')) as string;
  send('outbound', [begun]);
  send('outbound', [begun]);
  expect(counts()).toEqual({ linked: 0, own: 2, none: 1 });
});

test('a trace is forgotten after a while', () => {
  const { send, counts } = open();
  send('inbound', [parent('1')], 0);
  send('outbound', [parent('1')], OBSERVE_LIMITS.keptTraceMs - 1);
  send('outbound', [parent('1')], OBSERVE_LIMITS.keptTraceMs + 1);
  expect(counts()).toEqual({ linked: 1, own: 1, none: 0 });
});

describe('a call without a request id', () => {
  const idOf = ({ exchange, forwarded }: Arrival) => {
    expect(forwarded?.filter((line) => line.startsWith('x-request-id'))).toEqual([
      `x-request-id: ${exchange.requestId}`,
    ]);
    return exchange.requestId;
  };

  test('gets that of the request whose trace it carries on, and keeps one of its own', () => {
    const { send } = open();
    const made = idOf(send('inbound', [parent('1')]));
    const given = idOf(send('inbound', [parent('2'), 'x-request-id: given']));
    expect(idOf(send('outbound', [parent('1')]))).toBe(made);
    expect(idOf(send('outbound', [parent('2')]))).toBe(given);
    expect(idOf(send('outbound', [parent('2'), 'x-request-id: own']))).toBe('own');
  });

  test('gets a new one where none is known: no trace, another trace, one that is forgotten, an id too long', () => {
    const { send } = open();
    const known = [`x-request-id: ${'a'.repeat(64)}`, `x-request-id: ${'b'.repeat(65)}`];
    send('inbound', [parent('1'), known[0] as string], 0);
    send('inbound', [parent('2'), known[1] as string], 0);
    expect(idOf(send('outbound', [parent('1')], 1))).toBe('a'.repeat(64));
    const late = OBSERVE_LIMITS.keptTraceMs + 1;
    for (const arrival of [
      send('outbound', [], 1),
      send('outbound', [parent('2')], 1),
      send('outbound', [parent('3')], 1),
      send('outbound', [parent('1')], late),
    ])
      expect(idOf(arrival)).toMatch(/^[0-9a-f]{8}-/);
  });

  test('gets none of two that came in one trace, until the trace is forgotten', () => {
    const { send } = open();
    const ids = ['first', 'second', 'first'].map((id) => `x-request-id: ${id}`);
    send('inbound', [parent('1'), ids[0] as string], 0);
    send('inbound', [parent('1'), ids[0] as string], 0);
    expect(idOf(send('outbound', [parent('1')], 1))).toBe('first');
    for (const id of ids) send('inbound', [parent('1'), id], 2);
    expect(idOf(send('outbound', [parent('1')], 3))).toMatch(/^[0-9a-f]{8}-/);
    const later = OBSERVE_LIMITS.keptTraceMs + 10;
    send('inbound', [parent('1'), ids[1] as string], later);
    expect(idOf(send('outbound', [parent('1')], later))).toBe('second');
  });

  test('whatever comes in, it is one that came in that trace or a new one', () => {
    const trace = fc.constantFrom('1', '2', '3');
    const id = fc.oneof(fc.constantFrom('a', 'b', 'aa'), fc.stringMatching(/^[A-Za-z0-9._:-]{1,128}$/));
    fc.assert(
      fc.property(fc.array(fc.tuple(trace, id), { maxLength: 20 }), (arrivals) => {
        const { send } = open();
        for (const [of, value] of arrivals) send('inbound', [parent(of), `x-request-id: ${value}`]);
        for (const of of ['1', '2', '3']) {
          const came = new Set(arrivals.filter(([to]) => to === of).map(([, value]) => value));
          const [only = ''] = came;
          const got = idOf(send('outbound', [parent(of)]));
          if (came.size === 1 && only.length <= 64) expect(got).toBe(only);
          else expect(got).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/);
        }
      }),
    );
  });
});
