import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileWindow } from './gcra.ts';
import { KeyTable } from './key-table.ts';

const plan = [compileWindow({ quota: 6, windowSeconds: 60, burst: 2 })];
const wide = [compileWindow({ quota: 60, windowSeconds: 60, burst: 20 })];
const run = fc.array(
  fc.record({ key: fc.integer({ min: 0, max: 40 }), afterSeconds: fc.integer({ min: 0, max: 6 }) }),
  { minLength: 1, maxLength: 200 },
);

function request(table: KeyTable, key: string, nowUs: number, planIndex = 0): boolean {
  return table.decide(table.slotOf(key, planIndex, nowUs), 1, nowUs) <= 0;
}

describe('a table with more keys than room', () => {
  test('is bounded and forgives no key that is over its limit', () => {
    fc.assert(
      fc.property(run, fc.integer({ min: 1, max: 12 }), (requests, room) => {
        const table = new KeyTable([plan, wide], room);
        // Until when each key is over its limit, as the table itself has said.
        const overUntil = new Map<string, number>();
        let nowUs = 0;
        for (const { key, afterSeconds } of requests) {
          nowUs += afterSeconds * 1e6;
          const name = `key-${key}`;
          const admitted = request(table, name, nowUs);
          expect(table.size).toBeLessThanOrEqual(room);
          if (admitted) expect(overUntil.get(name) ?? 0).toBeLessThanOrEqual(nowUs);
          const overflowsBefore = table.overflows;
          const slot = table.slotOf(name, 0, nowUs);
          // A key that shares state is not over a limit of its own.
          if (table.overflows === overflowsBefore) overUntil.set(name, nowUs + table.waitUs(slot, 1, nowUs));
        }
      }),
      { numRuns: 300 },
    );
  });

  test('evicts keys that have everything back before those that have not', () => {
    const table = new KeyTable([plan], 2);
    request(table, 'restored', 0);
    request(table, 'indebted', 15e6);
    request(table, 'new', 16e6);
    expect(table.evictions).toBe(1);
    request(table, 'indebted', 16e6);
    expect(request(table, 'indebted', 16e6)).toBe(false);
  });

  test('lets new keys share while all are over their limits, each plan for itself, and evicts again when one is not', () => {
    const table = new KeyTable([plan, wide], 2);
    for (const key of ['a', 'b']) while (request(table, key, 0)) {}
    expect([request(table, 'c', 0), request(table, 'd', 0), request(table, 'e', 0)]).toEqual([
      true,
      true,
      false,
    ]);
    expect(request(table, 'with-more', 0, 1)).toBe(true);
    expect([table.evictions, table.overflows, table.size]).toEqual([0, 4, 2]);
    expect(request(table, 'a', 0)).toBe(false);
    expect(request(table, 'c', 10e6)).toBe(true);
    expect([table.evictions, table.size]).toEqual([1, 2]);
  });

  test('a flood of new keys takes nothing from those that are over their limits', () => {
    const table = new KeyTable([plan], 1_000);
    for (let i = 0; i < 1_000; i++) while (request(table, `over-${i}`, 0)) {}
    for (let i = 0; i < 5_000; i++) request(table, `flood-${i}`, 1);
    expect([table.overflows, table.evictions, table.size]).toEqual([5_000, 0, 1_000]);
  });
});
