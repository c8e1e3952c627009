// What a run found out, and the ratios between contenders.
import type { Cell, ScenarioName } from './cells.ts';
import type { Evidence } from './evidence.ts';
import { MAX_DISTURBANCE, type Sample } from './measurement.ts';
import { type Spread, spreadOf } from './statistics.ts';

/** One entry a round; null where the measurement failed. */
export interface Outcome {
  samples: (Sample | null)[];
  failures: string[];
}

export interface CellResult {
  cell: Cell;
  outcomes: Map<string, Outcome>;
}

export interface ScenarioResult {
  scenario: ScenarioName;
  cells: CellResult[];
  evidence: Map<string, Evidence>;
  /** Contenders that could not be started, with the reason. */
  absent: Map<string, string>;
  /** What a reader has to know about the numbers. */
  notes: string[];
}

export type Metric = (sample: Sample) => number;

/** The spread over the rounds, or null when the contender failed in any of them: such a cell is never counted. */
export function spreadIn(result: CellResult, contender: string, metric: Metric): Spread | null {
  const samples = validSamples(result, contender);
  return samples === null ? null : spreadOf(samples.map(metric));
}

/** The median of the ratios of each round: what disturbs the machine for a while disturbs both of them. */
export function ratioIn(
  result: CellResult,
  contender: string,
  baseline: string,
  metric: Metric,
): number | null {
  return compareIn(result, contender, baseline, metric, (own, other) => own / other);
}

/** The median of the differences of each round. */
export function differenceIn(
  result: CellResult,
  contender: string,
  baseline: string,
  metric: Metric,
): number | null {
  return compareIn(result, contender, baseline, metric, (own, other) => own - other);
}

function compareIn(
  result: CellResult,
  contender: string,
  baseline: string,
  metric: Metric,
  compare: (own: number, other: number) => number,
): number | null {
  const samples = validSamples(result, contender);
  const baselines = validSamples(result, baseline);
  if (samples === null || baselines === null) return null;
  const compared = samples.map((sample, round) =>
    compare(metric(sample), metric(baselines[round] as Sample)),
  );
  return spreadOf(compared).median;
}

/** Whether others used the core of one of them while it was measured. */
export function isDisturbed(result: CellResult, contenders: string[]): boolean {
  const shares = contenders.map(
    (name) => spreadIn(result, name, ({ disturbance }) => disturbance)?.median ?? 0,
  );
  return Math.max(...shares) > MAX_DISTURBANCE;
}

function validSamples(result: CellResult, contender: string): Sample[] | null {
  const outcome = result.outcomes.get(contender);
  if (outcome === undefined || outcome.failures.length > 0) return null;
  const samples = outcome.samples.filter((sample) => sample !== null);
  return samples.length === 0 || samples.length < outcome.samples.length ? null : samples;
}
