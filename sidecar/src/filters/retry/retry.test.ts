import { describe, expect, test } from 'vitest';
import {
  begin,
  limitExchange,
  onResponseHead,
  onUpstreamFailed,
  onUpstreamReady,
  onUpstreamUnavailable,
} from '../../core/course.ts';
import { Failure } from '../../core/failure.ts';
import { answer, type StageOptions, setStage } from '../../core/hand-led-exchange.ts';
import { ManualClock } from '../../core/manual-clock.fixture.ts';
import { retrySpec } from './config.ts';
import { RetrySeries } from './metrics.ts';
import { Retry } from './retry.ts';

function stageOf(config: object, options: StageOptions = {}) {
  const series = new RetrySeries('outbound', 'orders');
  const spec = retrySpec.parse({ backoff: { baseMs: 0, maxMs: 5_000 }, ...config });
  const retry = new Retry(spec, { random: HALF, series });
  const clock = options.clock ?? new ManualClock(0);
  const stage = setStage([], { endpoints: 2, retry, clock, ...options });
  const attempts = () => stage.events.filter((event) => event === 'upstream head').length;
  const answerWith = (status: number, ...fields: [string, string][]) => {
    onUpstreamReady(stage.exchange, stage.connect());
    const head = answer(status);
    for (const [name, value] of fields) head.add(name, value);
    onResponseHead(stage.exchange, head);
  };
  begin(stage.exchange);
  return { stage, series, attempts, answerWith, clock };
}

/** Always in the middle. */
const HALF = { next: () => 0x8000_0000 };
const POST = 'POST / HTTP/1.1';

describe('what is worth another attempt', () => {
  test('the statuses that are listed, and no others', () => {
    const listed = stageOf({ statuses: [418] });
    listed.answerWith(418);
    expect(listed.stage.events.at(-1)).toBe('open');
    expect(listed.series.retries.status).toBe(1);
    const other = stageOf({ statuses: [418] });
    other.answerWith(503);
    expect(other.stage.events.at(-1)).toBe('head 503');
    expect(Object.values(other.series.denied)).toEqual([0, 0, 0, 0, 0]);
  });

  test('resets, unless left out', () => {
    const { stage, series } = stageOf({});
    onUpstreamReady(stage.exchange, stage.connect());
    onUpstreamFailed(stage.exchange, Failure.upstreamReset, '');
    expect(series.retries.reset).toBe(1);
    const without = stageOf({ on: ['timeout'] });
    onUpstreamReady(without.stage.exchange, without.stage.connect());
    onUpstreamFailed(without.stage.exchange, Failure.upstreamReset, '');
    expect(without.stage.events).toContain('head 502');
  });
});

describe('what forbids it', () => {
  test('the number of attempts', () => {
    const { answerWith, attempts, series } = stageOf({ attempts: 2 });
    answerWith(503);
    answerWith(503);
    expect(attempts()).toBe(2);
    expect(series.denied.attempts).toBe(1);
  });

  test('a POST that may have been acted on, and has no key', () => {
    const { answerWith, attempts, series } = stageOf({}, { requestLine: POST });
    answerWith(503);
    expect(attempts()).toBe(1);
    expect(series.denied['not-idempotent']).toBe(1);
    const keyed = stageOf({}, { requestLine: POST, fields: ['idempotency-key: 1'] });
    keyed.answerWith(503);
    expect(keyed.stage.events.at(-1)).toBe('open');
  });

  test('not a POST that reached nobody', () => {
    const { stage, series } = stageOf({ attempts: 9 }, { requestLine: POST, endpoints: 1 });
    onUpstreamUnavailable(stage.exchange, Failure.connectRefused, '');
    expect(series.retries['connect-failure']).toBe(1);
  });

  test('the budget', () => {
    const { answerWith, attempts, series } = stageOf({
      attempts: 9,
      budget: { percent: 100, minPerSecond: 0 },
    });
    answerWith(503);
    answerWith(503);
    expect(attempts()).toBe(2);
    expect(series.denied.budget).toBe(1);
  });

  test('a deadline that would have passed by then', () => {
    const { stage, answerWith, series } = stageOf({ backoff: { baseMs: 1_000, maxMs: 1_000 } });
    limitExchange(stage.exchange, 400);
    answerWith(503);
    expect(series.denied.deadline).toBe(1);
  });
});

describe('when', () => {
  test('after a jittered back-off that doubles', async () => {
    const { answerWith, stage, clock } = stageOf({ attempts: 9, backoff: { baseMs: 100, maxMs: 300 } });
    const opened = () => stage.events.filter((event) => event === 'open').length;
    for (const [i, delayMs] of [50, 100, 150, 150].entries()) {
      answerWith(503);
      await clock.advance(delayMs - 1);
      expect(opened()).toBe(i + 1);
      await clock.advance(1);
      expect(opened()).toBe(i + 2);
    }
  });

  test('when the endpoint says, if that is soon', async () => {
    const { answerWith, stage, clock, series } = stageOf({ attempts: 9 });
    answerWith(503, ['retry-after', '2']);
    await clock.advance(1_999);
    expect(stage.events.at(-1)).toBe('abort upstream');
    await clock.advance(1);
    expect(stage.events.at(-1)).toBe('open');
    answerWith(503, ['retry-after', '6']);
    expect(stage.events.at(-1)).toBe('head 503');
    expect(series.denied['retry-after']).toBe(1);
  });
});

test('in shadow nothing is repeated, and what would have been is counted', () => {
  const { answerWith, stage, series } = stageOf({ mode: 'shadow' });
  answerWith(503);
  expect(stage.events.at(-1)).toBe('head 503');
  expect(series.shadowRetries.status).toBe(1);
  expect(stage.exchange.shadow).toContain('retry');
});
