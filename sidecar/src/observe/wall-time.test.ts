import { expect, test } from 'vitest';
import type { Clock } from '../core/clock.ts';
import { WallTime } from './wall-time.ts';

test('wall time follows the clock, and is looked up at most once a second', () => {
  let monotonicMs = 5_000;
  let stepMs = 0;
  let lookups = 0;
  const clock: Clock = {
    nowMs: () => {
      lookups++;
      return 1e12 + monotonicMs + stepMs;
    },
    monotonicMs: () => monotonicMs,
    setTimer: () => ({ cancel: () => {} }),
  };
  const wallTime = new WallTime(clock);
  for (let i = 0; i < 10; i++, monotonicMs += 100) expect(wallTime.at(monotonicMs)).toBe(1e12 + monotonicMs);
  expect(lookups).toBe(1);
  // The wall clock was set; after a second the log knows.
  stepMs = 3_600_000;
  monotonicMs += 1_000;
  expect(wallTime.at(monotonicMs)).toBe(1e12 + monotonicMs + stepMs);
});
