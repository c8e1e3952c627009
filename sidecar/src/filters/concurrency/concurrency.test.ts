import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  begin,
  onDownstreamGone,
  onResponseEnd,
  onResponseHead,
  onUpstreamReady,
} from '../../core/course.ts';
import { Failure } from '../../core/failure.ts';
import { answer, type Stage, setStage } from '../../core/hand-led-exchange.ts';
import { LIMITS } from '../../core/limits.ts';
import { ManualClock } from '../../core/manual-clock.fixture.ts';
import { ConcurrencyFilter } from './concurrency.ts';
import { concurrencySpec } from './config.ts';
import { GradientLimit } from './gradient.ts';
import { ConcurrencySeries } from './metrics.ts';

function gate(config: object) {
  const clock = new ManualClock(0);
  const series = new ConcurrencySeries('inbound', 'http');
  const filter = new ConcurrencyFilter(concurrencySpec.parse(config), series);
  // One clock and one set of deadlines for all exchanges, as in a sidecar.
  const first = setStage([filter], { clock });
  const call = (): Stage => {
    const stage = setStage([filter], { clock, time: first.exchange.time });
    begin(stage.exchange);
    return stage;
  };
  return { call, series, clock, filter };
}

const isAdmitted = (stage: Stage) => stage.events.includes('open');
const isShed = (stage: Stage) => stage.exchange.failure === Failure.overloaded;

function complete(stage: Stage): void {
  onUpstreamReady(stage.exchange, stage.connect());
  onResponseHead(stage.exchange, answer());
  onResponseEnd(stage.exchange, null);
}

test('more than the limit are turned away at once when there is no queue', () => {
  const { call, series } = gate({ limit: 2 });
  const stages = [call(), call(), call()] as const;
  expect(stages.map(isAdmitted)).toEqual([true, true, false]);
  expect(isShed(stages[2])).toBe(true);
  complete(stages[0]);
  expect(isAdmitted(call())).toBe(true);
  expect(series.shed['no-queue']).toBe(1);
});

describe('the queue', () => {
  const config = { limit: 1, queue: { size: 2, timeoutMs: 1_000 } };

  test('is served in order', () => {
    const { call } = gate(config);
    const stages = [call(), call(), call()] as const;
    expect(stages.map(isAdmitted)).toEqual([true, false, false]);
    complete(stages[0]);
    expect(stages.map(isAdmitted)).toEqual([true, true, false]);
    complete(stages[1]);
    expect(isAdmitted(stages[2])).toBe(true);
  });

  test('that is full turns its oldest away for the newest', () => {
    const { call, series } = gate(config);
    const stages = [call(), call(), call(), call()] as const;
    expect(stages.map(isShed)).toEqual([false, true, false, false]);
    expect(series.shed['queue-full']).toBe(1);
  });

  test('turns away who has waited long enough', async () => {
    const { call, clock, series } = gate(config);
    call();
    const early = call();
    await clock.advance(600);
    const late = call();
    await clock.advance(400 + LIMITS.deadlineTickMs);
    expect([early, late].map(isShed)).toEqual([true, false]);
    expect(series.shed['queue-timeout']).toBe(1);
    await clock.advance(600);
    expect(isShed(late)).toBe(true);
  });

  test('that stands long serves its newest first', async () => {
    const { call, clock } = gate(config);
    const running = call();
    const stages = [call(), call()] as const;
    await clock.advance(600);
    complete(running);
    expect(stages.map(isAdmitted)).toEqual([false, true]);
  });

  test('forgets who has left', () => {
    const { call, series } = gate(config);
    const running = call();
    const left = call();
    const next = call();
    onDownstreamGone(left.exchange, Failure.downstreamAborted);
    expect(series.queued).toBe(1);
    complete(running);
    expect(isAdmitted(next)).toBe(true);
    expect(isAdmitted(left)).toBe(false);
  });
});

test('a new config holds for who comes next, and counts who is under way', () => {
  const { call, filter, series } = gate({ limit: 3 });
  const stages = [call(), call(), call()] as const;
  filter.follow(concurrencySpec.parse({ limit: 2 }));
  expect(isShed(call())).toBe(true);
  for (const stage of stages.slice(1)) complete(stage);
  expect(isAdmitted(call())).toBe(true);
  expect([series.limit, series.inFlight]).toEqual([2, 2]);
});

