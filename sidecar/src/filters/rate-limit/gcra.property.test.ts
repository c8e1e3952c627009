import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileWindow, type Window } from './gcra.ts';
import { KeyTable } from './key-table.ts';

const window = fc
  .record({
    quota: fc.integer({ min: 1, max: 50 }),
    windowSeconds: fc.integer({ min: 1, max: 3_600 }),
    burst: fc.integer({ min: 1, max: 60 }),
  })
  .map(compileWindow);
const windows = fc.uniqueArray(window, {
  minLength: 1,
  maxLength: 4,
  selector: ({ windowSeconds }) => windowSeconds,
});
/** Steps of time in intervals of the first window, so that runs come near to their limits. */
const requests = fc.array(
  fc.record({
    afterIntervals: fc.double({ min: 0, max: 3, noNaN: true }),
    cost: fc.integer({ min: 1, max: 8 }),
  }),
  { minLength: 1, maxLength: 80 },
);

interface Admitted {
  readonly atUs: number;
  readonly cost: number;
}

/** The largest excess of what was admitted in any span over what the window allows in it. */
function worstExcess(admitted: readonly Admitted[], { quota, windowSeconds, burst }: Window): number {
  let worst = Number.NEGATIVE_INFINITY;
  for (let from = 0; from < admitted.length; from++) {
    let units = 0;
    for (let to = from; to < admitted.length; to++) {
      units += (admitted[to] as Admitted).cost;
      const spanUs = (admitted[to] as Admitted).atUs - (admitted[from] as Admitted).atUs;
      worst = Math.max(worst, units - burst - (spanUs * quota) / (windowSeconds * 1e6));
    }
  }
  return worst;
}

describe('a limit', () => {
  test('never admits more than rate times time plus burst, in any span and in any of its windows', () => {
    fc.assert(
      fc.property(windows, requests, (plan, run) => {
        const table = new KeyTable([plan], 1);
        const admitted: Admitted[] = [];
        let atUs = 1_000_000;
        for (const { afterIntervals, cost } of run) {
          atUs += Math.floor(afterIntervals * (plan[0] as Window).intervalUs);
          const slot = table.slotOf('key', 0, atUs);
          if (table.decide(slot, cost, atUs) <= 0) admitted.push({ atUs, cost });
        }
        for (const each of plan) expect(worstExcess(admitted, each)).toBeLessThanOrEqual(1e-6);
      }),
      { numRuns: 400 },
    );
  });

  test('refuses nothing that all windows would admit: a request passes as soon as it was told to come back', () => {
    fc.assert(
      fc.property(windows, requests, (plan, run) => {
        const table = new KeyTable([plan], 1);
        let atUs = 1_000_000;
        for (const { cost } of run) {
          if (plan.some(({ burst }) => burst < cost)) continue;
          const slot = table.slotOf('key', 0, atUs);
          const waitUs = table.waitUs(slot, cost, atUs);
          if (waitUs > 0) {
            expect(table.waitUs(slot, cost, atUs + waitUs - 1)).toBeGreaterThan(0);
            atUs += waitUs;
          }
          expect(table.waitUs(slot, cost, atUs)).toBeLessThanOrEqual(0);
          table.charge(slot, cost, atUs);
        }
      }),
      { numRuns: 400 },
    );
  });

  test('an idle key has its burst, and no more', () => {
    const plan = [compileWindow({ quota: 10, windowSeconds: 1, burst: 4 })];
    const table = new KeyTable([plan], 1);
    for (const atUs of [1_000_000, 3_600_000_000]) {
      const slot = table.slotOf('key', 0, atUs);
      let admitted = 0;
      while (table.waitUs(slot, 1, atUs) <= 0) {
        table.charge(slot, 1, atUs);
        admitted++;
      }
      expect(admitted).toBe(4);
    }
  });

  test('a clock that goes back makes a key wait no longer than its whole burst takes', () => {
    const plan = [compileWindow({ quota: 1, windowSeconds: 1, burst: 2 })];
    const table = new KeyTable([plan], 1);
    const slot = table.slotOf('key', 0, 9_000_000_000);
    table.charge(slot, 2, 9_000_000_000);
    expect(table.waitUs(slot, 2, 1_000_000)).toBe(2_000_000);
  });
});
