/**
 * A metric family whose samples are read from the series when it is scraped, in the shape in which prom-client's registry asks for it.
 */
import { type Metric, type OpenMetricsContentType, Registry } from 'prom-client';
import { cellOf, type Histogram } from './histogram.ts';
import type { HistogramDeclaration, MetricDeclaration } from './metric.ts';

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

/** One series of a family, which may lack some of its labels. */
export type Reading<V> = readonly [labels: Labels, value: V];

interface Buckets {
  readonly cells: readonly number[];
  readonly labels: readonly Labels[];
}

const INFINITE_BUCKET = { le: '+Inf' };
const NO_LABELS = {};

export function register(
  registry: Registry,
  declaration: MetricDeclaration<'counter' | 'gauge'>,
  read: () => Iterable<Reading<number>>,
): void {
  registerFamily(registry, declaration, () => Array.from(read(), ([labels, value]) => ({ labels, value })));
}

export function registerHistogram(
  registry: Registry,
  declaration: HistogramDeclaration,
  read: () => Iterable<Reading<Histogram>>,
): void {
  const buckets = bucketsOf(declaration.bounds);
  registerFamily(registry, declaration, () => {
    const samples: Sample[] = [];
    for (const [labels, histogram] of read())
      addHistogram(samples, declaration.name, labels, histogram, buckets);
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

function registerFamily(
  registry: Registry,
  { name, help, type }: MetricDeclaration,
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
