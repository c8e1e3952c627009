import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nextDelayMs, parseRetryAfterMs, retryPolicy } from './retry.ts';

const policies = fc
  .record({
    attempts: fc.integer({ min: 1, max: 50 }),
    firstDelayMs: fc.integer({ min: 1, max: 10_000 }),
    maxDelayMs: fc.integer({ min: 10_000, max: 86_400_000 }),
  })
  .map((policy) => retryPolicy.parse(policy));
const randoms = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('nextDelayMs', () => {
  test('stays between half a step and the whole step, and below the maximum', () => {
    fc.assert(
      fc.property(policies, fc.nat({ max: 60 }), randoms, (policy, failed, random) => {
        const delayMs = nextDelayMs(policy, failed + 1, () => random);
        if (failed + 1 >= policy.attempts) {
          expect(delayMs).toBeNull();
          return;
        }
        const stepMs = Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** failed);
        expect(delayMs).toBeGreaterThanOrEqual(stepMs / 2);
        expect(delayMs).toBeLessThanOrEqual(Math.ceil(stepMs));
      }),
    );
  });

  test('respects what the target asks for, up to the maximum', () => {
    fc.assert(
      fc.property(policies, fc.nat({ max: 1e9 }), randoms, (policy, retryAfterMs, random) => {
        const delayMs = nextDelayMs({ ...policy, attempts: 2 }, 1, () => random, retryAfterMs) as number;
        expect(delayMs).toBeGreaterThanOrEqual(Math.min(retryAfterMs, policy.maxDelayMs));
        expect(delayMs).toBeLessThanOrEqual(policy.maxDelayMs);
      }),
    );
  });

  test('spreads callers that failed together', () => {
    const policy = { attempts: 5, firstDelayMs: 1_000, maxDelayMs: 60_000 };
    const delays = [0, 0.25, 0.5, 0.999].map((random) => nextDelayMs(policy, 3, () => random));
    expect(delays).toEqual([2_000, 2_500, 3_000, 3_998]);
  });
});

test.each([
  [undefined, 0],
  ['', 0],
  ['120', 120_000],
  ['-1', 0],
  ['soon', 0],
  ['Thu, 01 Jan 1970 00:01:00 GMT', 50_000],
  ['Thu, 01 Jan 1970 00:00:01 GMT', 0],
  ['Thu, 99 Jan 1970 00:00:01 GMT', 0],
])('retry-after %s, read at second 10, is %d ms', (value, expected) => {
  expect(parseRetryAfterMs(value, 10_000)).toBe(expected);
});

test('a policy whose first delay exceeds its maximum is refused', () => {
  const policy = { attempts: 2, firstDelayMs: 2, maxDelayMs: 1 };
  expect(retryPolicy.safeParse(policy).error?.issues[0]?.message).toBe(
    'firstDelayMs must not exceed maxDelayMs',
  );
});
