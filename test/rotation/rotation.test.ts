import { expect, test } from 'vitest';
import { findTroubles } from './judge.ts';
import { rotateUnderLoad } from './rotation.ts';

test('credentials rotate under load without a failed command, through a sealed and a killed Vault', {
  timeout: 120_000,
}, async () => {
  const report = await rotateUnderLoad({ leaseSeconds: 3, calmSeconds: 7, outages: true });
  expect({ troubles: findTroubles(report), phases: report.phases }).toMatchObject({ troubles: [] });
  expect(report.phases.every(({ done }) => done > 100)).toBe(true);
});
