/**
 * Metrics as io.prometheus.client.MetricFamily, each behind its length: the format that carries native histograms. Classic buckets are in it, too, for
 * scrapers that want both.
 *
 * Invariant: as with text, whoever reads it lets others run between slices; a family is put together in slices, as its length comes first.
 */
import { setImmediate } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import protobuf from 'protobufjs/minimal.js';
import { familiesOf, type Labels, type Sample, samplesOf } from './family.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { NATIVE_SCHEMA, nativeBucketsOf, ZERO_THRESHOLD_SECONDS } from './native-histogram.ts';
import { BYTES, FIXED64, tagOf, VARINT } from './wire-type.ts';

export const PROTOBUF_CONTENT_TYPE =
  'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited';

const { Writer } = protobuf;
type Writer = protobuf.Writer;

/** Of the enum MetricType. */
const TYPES: Readonly<Record<string, number>> = { counter: 0, gauge: 1, histogram: 4 };

/** `common` are labels of every sample. */
export async function* writeProtobuf(registry: Registry, common: Labels): AsyncGenerator<Uint8Array> {
  for (const metric of familiesOf(registry)) {
    const { name, help, type } = metric;
    const head = Writer.create();
    tag(head, 1, BYTES).string(name);
    tag(head, 2, BYTES).string(help);
    tag(head, 3, VARINT).int32(TYPES[type] as number);
    const parts = [head.finish()];
    let waiting = 0;
    for (const group of groupsOf(type, await samplesOf(metric))) {
      const part = metricOf(type, group, common);
      parts.push(part);
      waiting += part.length;
      if (waiting < OBSERVE_LIMITS.scrapeSliceChars) continue;
      waiting = 0;
      await setImmediate();
    }
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    yield Writer.create().uint32(length).finish();
    yield* inSlices(parts);
  }
}

/** A histogram's samples, which end with its count; of other types each is one. */
function* groupsOf(type: string, samples: Iterable<Sample>): Iterable<readonly Sample[]> {
  let group: Sample[] = [];
  for (const sample of samples) {
    group.push(sample);
    if (type === 'histogram' && !sample.metricName?.endsWith('_count')) continue;
    yield group;
    group = [];
  }
}

/** One metric, as a field of its family. */
function metricOf(type: string, group: readonly Sample[], common: Labels): Uint8Array {
  const last = group.at(-1) as Sample;
  const writer = tag(Writer.create(), 4, BYTES).fork();
  for (const labels of [common, last.sharedLabels ?? {}, last.labels]) writeLabels(writer, labels);
  if (type === 'histogram') writeHistogram(tag(writer, 7, BYTES).fork(), group);
  else tag(tag(writer, type === 'gauge' ? 2 : 3, BYTES).fork(), 1, FIXED64).double(last.value);
  return writer.ldelim().ldelim().finish();
}

function writeLabels(writer: Writer, labels: Labels): void {
  for (const [name, value] of Object.entries(labels)) {
    tag(writer, 1, BYTES).fork();
    tag(writer, 1, BYTES).string(name);
    tag(writer, 2, BYTES).string(String(value));
    writer.ldelim();
  }
}

function writeHistogram(writer: Writer, group: readonly Sample[]): void {
  const [sum, count] = group.slice(-2) as [Sample, Sample];
  tag(writer, 1, VARINT).uint64(count.value);
  tag(writer, 2, FIXED64).double(sum.value);
  for (const { labels, value, exemplar } of group.slice(0, -2)) {
    tag(writer, 3, BYTES).fork();
    tag(writer, 1, VARINT).uint64(value);
    tag(writer, 2, FIXED64).double(Number(String(labels.le).replace('+Inf', 'Infinity')));
    if (exemplar) writeExemplar(tag(writer, 3, BYTES).fork(), exemplar);
    writer.ldelim();
  }
  if (count.cells !== undefined) writeNative(writer, count.cells);
}

function writeExemplar(writer: Writer, exemplar: NonNullable<Sample['exemplar']>): void {
  writeLabels(writer, exemplar.labelSet);
  tag(writer, 2, FIXED64).double(exemplar.value);
  tag(writer, 3, BYTES).fork();
  const seconds = Math.floor(exemplar.timestamp);
  tag(writer, 1, VARINT).int64(seconds);
  tag(writer, 2, VARINT).int32(Math.round((exemplar.timestamp - seconds) * 1e9));
  writer.ldelim().ldelim();
}

function writeNative(writer: Writer, cells: Float64Array | null): void {
  const { zeroCount, spans, deltas } = nativeBucketsOf(cells);
  tag(writer, 5, VARINT).sint32(NATIVE_SCHEMA);
  tag(writer, 6, FIXED64).double(ZERO_THRESHOLD_SECONDS);
  tag(writer, 7, VARINT).uint64(zeroCount);
  for (const { offset, length } of spans) {
    tag(writer, 12, BYTES).fork();
    tag(writer, 1, VARINT).sint32(offset);
    tag(writer, 2, VARINT).uint32(length);
    writer.ldelim();
  }
  for (const delta of deltas) tag(writer, 13, VARINT).sint64(delta);
}

function tag(writer: Writer, field: number, wireType: number): Writer {
  return writer.uint32(tagOf(field, wireType));
}

/** Parts together where they are small. */
function* inSlices(parts: readonly Uint8Array[]): Iterable<Uint8Array> {
  let slice: Uint8Array[] = [];
  let bytes = 0;
  for (const part of parts) {
    slice.push(part);
    bytes += part.length;
    if (bytes < OBSERVE_LIMITS.scrapeSliceChars) continue;
    yield Buffer.concat(slice);
    slice = [];
    bytes = 0;
  }
  yield Buffer.concat(slice);
}
