import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RetryBudget } from './budget.ts';

const SECOND_MS = 1_000;

test('under failure of everything, retries are at most the share of the requests, and the few that are always allowed', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.integer({ min: 0, max: 5 }),
      // Milliseconds from one request to the next: bursts, quiet times, and pauses longer than the window.
      fc.array(fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 15_000 })), {
        maxLength: 400,
      }),
      fc.integer({ min: 1, max: 5 }),
      (share, minPerSecond, gaps, wanted) => {
        const budget = new RetryBudget(share, minPerSecond);
        const events: { second: number; retries: number }[] = [];
        let nowMs = 0;
        for (const gap of gaps) {
          nowMs += gap;
          budget.deposit(nowMs);
          let retries = 0;
          for (let i = 0; i < wanted; i++) if (budget.withdraw(nowMs)) retries++;
          events.push({ second: Math.floor(nowMs / SECOND_MS), retries });
        }
        // Every window of ten seconds that ends with an event.
        return events.every(({ second }, last) => {
          const window = events.slice(0, last + 1).filter((event) => event.second > second - 10);
          const retries = window.reduce((sum, event) => sum + event.retries, 0);
          return retries <= share * window.length + minPerSecond * 10;
        });
      },
    ),
  );
});

test('a service that is hardly called may retry', () => {
  const budget = new RetryBudget(0.1, 1);
  budget.deposit(0);
  const allowed = Array.from({ length: 20 }, () => budget.withdraw(5)).filter(Boolean);
  expect(allowed).toHaveLength(10);
  expect(budget.withdraw(11_000)).toBe(true);
});

test('the share is used in full', () => {
  const budget = new RetryBudget(0.2, 0);
  for (let i = 0; i < 1_000; i++) budget.deposit(i);
  let allowed = 0;
  while (budget.withdraw(1_000)) allowed++;
  expect(allowed).toBe(200);
});
