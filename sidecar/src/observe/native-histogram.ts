/**
 * Native histograms of Prometheus (https://prometheus.io/docs/specs/native_histograms/) out of the cells of ours.
 *
 * A cell goes whole into the exponential bucket that its geometric middle lies in. A cell is at most a tenth wide from 10 us on and a bucket 2.2 %, so what
 * Prometheus makes of them is at most 7.2 % off; below, a cell is 1 us wide. All below 1 us are in the zero bucket, all beyond 100 s are taken for 100 s.
 */
import { CELLS, LAST_CELL, upperEdgeUs } from './histogram.ts';

/** Each power of two is divided into 2^5 buckets. */
export const NATIVE_SCHEMA = 5;
export const ZERO_THRESHOLD_SECONDS = 1e-6;

/** Bucket `i` holds seconds in (2^((i - 1) / 32), 2^(i / 32)]. */
const BUCKET_OF_CELL = Int16Array.from({ length: CELLS }, (_, cell) => {
  const lowerUs = upperEdgeUs(Math.max(cell - 1, 0));
  const middleUs = cell === LAST_CELL ? lowerUs : Math.sqrt(lowerUs * upperEdgeUs(cell));
  return Math.ceil(Math.log2(middleUs / 1e6) * 2 ** NATIVE_SCHEMA);
});

export interface NativeBuckets {
  readonly zeroCount: number;
  /** Runs of buckets: how many are empty since the last run (for the first, its first bucket), and how many follow. */
  readonly spans: readonly { readonly offset: number; readonly length: number }[];
  /** Each count less the one before. */
  readonly deltas: readonly number[];
}

export function nativeBucketsOf(cells: Float64Array | null): NativeBuckets {
  const spans: { offset: number; length: number }[] = [];
  const counts: number[] = [];
  let last: number | null = null;
  for (let cell = 1; cell < CELLS; cell++) {
    const count = cells?.[cell] ?? 0;
    if (count === 0) continue;
    const bucket = BUCKET_OF_CELL[cell] as number;
    if (bucket === last) {
      counts[counts.length - 1] = (counts.at(-1) as number) + count;
      continue;
    }
    const span = spans.at(-1);
    if (span !== undefined && bucket === (last as number) + 1) span.length++;
    else spans.push({ offset: last === null ? bucket : bucket - last - 1, length: 1 });
    counts.push(count);
    last = bucket;
  }
  const deltas = counts.map((count, i) => count - (counts[i - 1] ?? 0));
  return { zeroCount: cells?.[0] ?? 0, spans, deltas };
}