test('in shadow everybody gets through, and who would not have is counted', () => {
  const { call, series } = gate({ limit: 1, mode: 'shadow' });
  expect([call(), call(), call()].map(isAdmitted)).toEqual([true, true, true]);
  expect(series.shadowShed).toBe(2);
});

test('whatever happens, the limit holds, everybody is answered once, and all places are given back', () => {
  const action = fc.constantFrom('call', 'complete', 'leave', 'wait');
  fc.assert(
    fc.property(
      fc.array(fc.tuple(action, fc.nat(20)), { maxLength: 80 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 0, max: 4 }),
      (actions, limit, size) => {
        const { call, series } = gate({ limit, queue: { size, timeoutMs: 100 } });
        const stages: Stage[] = [];
        const running = () => stages.filter((stage) => isAdmitted(stage) && !stage.events.includes('end'));
        for (const [what, which] of actions) {
          const open = stages.filter((stage) => !stage.events.includes('end'));
          const chosen = open[which % Math.max(1, open.length)];
          if (what === 'call') stages.push(call());
          else if (what === 'complete' && chosen !== undefined && isAdmitted(chosen)) complete(chosen);
          else if (what === 'leave' && chosen !== undefined)
            onDownstreamGone(chosen.exchange, Failure.downstreamAborted);
          if (running().length > limit || running().length !== series.inFlight || series.queued > size)
            return false;
        }
        for (const stage of stages) onDownstreamGone(stage.exchange, Failure.downstreamAborted);
        const ended = stages.every((stage) => stage.events.filter((event) => event === 'end').length === 1);
        return ended && series.inFlight === 0 && series.queued === 0;
      },
    ),
  );
});

test('an outage that answers fast is not taken for speed', async () => {
  const { call, clock, series } = gate({ limit: 200, adaptive: { initial: 20 } });
  const round = async (tookMs: number, status: number, rounds: number): Promise<void> => {
    for (let i = 0; i < rounds; i++) {
      const stages = Array.from({ length: series.limit }, call);
      for (const stage of stages) onUpstreamReady(stage.exchange, stage.connect());
      await clock.advance(tookMs);
      for (const stage of stages) {
        onResponseHead(stage.exchange, answer(status));
        onResponseEnd(stage.exchange, null);
      }
    }
  };
  await round(20, 200, 30);
  const before = series.limit;
  await round(1, 503, 30);
  expect(series.limit).toBe(before);
  await round(20, 200, 5);
  expect(series.limit).toBeGreaterThanOrEqual(before);
});

describe('the adaptive limit', () => {
  /** A service that does `capacity` at once; beyond that latency grows with what is under way. */
  const drive = (limit: GradientLimit, capacity: number, samples: number): void => {
    for (let i = 0; i < samples; i++) {
      const inFlight = limit.value;
      limit.sample(10 * Math.max(1, inFlight / capacity), inFlight);
    }
  };

  test('rises while the service keeps up, to about what it can bear', () => {
    const limit = new GradientLimit(5, 1, 1_000);
    drive(limit, 100, 400);
    expect(limit.value).toBeGreaterThan(80);
    expect(limit.value).toBeLessThan(400);
  });

  test('falls when the service slows down, and comes back', () => {
    const limit = new GradientLimit(5, 1, 1_000);
    drive(limit, 100, 400);
    const before = limit.value;
    for (let i = 0; i < 60; i++) limit.sample(500, limit.value);
    expect(limit.value).toBeLessThan(before / 4);
    drive(limit, 100, 2_000);
    expect(limit.value).toBeGreaterThan(80);
  });

  test('does not rise while it is not used, and stays within its bounds', () => {
    const limit = new GradientLimit(50, 10, 60);
    for (let i = 0; i < 100; i++) limit.sample(10, 5);
    expect(limit.value).toBe(50);
    for (let i = 0; i < 1_000; i++) limit.sample(10, 60);
    expect(limit.value).toBe(60);
    for (let i = 0; i < 1_000; i++) limit.sample(10 + i, 60);
    expect(limit.value).toBeGreaterThanOrEqual(10);
  });
});
