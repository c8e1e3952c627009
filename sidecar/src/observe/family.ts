/**
 * A metric family whose samples are read from the series when it is scraped, one by one, in the shape in which prom-client has them.
 */
import type { Metric, Registry } from 'prom-client';
import { cellOf, type Histogram, LAST_CELL } from './histogram.ts';
import type { HistogramDeclaration, MetricDeclaration, MetricType } from './metric.ts';

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly metricName?: string;
  readonly labels: Labels;
  /** Labels that several samples have in common, as one object. */
  readonly sharedLabels?: Labels;
  readonly value: number;
  /** With the count of a histogram of ours: what its native form is made of. */
  readonly cells?: Float64Array | null;
  /** Not shown in the text format of Prometheus. */
  readonly exemplar?: ShownExemplar | null;
}

interface ShownExemplar {
  readonly labelSet: Labels;
  readonly value: number;
  /** Unix time in seconds. */
  readonly timestamp: number;
}

/** One series of a family, which may lack some of its labels. */
export type Reading<V> = readonly [labels: Labels, value: V];

interface Buckets {
  readonly cells: readonly number[];
  readonly labels: readonly Labels[];
}

const NO_LABELS = {};

export function register(
  registry: Registry,
  declaration: MetricDeclaration<'counter' | 'gauge'>,
  read: () => Iterable<Reading<number>>,
): void {
  registerFamily(registry, declaration, function* () {
    for (const [labels, value] of read()) yield { labels, value };
  });
}

export function registerHistogram(
  registry: Registry,
  declaration: HistogramDeclaration,
  read: () => Iterable<Reading<Histogram>>,
): void {
  const buckets = bucketsOf(declaration.bounds);
  registerFamily(registry, declaration, function* () {
    for (const [labels, histogram] of read())
      yield* samplesOfHistogram(declaration.name, labels, histogram, buckets);
  });
}

/** What every family says of itself. */
export interface Described {
  readonly name: string;
  readonly help: string;
  readonly type: string;
}

/** Those of ours and those of prom-client, in the order in which they were registered. */
export function familiesOf(registry: Registry): readonly (Metric & Described)[] {
  return registry.getMetricsAsArray() as unknown as (Metric & Described)[];
}

/** Of a family of ours, or of one of prom-client's own. */
export async function samplesOf(metric: Metric): Promise<Iterable<Sample>> {
  if (metric instanceof Family) return metric.samples();
  return ((await metric.get()) as unknown as { values: Sample[] }).values;
}

class Family {
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
  readonly samples: () => Iterable<Sample>;

  constructor({ name, help, type }: MetricDeclaration, samples: () => Iterable<Sample>) {
    this.name = name;
    this.help = help;
    this.type = type;
    this.samples = samples;
  }

  /** For prom-client's registry, which writes all at once. */
  get(): object {
    const { name, help, type } = this;
    return { name, help, type, aggregator: 'sum', values: [...this.samples()] };
  }
}

function registerFamily(
  registry: Registry,
  declaration: MetricDeclaration,
  samples: () => Iterable<Sample>,
): void {
  // The registry calls `get` alone; its type names the classes that keep their own numbers.
  registry.registerMetric(new Family(declaration, samples) as unknown as Metric);
}

function bucketsOf(bounds: readonly number[]): Buckets {
  return {
    cells: [...bounds.map((seconds) => cellOf(seconds * 1_000)), LAST_CELL],
    labels: [...bounds.map(String), '+Inf'].map((le) => ({ le })),
  };
}

function* samplesOfHistogram(
  name: string,
  sharedLabels: Labels,
  histogram: Histogram,
  { cells, labels }: Buckets,
): Iterable<Sample> {
  // All is read before the first is given away, since time may pass between two of them.
  const counts = histogram.cumulate(cells);
  const sum = { labels: NO_LABELS, sharedLabels, value: histogram.sumMs / 1_000 };
  const exemplars = exemplarsOf(histogram, cells);
  const metricName = `${name}_bucket`;
  for (const [i, value] of counts.entries()) {
    const exemplar = exemplars?.get(i) ?? null;
    yield { metricName, labels: labels[i] as Labels, sharedLabels, value, exemplar };
  }
  yield { ...sum, metricName: `${name}_sum` };
  yield { ...sum, metricName: `${name}_count`, value: counts.at(-1) as number, cells: histogram.cells };
}

/** The latest of each bucket, by its number. */
function exemplarsOf({ exemplars }: Histogram, cells: readonly number[]): Map<number, ShownExemplar> | null {
  if (exemplars === null) return null;
  const shown = new Map<number, ShownExemplar>();
  for (const { durationMs, atMs, traceId } of exemplars.all()) {
    const cell = cellOf(durationMs);
    const bucket = cells.findIndex((end) => cell <= end);
    const timestamp = atMs / 1_000;
    if ((shown.get(bucket)?.timestamp ?? 0) <= timestamp) {
      shown.set(bucket, { labelSet: { trace_id: traceId }, value: durationMs / 1_000, timestamp });
    }
  }
  return shown;
}
