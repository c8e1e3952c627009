import fc from 'fast-check';
import { Histogram as ForeignHistogram, Gauge, Registry } from 'prom-client';
import protobuf from 'protobufjs';
import { expect, test } from 'vitest';
import { parseExposition } from '../../../mesh/cli/top/exposition.ts';
import { compileChain } from '../core/chain.ts';
import { travel } from '../filters/hand-made-exchange.ts';
import { register, registerHistogram } from './family.ts';
import { Histogram } from './histogram.ts';
import { counter, gauge, histogram } from './metric.ts';
import { NATIVE_SCHEMA, nativeBucketsOf } from './native-histogram.ts';
import { type Scrape, Scrapes } from './scrapes.ts';

// What of io.prometheus.client is sent, by the numbers of https://github.com/prometheus/client_model.
const { root } = protobuf.parse(`
  syntax = "proto2";
  message LabelPair { optional string name = 1; optional string value = 2; }
  message Gauge { optional double value = 1; }
  message Counter { optional double value = 1; }
  message Timestamp { optional int64 seconds = 1; optional int32 nanos = 2; }
  message Exemplar { repeated LabelPair label = 1; optional double value = 2; optional Timestamp timestamp = 3; }
  message Bucket { optional uint64 cumulative_count = 1; optional double upper_bound = 2; optional Exemplar exemplar = 3; }
  message BucketSpan { optional sint32 offset = 1; optional uint32 length = 2; }
  message Histogram {
    optional uint64 sample_count = 1; optional double sample_sum = 2; repeated Bucket bucket = 3;
    optional sint32 schema = 5; optional double zero_threshold = 6; optional uint64 zero_count = 7;
    repeated BucketSpan positive_span = 12; repeated sint64 positive_delta = 13;
  }
  message Metric { repeated LabelPair label = 1; optional Gauge gauge = 2; optional Counter counter = 3; optional Histogram histogram = 7; }
  enum MetricType { COUNTER = 0; GAUGE = 1; SUMMARY = 2; UNTYPED = 3; HISTOGRAM = 4; }
  message MetricFamily { optional string name = 1; optional string help = 2; optional MetricType type = 3; repeated Metric metric = 4; }
`);
const FAMILY = root.lookupType('MetricFamily');

interface SentHistogram {
  readonly sampleCount: number;
  readonly sampleSum: number;
  readonly bucket: {
    cumulativeCount: number;
    upperBound: number;
    exemplar?: { label: Label[]; value: number };
  }[];
  readonly schema?: number;
  readonly zeroCount?: number;
  readonly positiveSpan: { offset: number; length: number }[];
  readonly positiveDelta: number[];
}

interface Label {
  readonly name: string;
  readonly value: string;
}

interface Family {
  readonly name: string;
  readonly type: string;
  readonly metric: {
    label: Label[];
    gauge?: { value: number };
    counter?: { value: number };
    histogram?: SentHistogram;
  }[];
}

const ACCEPT =
  'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,text/plain;q=0.5';
const COMMON = { service_name: 'shop' };

async function scrape(
  registry: Registry,
  accept: string,
  nativeHistograms = true,
): Promise<[string, Buffer]> {
  const scrapes = new Scrapes(registry, COMMON);
  scrapes.nativeHistograms = nativeHistograms;
  const { contentType, slices } = scrapes.begin(accept) as Scrape;
  return [contentType, Buffer.concat((await Array.fromAsync(slices)).map((slice) => Buffer.from(slice)))];
}

async function readFamilies(registry: Registry): Promise<Family[]> {
  const [contentType, body] = await scrape(registry, ACCEPT);
  expect(contentType).toContain('encoding=delimited');
  const reader = protobuf.Reader.create(body);
  const families: Family[] = [];
  while (reader.pos < reader.len) {
    const message = FAMILY.decodeDelimited(reader);
    families.push(FAMILY.toObject(message, { longs: Number, enums: String, arrays: true }) as Family);
  }
  return families;
}

/** As lines of the text format have it. */
function* samplesOf({ name, metric }: Family): Iterable<[string, Record<string, string>, number]> {
  for (const { label, gauge, counter, histogram } of metric) {
    const labels = Object.fromEntries(label.map(({ name, value }) => [name, value]));
    const value = gauge?.value ?? counter?.value;
    if (value !== undefined) yield [name, labels, value];
    if (histogram === undefined) continue;
    for (const { upperBound, cumulativeCount } of histogram.bucket)
      yield [
        `${name}_bucket`,
        { ...labels, le: upperBound === Infinity ? '+Inf' : String(upperBound) },
        cumulativeCount,
      ];
    yield [`${name}_sum`, labels, histogram.sampleSum];
    yield [`${name}_count`, labels, histogram.sampleCount];
  }
}

