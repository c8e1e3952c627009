import { expect, test } from 'vitest';
import { compileChain } from '../../core/chain.ts';
import type { Direction } from '../../core/route.ts';
import { OBSERVE_LIMITS } from '../../observe/limits.ts';
import { RandomWords } from '../../observe/random-words.ts';
import { keepingOf } from '../../observe/retention/keeping.fixture.ts';
import { travel } from '../hand-made-exchange.ts';
import { TraceFilter } from '../trace/trace.ts';
import { Linkage, LinkageFilter } from './linkage.ts';

const random = new RandomWords(Math.random);
const parent = (digit: string) => `traceparent: 00-${digit.repeat(32)}-${'b'.repeat(16)}-00`;

function open() {
  const linkage = new Linkage(() => random.next());
  const chainOf = (direction: Direction) =>
    compileChain([new TraceFilter(true, random, 0, keepingOf(16), 0), new LinkageFilter(linkage, direction)]);
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
