import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CELLS, cellOf, Histogram, upperEdgeUs } from './histogram.ts';

/** Whole microseconds below the overflow cell. */
const microseconds = fc.oneof(fc.nat(1_000), fc.nat(99_999_999));

describe('Histogram', () => {
  test('a duration lies above the edge below its cell and not above its own', () => {
    fc.assert(
      fc.property(microseconds, fc.double({ min: 0, max: 1, noNaN: true }), (us, fraction) => {
        const durationMs = (us + fraction) / 1_000;
        const cell = cellOf(durationMs);
        // Compared as the implementation must see it: the product of two doubles, not the number meant.
        const measuredUs = durationMs * 1_000;
        expect(measuredUs).toBeLessThanOrEqual(upperEdgeUs(cell));
        if (cell > 0) expect(measuredUs).toBeGreaterThan(upperEdgeUs(cell - 1));
      }),
      { numRuns: 2_000 },
    );
  });

  test('edges ascend, each cell at most a tenth wide, and the last takes everything longer', () => {
    for (let cell = 1; cell < CELLS - 1; cell++) {
      const below = upperEdgeUs(cell - 1);
      const width = upperEdgeUs(cell) - below;
      expect(width).toBeGreaterThan(0);
      expect(width).toBeLessThanOrEqual(Math.max(1, below / 10));
    }
    expect(upperEdgeUs(CELLS - 1)).toBe(Number.POSITIVE_INFINITY);
    expect([cellOf(100_000), cellOf(100_000.001), cellOf(1e12)]).toEqual([CELLS - 2, CELLS - 1, CELLS - 1]);
  });

  test('cumulative counts at the edges of exposed buckets are exact', () => {
    const bounds = [0.5, 1, 2.5, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000];
    fc.assert(
      fc.property(fc.array(microseconds, { maxLength: 200 }), (all) => {
        // The bounds themselves too: `le` is inclusive.
        const durations = [...all.map((us) => us / 1_000), ...bounds];
        const histogram = new Histogram();
        for (const durationMs of durations) histogram.observe(durationMs);
        expect(histogram.cumulate(bounds.map(cellOf))).toEqual(
          bounds.map((bound) => durations.filter((durationMs) => durationMs <= bound).length),
        );
        expect(histogram.count).toBe(durations.length);
      }),
    );
  });

  test('nothing was observed yet', () => {
    const histogram = new Histogram();
    expect([histogram.count, histogram.sumMs, histogram.cumulate([3, 9])]).toEqual([0, 0, [0, 0]]);
  });
});
