import { expect, test } from 'vitest';
import { HeldBytes, holdBody } from '../../core/body-gate.ts';
import { compileChain } from '../../core/chain.ts';
import { begin, onDownstreamGone, onRequestBody, onRequestEnd, onUpstreamReady } from '../../core/course.ts';
import { Failure } from '../../core/failure.ts';
import type { Filter } from '../../core/filter.ts';
import { BODY, type Stage, setStage } from '../../core/hand-led-exchange.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Route } from '../../core/route.ts';
import { RandomWords } from '../../observe/random-words.ts';
import { MirrorSeries } from './metrics.ts';
import { MirrorFilter } from './mirror.ts';
import { MirrorOutcomeFilter } from './outcome.ts';

/** Copies of what passes `filter` go to the endpoint of `target`. */
function setUp() {
  const series = new MirrorSeries('orders', 'a/0', 'shadow');
  const target = setStage([new MirrorOutcomeFilter(series)]);
  const route: Route = { ...target.exchange.route, chain: compileChain([new MirrorOutcomeFilter(series)]) };
  const filter = new MirrorFilter([{ share: 1, route, series }], new RandomWords(Math.random));
  return { series, target, filter };
}

function send(stage: Stage): void {
  begin(stage.exchange);
  onUpstreamReady(stage.exchange, stage.connect());
}

test('a copy is sent when its request is complete, and one that never is, is not', () => {
  const { series, target, filter } = setUp();
  const stage = setStage([filter], { requestLine: 'PUT / HTTP/1.1', body: true });
  send(stage);
  onRequestBody(stage.exchange, BODY, 0, BODY.length);
  expect(target.events).toEqual([]);
  expect(series.active).toBe(1);
  onRequestEnd(stage.exchange, null);
  expect(target.events).toEqual(['open']);

  const broken = setStage([filter], { requestLine: 'PUT / HTTP/1.1', body: true });
  send(broken);
  onRequestBody(broken.exchange, BODY, 0, BODY.length);
  onDownstreamGone(broken.exchange, Failure.downstreamAborted);
  expect(target.events).toEqual(['open']);
  expect(series.active).toBe(1);
});

test('so many copies are under way and no more', () => {
  const { series, target, filter } = setUp();
  for (let i = 0; i < LIMITS.mirroredExchanges + 3; i++) send(setStage([filter]));
  expect(series).toMatchObject({ active: LIMITS.mirroredExchanges, skippedTooMany: 3 });
  expect(target.events).toHaveLength(LIMITS.mirroredExchanges);
});

test('a body that is too large ends its copy, and not its request', () => {
  const { series, target, filter } = setUp();
  const stage = setStage([filter], { requestLine: 'PUT / HTTP/1.1', body: true });
  send(stage);
  const large = Buffer.alloc(LIMITS.mirroredBodyBytes);
  onRequestBody(stage.exchange, large, 0, large.length);
  expect(series.active).toBe(1);
  onRequestBody(stage.exchange, large, 0, 1);
  expect(series).toMatchObject({ active: 0, skippedTooLarge: 1 });
  onRequestEnd(stage.exchange, null);
  expect(target.events).toEqual([]);
  expect(stage.events.filter((event) => event === 'upstream body')).toHaveLength(2);
});

test('a body that was held until it was judged is in the copy', () => {
  const { target, filter } = setUp();
  const held = new HeldBytes();
  const terms = { maxBytes: 1_000, timeoutMs: 1_000, judge: () => true };
  const holding: Filter = { name: 'holding', onRequestHead: (exchange) => holdBody(exchange, terms, held) };
  const stage = setStage([holding, filter], { requestLine: 'PUT / HTTP/1.1', body: true });
  begin(stage.exchange);
  onRequestBody(stage.exchange, BODY, 0, BODY.length);
  expect(target.events).toEqual([]);
  onRequestEnd(stage.exchange, null);
  expect(target.opened[0]).toMatchObject({ requestBytes: BODY.length, kept: [BODY] });
});
