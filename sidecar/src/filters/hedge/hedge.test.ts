import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  begin,
  onDownstreamGone,
  onResponseBody,
  onResponseEnd,
  onResponseHead,
  onUpstreamFailed,
  onUpstreamReady,
  onUpstreamUnavailable,
} from '../../core/course.ts';
import type { Exchange } from '../../core/exchange.ts';
import { Failure } from '../../core/failure.ts';
import { answer, BODY, setStage } from '../../core/hand-led-exchange.ts';
import { ManualClock } from '../../core/manual-clock.fixture.ts';
import { hedgeSpec } from './config.ts';
import { Hedging } from './hedge.ts';
import { LatencyQuantile } from './latency-quantile.ts';
import { HedgeSeries } from './metrics.ts';

/** A service of two endpoints whose answers take 20 ms; the last of its requests, a GET unless said, is under way. */
async function slowRequest(config: object = {}, requestLine = 'GET / HTTP/1.1') {
  const clock = new ManualClock(0);
  const series = new HedgeSeries('outbound', 'orders');
  const hedge = new Hedging(hedgeSpec.parse(config), series);
  for (let i = 0; i < 60; i++) {
    const before = setStage([], { endpoints: 2, hedge, clock });
    begin(before.exchange);
    onUpstreamReady(before.exchange, before.connect());
    await clock.advance(20);
    onResponseHead(before.exchange, answer());
    onResponseEnd(before.exchange, null);
  }
  Object.assign(series.results, new HedgeSeries('outbound', 'orders').results);
  const stage = setStage([], { endpoints: 2, hedge, clock, requestLine });
  begin(stage.exchange);
  onUpstreamReady(stage.exchange, stage.connect());
  return { stage, clock, series, second: () => stage.opened.at(-1) as Exchange };
}

const opens = (events: readonly string[]) => events.filter((event) => event === 'open').length;

describe('a second attempt', () => {
  test('begins when the first takes longer than usual, and its answer counts if it is the first', async () => {
    const { stage, clock, series, second } = await slowRequest();
    await clock.advance(19);
    expect(opens(stage.events)).toBe(1);
    await clock.advance(4);
    expect(opens(stage.events)).toBe(2);
    const attempt = second();
    expect(attempt).not.toBe(stage.exchange);
    onUpstreamReady(attempt, stage.connect());
    onResponseHead(attempt, answer());
    onResponseBody(attempt, BODY, 0, BODY.length);
    onResponseEnd(attempt, null);
    expect(stage.events.slice(-6)).toEqual([
      'abort upstream',
      'head 200',
      'body',
      'response end',
      'end',
      'release',
    ]);
    expect(stage.events.filter((event) => event === 'end')).toHaveLength(1);
    expect(series.results.won).toBe(1);
    expect(stage.exchange.attempts).toBe(2);
  });

  test('is given up when the first answers after all', async () => {
    const { stage, clock, series, second } = await slowRequest();
    await clock.advance(30);
    const attempt = second();
    onUpstreamReady(attempt, stage.connect());
    onResponseHead(stage.exchange, answer());
    onResponseEnd(stage.exchange, null);
    expect(series.results.lost).toBe(1);
    expect(stage.events).toContain('abort upstream');
    expect(stage.events.filter((event) => event.startsWith('head'))).toEqual(['head 200']);
  });

  test('decides when the first fails meanwhile', async () => {
    const { stage, clock, second } = await slowRequest();
    await clock.advance(30);
    onUpstreamFailed(stage.exchange, Failure.upstreamReset, 'gone');
    expect(stage.events).not.toContain('head 502');
    const attempt = second();
    onUpstreamReady(attempt, stage.connect());
    onResponseHead(attempt, answer());
    onResponseEnd(attempt, null);
    expect(stage.exchange.failure).toBe(Failure.none);
    expect(stage.events).toContain('head 200');
  });

  test('that fails, too, leaves the failure of the first', async () => {
    const { stage, clock, series, second } = await slowRequest();
    await clock.advance(30);
    onUpstreamFailed(stage.exchange, Failure.upstreamReset, 'gone');
    onUpstreamUnavailable(second(), Failure.poolOverflow, 'at the one endpoint');
    onUpstreamUnavailable(second(), Failure.poolOverflow, 'and at the other');
    expect(stage.exchange.failure).toBe(Failure.upstreamReset);
    expect(stage.events).toContain('head 502');
    expect(series.results.failed).toBe(1);
  });

  test('ends with its caller', async () => {
    const { stage, clock, second } = await slowRequest();
    await clock.advance(30);
    onUpstreamReady(second(), stage.connect());
    onDownstreamGone(stage.exchange, Failure.downstreamAborted);
    expect(stage.events.filter((event) => event === 'abort upstream')).toHaveLength(2);
    expect(stage.events.at(-1)).toBe('release');
  });

  test.each([
    ['a POST', {}, 'POST / HTTP/1.1'],
    ['in shadow mode', { mode: 'shadow' }, 'GET / HTTP/1.1'],
    ['beyond the budget', { budget: { percent: 0, minPerSecond: 0 } }, 'GET / HTTP/1.1'],
  ])('is not made for %s', async (_case, config, requestLine) => {
    const { stage, clock } = await slowRequest(config, requestLine);
    await clock.advance(500);
    expect(opens(stage.events)).toBe(1);
  });
});

test('the quantile is not below the true one of the window, nor more than a cell above', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.01, max: 5_000, noNaN: true }), { minLength: 150, maxLength: 150 }),
      fc.constantFrom(0.5, 0.9, 0.95, 0.99),
      (latencies, share) => {
        const quantile = new LatencyQuantile(share);
        for (const latency of latencies) quantile.observe(latency, 0);
        // With the last of them it is computed again.
        const sorted = latencies.toSorted((a, b) => a - b);
        const exact = sorted[Math.ceil(share * latencies.length) - 1] as number;
        return quantile.ms >= exact && quantile.ms <= exact * 1.11 + 0.002;
      },
    ),
  );
});

test('the quantile follows a service that has become faster, and says nothing of one that was silent', () => {
  const quantile = new LatencyQuantile(0.95);
  for (let i = 0; i < 200; i++) quantile.observe(100, 0);
  expect(quantile.ms).toBeCloseTo(100, -1);
  for (let i = 0; i < 300; i++) quantile.observe(10, 31_000 + i);
  for (let i = 0; i < 300; i++) quantile.observe(10, 62_000 + i);
  expect(quantile.ms).toBeCloseTo(10, 0);
  quantile.observe(10, 1_000_000);
  expect(quantile.ms).toBe(Number.POSITIVE_INFINITY);
});
