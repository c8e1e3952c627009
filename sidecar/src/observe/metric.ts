/**
 * Metrics as data. Each is declared once, beside the code that counts it; code, reference page, dashboards and alerts take names and labels from
 * the declaration, so that a stale one does not compile.
 *
 * Invariants: names and labels are stable, because people match on them; a sample has no label that is not declared (it may lack some), apart from
 * `service_name`, which every sample has.
 */

export type MetricType = 'counter' | 'gauge' | 'histogram';

export interface MetricDeclaration<
  Type extends MetricType = MetricType,
  Name extends string = string,
  Label extends string = string,
> {
  readonly type: Type;
  readonly name: Name;
  /** Of the values; without one they are counts, or 1 and 0. */
  readonly unit?: 'seconds' | 'bytes';
  readonly help: string;
  readonly labels: readonly Label[];
}

export interface HistogramDeclaration<Name extends string = string, Label extends string = string>
  extends MetricDeclaration<'histogram', Name, Label> {
  /** Upper bounds of the exposed buckets, of at most two significant digits: then they are edges of cells, and counts are exact. */
  readonly bounds: readonly number[];
}

/** What OpenTelemetry recommends for requests in seconds, and three below for hops that take less than 5 ms. */
const REQUEST_SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];
/** For what lives as long as connections do. */
export const CONNECTION_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100];
/** For commands, of which many take less than a millisecond. */
export const COMMAND_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

export function counter<const Name extends string, const Label extends string = never>(
  name: Name,
  help: string,
  labels: readonly Label[] = [],
): MetricDeclaration<'counter', Name, Label> {
  return { type: 'counter', ...named(name), help, labels };
}

export function gauge<const Name extends string, const Label extends string = never>(
  name: Name,
  help: string,
  labels: readonly Label[] = [],
): MetricDeclaration<'gauge', Name, Label> {
  return { type: 'gauge', ...named(name), help, labels };
}

export function histogram<const Name extends string, const Label extends string = never>(
  name: Name,
  help: string,
  labels: readonly Label[] = [],
  bounds: readonly number[] = REQUEST_SECONDS,
): HistogramDeclaration<Name, Label> {
  return { type: 'histogram', ...named(name), help, labels, bounds };
}

/** Samples, and so series of Prometheus, of one combination of labels. */
export function samplesOfOne(declaration: MetricDeclaration | HistogramDeclaration): number {
  // Beside the buckets: the one for everything longer, sum and count.
  return 'bounds' in declaration ? declaration.bounds.length + 3 : 1;
}

/** Those that modules export. */
export function declarationsOf(...modules: readonly object[]): readonly MetricDeclaration[] {
  return modules.flatMap((module) => Object.values(module).filter(isDeclaration));
}

function isDeclaration(value: unknown): value is MetricDeclaration {
  return typeof value === 'object' && value !== null && 'labels' in value && 'help' in value;
}

/** The unit is part of the name, as Prometheus wants it. */
function named<Name extends string>(name: Name): { name: Name; unit?: 'seconds' | 'bytes' } {
  const [, unit] = /_(seconds|bytes)(?:_total)?$/.exec(name) ?? [];
  return unit === 'seconds' || unit === 'bytes' ? { name, unit } : { name };
}
