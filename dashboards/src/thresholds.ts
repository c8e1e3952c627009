/**
 * When a value is worth a look (yellow) and when it is bad (red).
 */
import {
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
} from '@grafana/grafana-foundation-sdk/dashboard';

export type Thresholds = readonly Threshold[];

export const GOOD = 'green';
export const WARNING = 'orange';
export const BAD = 'red';

/** The higher, the worse. */
export function above(warning: number, bad: number): Thresholds {
  return [step(null, GOOD), step(warning, WARNING), step(bad, BAD)];
}

/** The lower, the worse. */
export function below(warning: number, bad: number): Thresholds {
  return [step(null, BAD), step(bad, WARNING), step(warning, GOOD)];
}

/** Any at all is bad. */
export const NONE_ALLOWED: Thresholds = [step(null, GOOD), step(Number.MIN_VALUE, BAD)];

/** Neither good nor bad. */
export const NEUTRAL: Thresholds = [step(null, 'blue')];

export function thresholdsOf(thresholds: Thresholds): ThresholdsConfigBuilder {
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps([...thresholds]);
}

function step(value: number | null, color: string): Threshold {
  return { value, color };
}
