import { expect, test } from 'vitest';
import { seededRandom } from '../seeded-random.ts';
import { measureRetention } from './measure.ts';

const shares = { failedShare: 0.01, slowShare: 0.003, headSampleRatio: 0 };

test('every failed trace is in a real collector with the spans of all hops, and little else', {
  timeout: 600_000,
}, async () => {
  const result = await measureRetention({ requests: 2_500, ...shares, random: seededRandom(7) });
  expect(result.failed.traces).toBeGreaterThan(10);
  expect(result.failed.complete).toBe(result.failed.traces);
  expect(result.slow.complete).toBe(result.slow.traces);
  // What is kept of the others was slow on this machine; in a run as short as this nobody knows yet what is.
  expect(result.others.complete).toBeLessThan(0.1 * result.others.traces);
});
