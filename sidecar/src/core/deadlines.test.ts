import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Deadlines } from './deadlines.ts';
import { LIMITS } from './limits.ts';
import { ManualClock } from './manual-clock.fixture.ts';

const TICK_MS = LIMITS.deadlineTickMs;

function start() {
  const clock = new ManualClock(0);
  const deadlines = new Deadlines(clock);
  /** An item that notes when it was told. */
  const watch = (deadlineMs: number, onDeadline = () => {}) => {
    const told: number[] = [];
    const item = {
      deadlineMs,
      told,
      onDeadline: () => {
        told.push(clock.monotonicMs());
        onDeadline();
      },
    };
    deadlines.watch(item);
    return item;
  };
  return { clock, deadlines, watch };
}

describe('Deadlines', () => {
  test('tell each item once, never early and at most one tick late', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 500 }), { maxLength: 30 }), async (all) => {
        const { clock, watch } = start();
        const items = all.map((deadlineMs) => ({ deadlineMs, item: watch(deadlineMs) }));
        await clock.advance(500 + 2 * TICK_MS);
        for (const { deadlineMs, item } of items) {
          expect(item.told).toHaveLength(1);
          expect(item.told[0]).toBeGreaterThanOrEqual(deadlineMs);
          expect(item.told[0]).toBeLessThan(deadlineMs + TICK_MS);
        }
      }),
      { numRuns: 30 },
    );
  });

  test('tell again when another deadline was set', async () => {
    const { clock, watch } = start();
    const item = watch(10);
    await clock.advance(TICK_MS);
    item.deadlineMs = 2 * TICK_MS;
    await clock.advance(10 * TICK_MS);
    expect(item.told).toEqual([TICK_MS, 2 * TICK_MS]);
  });

  test('a deadline that was moved on is not told of before', async () => {
    const { clock, watch } = start();
    const item = watch(TICK_MS);
    item.deadlineMs = 5 * TICK_MS;
    await clock.advance(4 * TICK_MS);
    expect(item.told).toEqual([]);
  });

  test('an item that was taken off is not told, even by the tick that tells another', async () => {
    const { clock, deadlines, watch } = start();
    watch(1, () => deadlines.unwatch(second));
    const second = watch(1);
    await clock.advance(3 * TICK_MS);
    expect(second.told).toEqual([]);
  });

  test('the timer stops while nothing is watched, and starts again', async () => {
    const { clock, deadlines, watch } = start();
    const item = watch(1);
    deadlines.unwatch(item);
    await clock.advance(TICK_MS);
    expect(clock.pendingTimers).toBe(0);
    const next = watch(clock.monotonicMs() + 1);
    await clock.advance(TICK_MS);
    expect(next.told).toHaveLength(1);
  });

  test('there is one timer, also when being told makes an item watch another', async () => {
    const { clock, watch } = start();
    for (let i = 1; i <= 5; i++) watch(i * TICK_MS, () => watch(Number.POSITIVE_INFINITY));
    await clock.advance(10 * TICK_MS);
    expect(clock.pendingTimers).toBe(1);
  });
});