const sorted = (samples: Iterable<[string, Record<string, string>, number]>) =>
  Array.from(samples, ([name, labels, value]) =>
    JSON.stringify([name, Object.entries(labels).sort(), String(value)]),
  ).sort();

test('says what the text says', async () => {
  const registry = new Registry();
  register(registry, counter('test_total', 'Tests.', ['path']), () => [
    [{ path: 'a"b\n' }, 3],
    [{}, 2 ** 40],
  ]);
  register(registry, gauge('test_load', 'Load.'), () => [[{}, Number.NaN]]);
  const durations = Array.from({ length: 3_000 }, (_, n) => {
    const duration = new Histogram();
    for (let i = 0; i <= n % 5; i++) duration.observe(10 ** (i - 2));
    return [{ n: String(n) }, duration] as const;
  });
  registerHistogram(registry, histogram('test_seconds', 'Of tests.', ['n']), () => durations);
  new Gauge({ name: 'foreign', help: 'Of prom-client.', labelNames: ['a'], registers: [registry] }).set(
    { a: 'b' },
    1,
  );
  const foreign = {
    name: 'foreign_seconds',
    help: 'Of prom-client.',
    labelNames: ['kind'],
    registers: [registry],
  };
  const pauses = new ForeignHistogram({ ...foreign, buckets: [0.1, 1] });
  pauses.observe({ kind: 'x' }, 0.5);
  pauses.observe({ kind: 'y' }, 5);
  const families = await readFamilies(registry);
  expect(families.map(({ name, type }) => [name, type])).toEqual([
    ['test_total', 'COUNTER'],
    ['test_load', 'GAUGE'],
    ['test_seconds', 'HISTOGRAM'],
    ['foreign', 'GAUGE'],
    ['foreign_seconds', 'HISTOGRAM'],
  ]);
  const [, text] = await scrape(registry, '');
  const lines = parseExposition(text.toString()).map(
    ({ name, labels, value }): [string, Record<string, string>, number] => [
      name,
      Object.fromEntries(labels),
      value,
    ],
  );
  expect(sorted(families.flatMap((family) => [...samplesOf(family)]))).toEqual(sorted(lines));
  const native = families.filter(({ metric }) =>
    metric.some(({ histogram }) => histogram?.schema !== undefined),
  );
  expect(native.map(({ name }) => name)).toEqual(['test_seconds']);
});

test('exemplars stand at the buckets, with their time', async () => {
  const registry = new Registry();
  const duration = new Histogram();
  const { exchange } = travel({ chain: compileChain([]) });
  duration.observe(3);
  duration.addExemplar(3, Object.assign(exchange, { traceId3: 7 }));
  registerHistogram(registry, histogram('test_seconds', 'Of tests.'), () => [[{}, duration]]);
  const [family] = await readFamilies(registry);
  const [bucket, ...others] = family?.metric[0]?.histogram?.bucket.filter(({ exemplar }) => exemplar) ?? [];
  expect(bucket).toMatchObject({
    upperBound: 0.005,
    exemplar: {
      value: 0.003,
      label: [{ name: 'trace_id', value: `${'0'.repeat(31)}7` }],
      timestamp: { seconds: expect.any(Number), nanos: expect.any(Number) },
    },
  });
  expect(others).toEqual([]);
});

test('only goes to those who accept it, and only when it is on', async () => {
  const registry = new Registry();
  expect((await scrape(registry, ACCEPT, false))[0]).toContain('text/plain');
  expect((await scrape(registry, 'application/openmetrics-text', true))[0]).toContain('openmetrics');
});

test('a native histogram has all durations, none more than 7.2 % off', () => {
  const durationMs = fc.double({ min: 0.01, max: 100_000, noNaN: true });
  fc.assert(
    fc.property(fc.array(durationMs, { minLength: 1, maxLength: 200 }), (durations) => {
      const duration = new Histogram();
      for (const each of durations) duration.observe(each);
      const { spans, deltas, zeroCount } = nativeBucketsOf(duration.cells);
      let [bucket, count, next] = [0, 0, 0];
      const bounds: number[] = [];
      for (const { offset, length } of spans) {
        bucket += offset;
        for (let i = 0; i < length; i++, bucket++) {
          count += deltas[next++] as number;
          for (let n = 0; n < count; n++) bounds.push(bucket);
        }
      }
      expect(zeroCount).toBe(0);
      expect(bounds).toHaveLength(durations.length);
      durations
        .sort((a, b) => a - b)
        .forEach((durationMs, i) => {
          const upper = 2 ** ((bounds[i] as number) / 2 ** NATIVE_SCHEMA) * 1_000;
          const lower = 2 ** (((bounds[i] as number) - 1) / 2 ** NATIVE_SCHEMA) * 1_000;
          expect(upper / durationMs).toBeLessThan(1.072);
          expect(durationMs / lower).toBeLessThan(1.072);
        });
    }),
  );
});
