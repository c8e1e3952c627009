import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LIMITS } from '../../core/limits.ts';
import { NuisanceBudget } from './nuisance.ts';

const BURST = LIMITS.http2NuisanceBurst;
const PER_SECOND = LIMITS.http2NuisancesPerSecond;

test('a burst is allowed, and one more is not', () => {
  const budget = new NuisanceBudget();
  for (let i = 0; i < BURST; i++) expect(budget.spend(5)).toBe(true);
  expect(budget.spend(5)).toBe(false);
});

test('time gives some back, up to a burst', () => {
  const budget = new NuisanceBudget(2);
  expect([budget.spend(0), budget.spend(0), budget.spend(0)]).toEqual([true, true, false]);
  expect(budget.spend(2_000)).toBe(true);
  expect([budget.spend(9_000), budget.spend(9_000), budget.spend(9_000)]).toEqual([true, true, false]);
});

test('what we give occasion for is not counted', () => {
  const budget = new NuisanceBudget(10);
  for (let i = 0; i < 1_000; i++) {
    budget.earn(3);
    for (let spent = 0; spent < 3; spent++) expect(budget.spend(0)).toBe(true);
  }
});

test('however it is spread, nobody gets more than a burst and what time gives', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(400), { minLength: 1, maxLength: 3_000 }), (pauses) => {
      const budget = new NuisanceBudget();
      let nowMs = 0;
      let allowed = 0;
      for (const pause of pauses) {
        nowMs += pause / 100;
        if (budget.spend(nowMs)) allowed++;
      }
      return allowed <= BURST + (nowMs / 1_000) * PER_SECOND + 1;
    }),
    { numRuns: 100 },
  );
});
