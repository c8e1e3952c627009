import { describe, expect, test } from 'vitest';
import { NO_RETRY, type RetryPolicy } from './attempts.ts';
import {
  begin,
  limitExchange,
  onDownstreamGone,
  onRequestBody,
  onRequestEnd,
  onResponseBody,
  onResponseEnd,
  onResponseHead,
  onUpstreamFailed,
  onUpstreamReady,
} from './course.ts';
import { Failure } from './failure.ts';
import { answer, BODY, type Stage, type StageOptions, setStage } from './hand-led-exchange.ts';
import { LIMITS } from './limits.ts';
import { ManualClock } from './manual-clock.fixture.ts';

/** Allows `attempts` in all, for whatever failed. */
const upTo = (attempts: number, delayMs = 0, bufferBytes = 1_000): RetryPolicy => ({
  bufferBytes,
  begin: () => {},
  decide: (exchange) => {
    const failed = exchange.attemptFailure !== Failure.none || exchange.attemptStatus >= 500;
    return failed && exchange.attempts < attempts ? delayMs : NO_RETRY;
  },
});

function stageWith(options: StageOptions): Stage {
  return setStage([], { endpoints: 2, ...options });
}

const opened = (stage: Stage) => stage.events.filter((event) => event === 'open').length;

describe('an attempt that failed', () => {
  test('by a status is followed by another, and nothing of it is seen downstream', () => {
    const stage = stageWith({ retry: upTo(2) });
    begin(stage.exchange);
    onUpstreamReady(stage.exchange, stage.connect());
    onResponseHead(stage.exchange, answer(503));
    expect(opened(stage)).toBe(2);
    onUpstreamReady(stage.exchange, stage.connect());
    onResponseHead(stage.exchange, answer(200));
    onResponseEnd(stage.exchange, null);
    expect(stage.events).toEqual([
      ...['open', 'upstream head', 'upstream end', 'abort upstream'],
      ...['open', 'upstream head', 'upstream end', 'head 200', 'response end', 'end', 'release'],
    ]);
    expect(stage.exchange.failure).toBe(Failure.none);
  });

  test('is the answer when the policy allows no more', () => {
    const stage = stageWith({ retry: upTo(2) });
    begin(stage.exchange);
    for (let i = 0; i < 2; i++) {
      onUpstreamReady(stage.exchange, stage.connect());
      onResponseHead(stage.exchange, answer(503));
    }
    expect(stage.events.at(-1)).toBe('head 503');
    expect(stage.exchange.attempts).toBe(2);
  });

  test('behind the head of its response is no longer replaced', () => {
    const stage = stageWith({ retry: upTo(9) });
    begin(stage.exchange);
    onUpstreamReady(stage.exchange, stage.connect());
    onResponseHead(stage.exchange, answer(200));
    onUpstreamFailed(stage.exchange, Failure.upstreamReset, '');
    expect(stage.events).toContain('abort response');
    expect(opened(stage)).toBe(1);
  });

  test('waits as long as the policy says, and not at all when the client has left', async () => {
    const clock = new ManualClock(0);
    const stage = stageWith({ retry: upTo(2, 40), clock });
    begin(stage.exchange);
    onUpstreamReady(stage.exchange, stage.connect());
    onUpstreamFailed(stage.exchange, Failure.upstreamReset, '');
    await clock.advance(39);
    expect(opened(stage)).toBe(1);
    await clock.advance(1);
    expect(opened(stage)).toBe(2);

    const left = stageWith({ retry: upTo(2, 40), clock });
    begin(left.exchange);
    onUpstreamReady(left.exchange, left.connect());
    onUpstreamFailed(left.exchange, Failure.upstreamReset, '');
    onDownstreamGone(left.exchange, Failure.downstreamAborted);
    await clock.advance(1_000);
    expect(opened(left)).toBe(1);
  });
});

describe('a request with a body', () => {
  const send = (stage: Stage, times = 1): void => {
    for (let i = 0; i < times; i++) onRequestBody(stage.exchange, BODY, 0, BODY.length);
  };

  test('is sent again from its first byte, and goes on behind what was kept', () => {
    const stage = stageWith({ retry: upTo(2), body: true });
    begin(stage.exchange);
    onUpstreamReady(stage.exchange, stage.connect());
    send(stage, 2);
    onUpstreamFailed(stage.exchange, Failure.upstreamReset, '');
    const before = stage.events.length;
    onUpstreamReady(stage.exchange, stage.connect());
    expect(stage.events.slice(before)).toEqual([
      ...['upstream head', 'upstream body', 'upstream body', 'resume request'],
    ]);
    send(stage);
    onRequestEnd(stage.exchange, null);
    expect(stage.events.slice(-2)).toEqual(['upstream body', 'upstream end']);
    expect(stage.exchange.requestBytes).toBe(3 * BODY.length);
  });

  test('that outgrew what is kept is sent once', () => {
    const stage = stageWith({ retry: upTo(2, 0, 2 * BODY.length - 1), body: true });
    begin(stage.exchange);
    onUpstreamReady(stage.exchange, stage.connect());
    send(stage, 2);
    onUpstreamFailed(stage.exchange, Failure.upstreamReset, '');
    expect(opened(stage)).toBe(1);
    expect(stage.events).toContain('head 502');
    expect(stage.exchange.kept).toBeNull();
  });
});

describe('times', () => {
  test('an attempt that takes too long is given up, and may be followed by another', async () => {
    const clock = new ManualClock(0);
    const stage = stageWith({ retry: upTo(2), attemptTimeoutMs: 200, clock });
    begin(stage.exchange);
    onUpstreamReady(stage.exchange, stage.connect());
    await clock.advance(200 + LIMITS.deadlineTickMs);
    expect(opened(stage)).toBe(2);
    expect(stage.events).toContain('abort upstream');
    onUpstreamReady(stage.exchange, stage.connect());
    await clock.advance(200 + LIMITS.deadlineTickMs);
    expect(stage.exchange.failure).toBe(Failure.upstreamTimeout);
    expect(stage.events).toContain('head 504');
  });

  test('an attempt whose response has begun has all the time of the exchange', async () => {
    const clock = new ManualClock(0);
    const stage = stageWith({ attemptTimeoutMs: 200, clock });
    begin(stage.exchange);
    limitExchange(stage.exchange, 1_000);
    onUpstreamReady(stage.exchange, stage.connect());
    onResponseHead(stage.exchange, answer());
    await clock.advance(900);
    onResponseBody(stage.exchange, BODY, 0, BODY.length);
    expect(stage.exchange.failure).toBe(Failure.none);
    await clock.advance(100 + LIMITS.deadlineTickMs);
    expect(stage.exchange.failure).toBe(Failure.deadlineExceeded);
    expect(clock.pendingTimers).toBe(0);
  });
});
