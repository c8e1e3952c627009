import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { LIMITS } from '../../core/limits.ts';
import type { Limit } from './limit.ts';
import { closeLimits, openLimits, policyOf } from './rate-limit.fixture.ts';

afterAll(closeLimits);

/** A few letters and every mark that keys are made with, so that lists often read alike; and texts that are too long. */
const value = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'b', '\x1e', '\x1f', '"', ',', '}'), maxLength: 4 }),
  fc.constantFrom('x', 'y').map((end) => 'a'.repeat(LIMITS.rateLimitKeyChars) + end),
);

function limitWith(parts: number): Limit {
  const key = Array.from({ length: parts }, (_, i) => ({ header: `x-${i}` }));
  const policy = policyOf({ limits: [{ name: 'a', key, windows: [{ quota: 1, windowSeconds: 1 }] }] });
  return openLimits().limits.compile(policy).limits[0] as Limit;
}

test.each([1, 2, 3])(
  'lists of %i values have the same key if and only if they are the same, and it is short',
  (parts) => {
    const limit = limitWith(parts);
    const list = fc.array(value, { minLength: parts, maxLength: parts });
    fc.assert(
      fc.property(list, list, (one, other) => {
        const same = JSON.stringify(one) === JSON.stringify(other);
        expect(limit.keyOf(one) === limit.keyOf(other)).toBe(same);
        expect(limit.keyOf([...one])).toBe(limit.keyOf(one));
        expect(limit.keyOf(one).length).toBeLessThanOrEqual(LIMITS.rateLimitKeyChars);
      }),
      { numRuns: 2_000 },
    );
  },
);

test('hashes are no values: a value that looks like one is another key', () => {
  const limit = limitWith(1);
  const hashed = limit.keyOf(['a'.repeat(1_000)]);
  expect(limit.keyOf([hashed])).not.toBe(hashed);
});
