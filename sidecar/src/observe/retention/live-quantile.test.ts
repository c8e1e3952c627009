import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OBSERVE_LIMITS } from '../limits.ts';
import { LiveQuantile } from './live-quantile.ts';

const { quantileRefresh, quantileWindow } = OBSERVE_LIMITS;

describe('LiveQuantile', () => {
  test('calls nothing slow before it has seen enough', () => {
    const quantile = new LiveQuantile(0.005);
    for (let i = 0; i < quantileRefresh; i++) quantile.observe(i);
    expect(quantile.thresholdMs).toBe(Number.POSITIVE_INFINITY);
  });

  test('calls at most its share of what it has seen slow, and not much less where durations differ', () => {
    const durations = fc.array(fc.integer({ min: 1, max: 5_000_000 }), {
      minLength: quantileRefresh * 4,
      maxLength: quantileRefresh * 4,
    });
    fc.assert(
      fc.property(durations, fc.constantFrom(0.01, 0.05, 0.2), (all, share) => {
        const quantile = new LiveQuantile(share);
        for (const us of all) quantile.observe(us / 1_000);
        const slower = all.filter((us) => us / 1_000 > quantile.thresholdMs);
        expect(slower.length).toBeLessThanOrEqual(all.length * share);
        // One cell below, more than the share would be slow: a cell is a tenth wide.
        const nearly = all.filter((us) => us / 1_000 > quantile.thresholdMs * 0.89 - 0.002);
        expect(nearly.length).toBeGreaterThan(all.length * share);
      }),
      { numRuns: 50 },
    );
  });

  test('follows a route that becomes slower, and one that becomes fast again', () => {
    const quantile = new LiveQuantile(0.01);
    const feed = (durationMs: number) => {
      for (let i = 0; i < quantileWindow * 8; i++) quantile.observe(durationMs);
      return quantile.thresholdMs;
    };
    expect(feed(10)).toBeCloseTo(10, 0);
    expect(feed(300)).toBeGreaterThanOrEqual(300);
    expect(feed(10)).toBeLessThan(20);
  });
});
