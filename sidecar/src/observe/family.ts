/**
 * A metric family whose samples are read from the series when it is scraped, in the shape in which prom-client's registry asks for it.
 */
import { type Metric, type OpenMetricsContentType, Registry } from 'prom-client';
import { cellOf, type Histogram } from './histogram.ts';

export type Labels = Readonly<Record<string, string>>;

interface Sample {
  readonly metricName?: string;
  readonly labels: Labels;
  /** Labels that several samples have in common: the registry formats them once. */
  readonly sharedLabels?: Labels;
  readonly value: number;
  /** Shown in OpenMetrics only. */
  readonly exemplar?: ShownExemplar;
}

interface ShownExemplar {
  readonly labelSet: Labels;
  readonly value: number;
  /** Unix time in seconds. */
  readonly timestamp: number;
}

/** One series of a family. */
export type Reading<V> = readonly [labels: Labels, value: V];

/**
 * Upper bounds of the exposed buckets: those that OpenTelemetry recommends, and three below for hops that take less than 5 ms. Each is
 * an edge of a cell, so the counts are exact.
 */
const REQUEST_BUCKETS = bucketsOf([
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
]);
/** For what lives as long as connections do. */
export const CONNECTION_BUCKETS = bucketsOf([
  0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100,
]);
/** For commands, of which many take less than a millisecond. */
export const COMMAND_BUCKETS = bucketsOf([
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
]);

interface Buckets {
  readonly cells: readonly number[];
  readonly labels: readonly Labels[];
}

const INFINITE_BUCKET = { le: '+Inf' };
const NO_LABELS = {};

export function registerCounter(
  registry: Registry,
  name: string,
  help: string,
  read: () => Iterable<Reading<number>>,
): void {
  register(registry, name, help, 'counter', () => numbers(read()));
}

export function registerGauge(
  registry: Registry,
  name: string,
  help: string,
  read: () => Iterable<Reading<number>>,
): void {
  register(registry, name, help, 'gauge', () => numbers(read()));
}

export function registerHistogram(
  registry: Registry,
  name: string,
  help: string,
  read: () => Iterable<Reading<Histogram>>,
  buckets: Buckets = REQUEST_BUCKETS,
): void {
  register(registry, name, help, 'histogram', () => {
    const samples: Sample[] = [];
    for (const [labels, histogram] of read()) addHistogram(samples, name, labels, histogram, buckets);
    return samples;
  });
}

/** The registry keeps formatted labels by object, so a series keeps the object. */
const labelsBySeries = new WeakMap<object, Labels>();

export function memoLabels(series: object, make: () => Labels): Labels {
  let labels = labelsBySeries.get(series);
  if (labels === undefined) {
    labels = make();
    labelsBySeries.set(series, labels);
  }
  return labels;
}

function bucketsOf(bounds: readonly number[]): Buckets {
  return {
    cells: bounds.map((seconds) => cellOf(seconds * 1_000)),
    labels: bounds.map((seconds) => ({ le: String(seconds) })),
  };
}

function register(
  registry: Registry,
  name: string,
  help: string,
  type: 'counter' | 'gauge' | 'histogram',
  collect: () => Sample[],
): void {
  const family = {
    name,
    help,
    type,
    get: () => ({ name, help, type, aggregator: 'sum', values: collect() }),
  };
  // The registry calls `get` alone; its type names the classes that keep their own numbers.
  registry.registerMetric(family as unknown as Metric);
}

function numbers(readings: Iterable<Reading<number>>): Sample[] {
  return Array.from(readings, ([labels, value]) => ({ labels, value }));
}

function addHistogram(
  samples: Sample[],
  name: string,
  sharedLabels: Labels,
  histogram: Histogram,
  buckets: Buckets,
): void {
  const bucketName = `${name}_bucket`;
  const { count } = histogram;
  const exemplars = exemplarsOf(histogram, buckets);
  const addBucket = (labels: Labels, value: number, i: number): void => {
    const exemplar = exemplars?.get(i);
    samples.push({ metricName: bucketName, labels, sharedLabels, value, ...(exemplar && { exemplar }) });
  };
  histogram.cumulate(buckets.cells).forEach((value, i) => {
    addBucket(buckets.labels[i] as Labels, value, i);
  });
  addBucket(INFINITE_BUCKET, count, buckets.cells.length);
  samples.push({
    metricName: `${name}_sum`,
    labels: NO_LABELS,
    sharedLabels,
    value: histogram.sumMs / 1_000,
  });
  samples.push({ metricName: `${name}_count`, labels: NO_LABELS, sharedLabels, value: count });
}

/** The latest of each bucket, by its number. */
function exemplarsOf({ exemplars }: Histogram, { cells }: Buckets): Map<number, ShownExemplar> | null {
  if (exemplars === null) return null;
  const shown = new Map<number, ShownExemplar>();
  for (const { durationMs, atMs, traceId } of exemplars) {
    const cell = cellOf(durationMs);
    const found = cells.findIndex((end) => cell <= end);
    const bucket = found === -1 ? cells.length : found;
    const timestamp = atMs / 1_000;
    if ((shown.get(bucket)?.timestamp ?? 0) <= timestamp) {
      shown.set(bucket, { labelSet: { trace_id: traceId }, value: durationMs / 1_000, timestamp });
    }
  }
  return shown;
}

/**
 * The same families in the format of OpenMetrics, which has exemplars. There a counter's name is without `_total`, which its samples have; prom-client
 * adds it, and would take it from the names of the families themselves.
 */
export function inOpenMetrics(registry: Registry, defaultLabels: Labels): Registry<OpenMetricsContentType> {
  const open = new Registry<OpenMetricsContentType>();
  open.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  open.setDefaultLabels(defaultLabels);
  for (const metric of registry.getMetricsAsArray() as unknown as ReadableFamily[]) {
    const name = metric.type === 'counter' ? metric.name.replace(/_total$/, '') : metric.name;
    const get = async () => ({ ...(await metric.get()), name });
    open.registerMetric({ name, type: metric.type, get } as unknown as Metric);
  }
  return open;
}

interface ReadableFamily {
  readonly name: string;
  readonly type: string;
  get(): Promise<object> | object;
}
