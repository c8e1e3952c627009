// What the sidecar promises, as ratios to its peers and as what it adds to itself, and whether a run kept it.
import type { Cell } from './cells.ts';
import { isLarge } from './measurement.ts';
import { type CellResult, differenceIn, isDisturbed, type Metric, ratioIn } from './results.ts';

interface Target {
  name: string;
  limit: number;
  baseline: 'envoy' | 'haproxy' | 'tulle-plain' | 'tulle-untraced';
  /** Limit and measurement are what is added to the baseline, in microseconds; ratios without it. */
  isAddedMicros?: true;
  metric: Metric;
  applies: (cell: Cell) => boolean;
}

export interface Verdict {
  target: Target;
  /** null: the sidecar or its baseline failed in this cell. */
  measured: { cell: Cell; value: number | null; isDisturbed: boolean }[];
}

const SUBJECT = 'tulle';
const isSmall = (cell: Cell) => !isLarge(cell);
/** Who is measured beside itself has none. */
const hasPeers = (cell: Cell) => cell.scenario !== 'waf' && cell.scenario !== 'tracing';
const isSaturated = (cell: Cell) => cell.load === 'saturated';
const cpu: Metric = (sample) => sample.cpuMicros;

const TARGETS: Target[] = [
  {
    name: 'hop with features, saturated: CPU',
    limit: 0.35,
    baseline: 'envoy',
    metric: cpu,
    applies: (cell) => cell.scenario === 'features' && isSmall(cell) && isSaturated(cell),
  },
  {
    name: 'hop with features, equal rate: CPU',
    limit: 0.55,
    baseline: 'envoy',
    metric: cpu,
    applies: (cell) => cell.scenario === 'features' && isSmall(cell) && !isSaturated(cell),
  },
  {
    name: 'hop with features and policies, saturated: CPU',
    limit: 0.4,
    baseline: 'envoy',
    metric: cpu,
    applies: (cell) => cell.scenario === 'policies' && isSaturated(cell),
  },
  {
    name: 'hop with features that inspects a JSON body of 1 KB: CPU',
    limit: 2.5,
    baseline: 'tulle-plain',
    metric: cpu,
    applies: (cell) => cell.scenario === 'waf',
  },
  {
    name: 'ring of spans and 1 % traces, saturated: CPU',
    limit: 1.5,
    baseline: 'tulle-untraced',
    isAddedMicros: true,
    metric: cpu,
    applies: (cell) => cell.scenario === 'tracing' && isSaturated(cell),
  },
  {
    name: 'bare hop, saturated: CPU',
    limit: 1.1,
    baseline: 'haproxy',
    metric: cpu,
    applies: (cell) => cell.scenario === 'bare' && isSmall(cell) && isSaturated(cell),
  },
  {
    name: '1 MB answer over HTTP: CPU',
    limit: 1,
    baseline: 'envoy',
    metric: cpu,
    applies: (cell) => cell.scenario !== 'tcp' && !isSmall(cell),
  },
  // Replaces 0.55 for a pair that spoke pooled HTTP/1.1 with each other, which no pair does any more.
  {
    name: 'mTLS pair over HTTP/2, saturated: CPU',
    limit: 0.35,
    baseline: 'envoy',
    metric: cpu,
    applies: (cell) => cell.scenario === 'pair' && isSmall(cell) && isSaturated(cell),
  },
  {
    name: 'mTLS pair over HTTP/2, equal rate: CPU',
    limit: 0.6,
    baseline: 'envoy',
    metric: cpu,
    applies: (cell) => cell.scenario === 'pair' && isSmall(cell) && !isSaturated(cell),
  },
  {
    name: 'gRPC through the pair, saturated: CPU',
    limit: 0.4,
    baseline: 'envoy',
    metric: cpu,
    applies: (cell) => cell.scenario === 'grpc' && isSaturated(cell),
  },
  {
    name: 'TCP passthrough: CPU',
    limit: 0.9,
    baseline: 'envoy',
    metric: cpu,
    applies: (cell) => cell.scenario === 'tcp',
  },
  {
    name: 'equal rate: p50 latency',
    limit: 1,
    baseline: 'envoy',
    metric: (sample) => sample.p50Ms,
    applies: (cell) => hasPeers(cell) && !isSaturated(cell),
  },
  {
    name: 'equal rate: p99 latency',
    limit: 1,
    baseline: 'envoy',
    metric: (sample) => sample.p99Ms,
    applies: (cell) => hasPeers(cell) && !isSaturated(cell),
  },
  {
    name: 'loaded: resident memory',
    limit: 1,
    baseline: 'envoy',
    metric: (sample) => sample.rssBytes,
    applies: (cell) => hasPeers(cell) && isSaturated(cell),
  },
];

/** Verdicts on the targets that apply to at least one of the cells. */
export function judge(results: CellResult[]): Verdict[] {
  return TARGETS.map((target) => {
    const compare = target.isAddedMicros ? differenceIn : ratioIn;
    const measured = results
      .filter(({ cell }) => target.applies(cell))
      .map((result) => ({
        cell: result.cell,
        value: compare(result, SUBJECT, target.baseline, target.metric),
        isDisturbed: isDisturbed(result, [SUBJECT, target.baseline]),
      }));
    return { target, measured };
  }).filter(({ measured }) => measured.length > 0);
}

/** "0.35 of envoy", "1.5 us over tulle-untraced". */
export function describeLimit({ limit, baseline, isAddedMicros }: Target): string {
  return isAddedMicros ? `${limit} us over ${baseline}` : `${limit} of ${baseline}`;
}

export function isMissed(verdict: Verdict): boolean {
  return missedCells(verdict).length > 0;
}

export function missedCells({ target, measured }: Verdict): Verdict['measured'] {
  return measured.filter(({ value }) => value === null || value > target.limit);
}
