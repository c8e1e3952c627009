import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OBSERVE_LIMITS } from '../limits.ts';
import { KeptTraces } from './kept-traces.ts';

const word = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
const id = fc.tuple(word, word, word, word);
const { keptTraceMs } = OBSERVE_LIMITS;

describe('KeptTraces', () => {
  test('holds what was added until its time is over, and nothing else', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(id, { minLength: 2, maxLength: 9, selector: String }),
        word,
        (ids, secret) => {
          const [stranger, ...added] = ids;
          const kept = new KeptTraces(() => secret, 8);
          for (const each of added) expect(kept.add(...each, 0)).toBe(true);
          for (const each of added) expect(kept.has(...each, keptTraceMs - 1)).toBe(true);
          for (const each of added) expect(kept.has(...each, keptTraceMs)).toBe(false);
          expect(kept.has(...(stranger as (typeof ids)[0]), 0)).toBe(false);
        },
      ),
    );
  });

  test('says what it knew, and keeps it for longer', () => {
    const kept = new KeptTraces(() => 1, 8);
    expect(kept.add(1, 2, 3, 4, 0)).toBe(true);
    expect(kept.add(1, 2, 3, 4, 10)).toBe(false);
    expect(kept.has(1, 2, 3, 4, keptTraceMs + 9)).toBe(true);
    expect(kept.add(1, 2, 3, 4, keptTraceMs + 10)).toBe(true);
  });

  test('forgets the oldest of a set when there is no more room', () => {
    const kept = new KeptTraces(() => 1, 8);
    for (let i = 1; i <= 9; i++) kept.add(i, i, i, i, i);
    expect(Array.from({ length: 9 }, (_, i) => kept.has(i + 1, i + 1, i + 1, i + 1, 10))).toEqual([
      false,
      ...Array(8).fill(true),
    ]);
  });

  test('spreads ids that somebody has chosen to look alike', () => {
    const kept = new KeptTraces(() => 0x5eed, 4_096);
    const count = 1_024;
    for (let i = 0; i < count; i++) kept.add(7, 7, 7, i << 16, 0);
    let held = 0;
    for (let i = 0; i < count; i++) if (kept.has(7, 7, 7, i << 16, 0)) held++;
    // A quarter of the places: a set with more than eight of them is rare.
    expect(held).toBeGreaterThan(count * 0.98);
  });
});
