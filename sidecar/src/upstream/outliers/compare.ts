/**
 * Endpoints compared with one another over an interval: whose success rate, or latency, is not that of the others?
 */
import type { EndpointRecord } from '../endpoint-record.ts';
import type { OutlierSpec } from './config.ts';

export interface Outlier {
  readonly record: EndpointRecord;
  readonly detail: string;
  /** What would be usual, with the tolerance that the policy has; Infinity where latency is not the matter. */
  readonly limitMs: number;
}

/** Where all are nearly alike, the deviation is next to nothing, and so would be the reason to eject anybody. */
const LEAST_DIFFERENCE = 0.05;

/** The worst first. */
export function findUnsuccessful(
  records: readonly EndpointRecord[],
  { factor, minHosts, minRequests }: NonNullable<OutlierSpec['successRate']>,
): Outlier[] {
  const rated = records
    .filter(({ outlier }) => outlier.attempts >= minRequests)
    .map((record) => ({ record, rate: 1 - record.outlier.failures / record.outlier.attempts }));
  if (rated.length < minHosts) return [];
  const mean = rated.reduce((sum, { rate }) => sum + rate, 0) / rated.length;
  const variance = rated.reduce((sum, { rate }) => sum + (rate - mean) ** 2, 0) / rated.length;
  const least = mean - Math.max(factor * Math.sqrt(variance), LEAST_DIFFERENCE);
  return rated
    .filter(({ rate }) => rate < least)
    .sort((a, b) => a.rate - b.rate)
    .map(({ record, rate }) => ({
      record,
      detail: `${percent(rate)} of ${record.outlier.attempts} attempts succeeded, of others ${percent(mean)}`,
      limitMs: Number.POSITIVE_INFINITY,
    }));
}

export function findSlow(
  records: readonly EndpointRecord[],
  { factor, minMs, minHosts, minRequests }: NonNullable<OutlierSpec['latency']>,
): Outlier[] {
  const timed = records
    .filter(({ outlier }) => outlier.answers >= minRequests)
    .map((record) => ({ record, meanMs: record.outlier.latencySumMs / record.outlier.answers }))
    .sort((a, b) => b.meanMs - a.meanMs);
  if (timed.length < minHosts) return [];
  const ascending = timed.map(({ meanMs }) => meanMs).reverse();
  return timed.flatMap(({ record, meanMs }, i) => {
    const peersMs = medianWithout(ascending, timed.length - 1 - i);
    const limitMs = Math.max(minMs, factor * peersMs);
    if (meanMs <= limitMs) return [];
    return [{ record, detail: `took ${meanMs.toFixed(1)} ms, others ${peersMs.toFixed(1)} ms`, limitMs }];
  });
}

/** Of numbers in ascending order, less the one at an index. */
function medianWithout(ascending: readonly number[], without: number): number {
  const at = (rank: number): number => ascending[rank < without ? rank : rank + 1] as number;
  const count = ascending.length - 1;
  const middle = count >> 1;
  return count % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
