import { beforeAll, expect, test } from 'vitest';
import { allowedGrowth, growthOf, measureOutage, type Outage } from './outage.ts';

/** The collector is built from its sources where it is missing, and a busy machine takes its time. */
const PATIENCE_MS = 600_000;

let outage: Outage;

beforeAll(async () => {
  outage = await measureOutage({ there: 10_000, warmUp: 40_000, stopped: 60_000, dead: 60_000 });
}, PATIENCE_MS);

test('no request fails, and each of their spans is exported, dropped or waits', () => {
  for (const { requests, recorded, exported, dropped, waiting } of Object.values(outage.phases)) {
    expect(recorded).toBe(requests);
    expect(exported + dropped + waiting).toBe(recorded);
  }
});

test('while the collector is away spans are dropped, and counted', () => {
  const { there, stopped, dead } = outage.phases;
  expect(there.exported).toBeGreaterThan(0);
  expect(stopped.dropped).toBeGreaterThan(there.dropped);
  expect(dead.dropped).toBeGreaterThan(stopped.dropped);
  expect(dead.exported).toBe(stopped.exported);
});

test('memory stays as it is', () => {
  expect(growthOf(outage).requests).toBeGreaterThanOrEqual(120_000);
  expect(growthOf(outage).bytes).toBeLessThan(allowedGrowth(outage));
});

test('when the collector is back it gets spans again, those that were under way included', () => {
  const { dead, back } = outage.phases;
  expect(back.exported).toBeGreaterThan(dead.exported);
  expect(outage.collected).toBeGreaterThanOrEqual(back.exported - dead.exported);
});
