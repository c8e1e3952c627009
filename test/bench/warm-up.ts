// Brings fresh processes to the state that they are measured in: pools filled, buffers grown, and hot code compiled.
//
// A JIT compiler works for seconds, on threads whose CPU counts. So all contenders get slices of full load in turn, the same number
// of them for everybody, until nobody's requests are getting cheaper any more. Who still is when the slices are used up is told.
import type { CellResult } from './results.ts';
import type { Running } from './scenario.ts';

/** CPU for a request under a slice of full load; null when it failed, which shows again in the rounds. */
export type MeasureSlice = (running: Running, result: CellResult) => Promise<number | null>;

export interface WarmUpOptions {
  maxSlices: number;
  onProgress: (line: string) => void;
}

const MIN_SLICES = 4;
/** A slice is cheaper than those before it when it takes less than this share of the cheapest of them. */
const CHEAPER = 0.95;

/** Returns the names of those that still were getting cheaper. */
export async function warmUp(
  running: Running[],
  results: CellResult[],
  measureSlice: MeasureSlice,
  { maxSlices, onProgress }: WarmUpOptions,
): Promise<string[]> {
  const courses = running.flatMap((each) =>
    results.map((result) => ({ each, result, slices: [] as (number | null)[] })),
  );
  for (let slice = 1; slice <= maxSlices; slice++) {
    for (const { each, result, slices } of courses) slices.push(await measureSlice(each, result));
    if (slice >= MIN_SLICES && courses.every(({ slices }) => hasSettled(slices))) break;
  }
  for (const { each, result, slices } of courses) {
    const course = slices.map((micros) => micros?.toFixed(1) ?? 'failed').join(', ');
    onProgress(`warm-up of ${each.name} with ${result.cell.workload.name}: ${course} us`);
  }
  return [...new Set(courses.filter(({ slices }) => !hasSettled(slices)).map(({ each }) => each.name))];
}

export function hasSettled(slices: (number | null)[]): boolean {
  const last = slices.at(-1) ?? null;
  const before = slices.slice(0, -1).filter((micros) => micros !== null);
  return last === null || last >= Math.min(...before) * CHEAPER;
}
