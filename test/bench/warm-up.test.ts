import { expect, test } from 'vitest';
import { type Cell, listCells } from './cells.ts';
import { hasSettled, warmUp } from './warm-up.ts';

const contender = { port: 0, pids: [], accessLogs: [], spans: null, stop: async () => {} };
const cell = listCells(/^bare\/get-1k\/32\/saturated$/)[0] as Cell;

/** Warms up contenders whose slices cost what `courses` says, then what they cost last. */
async function run(courses: Record<string, (number | null)[]>) {
  const seen: Record<string, number> = {};
  const unsettled = await warmUp(
    Object.keys(courses).map((name) => ({ name, contender })),
    [{ cell, outcomes: new Map() }],
    async ({ name }) => {
      const course = courses[name] ?? [];
      const slice = seen[name] ?? 0;
      seen[name] = slice + 1;
      return course[Math.min(slice, course.length - 1)] ?? null;
    },
    { maxSlices: 6, onProgress: () => {} },
  );
  return { seen, unsettled };
}

test('everybody gets as many slices as the slowest to settle needs', async () => {
  const { seen, unsettled } = await run({ jit: [90, 60, 50, 40, 39], native: [30] });
  expect(seen).toEqual({ jit: 5, native: 5 });
  expect(unsettled).toEqual([]);
});

test('who settles at once still gets four slices', async () => {
  expect((await run({ native: [30], other: [50, 49] })).seen).toEqual({ native: 4, other: 4 });
});

test('who is still getting cheaper when the slices are used up is named', async () => {
  const { seen, unsettled } = await run({ jit: [90, 80, 70, 60, 50, 40], native: [30] });
  expect(seen).toEqual({ jit: 6, native: 6 });
  expect(unsettled).toEqual(['jit']);
});

test('a failure is left to the rounds', async () => {
  expect((await run({ broken: [null], native: [30] })).seen).toEqual({ broken: 4, native: 4 });
});

test('one dear slice after cheap ones is noise, not a course', () => {
  expect(hasSettled([50, 40, 60])).toBe(true);
  expect(hasSettled([50, 60, 40])).toBe(false);
  expect(hasSettled([50, null, 49])).toBe(true);
});
