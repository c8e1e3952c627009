/**
 * The sidecar's own spans as an export request of OTLP (opentelemetry-proto 1.x, trace/v1/trace.proto), written front to back into one buffer that
 * grows once and is used again: at a head sample of 1 %, what a span costs here is what tracing costs a hundred requests.
 *
 * Invariant: lengths are written in as few bytes as there are; where one turns out longer than the byte that was left for it, what it counts moves up.
 */
import { KINDS } from './explain/found-span.ts';
import type { OwnSpan, SomeAttributes } from './own-span.ts';
import { BYTES, FIXED32, FIXED64, tagOf, VARINT } from './wire-type.ts';

/** Room for a batch of usual spans. */
const INITIAL_BYTES = 524_288;
/** More than anything that is written between two looks at the room, but for text. */
const SLACK_BYTES = 64;
const SCOPE_NAME = 'tulle.sidecar';
/** Sampled, and known whether the parent is in another process. */
const FLAGS = 0x101;
const PARENT_IS_REMOTE = 0x200;
const STATUS_ERROR = 2;

export class SpanWriter {
  private bytes = Buffer.allocUnsafe(INITIAL_BYTES);
  private at = 0;
  /** Names of attributes as they are written, tag and length included: as many as there are in the code. */
  private readonly keys = new Map<string, Buffer>();

  write(spans: readonly OwnSpan[], resource: SomeAttributes): Buffer {
    this.at = 0;
    const resourceSpans = this.open(tagOf(1, BYTES));
    const own = this.open(tagOf(1, BYTES));
    this.writeAttributes(tagOf(1, BYTES), resource);
    this.close(own);
    const scopeSpans = this.open(tagOf(2, BYTES));
    const scope = this.open(tagOf(1, BYTES));
    this.writeText(tagOf(1, BYTES), SCOPE_NAME);
    this.close(scope);
    for (const span of spans) this.writeSpan(span);
    this.close(scopeSpans);
    this.close(resourceSpans);
    return Buffer.from(this.bytes.subarray(0, this.at));
  }

  private writeSpan(span: OwnSpan): void {
    const start = this.open(tagOf(2, BYTES));
    this.writeId(tagOf(1, BYTES), span.traceId);
    this.writeId(tagOf(2, BYTES), span.spanId);
    if (span.parentId !== null) this.writeId(tagOf(4, BYTES), span.parentId);
    this.writeText(tagOf(5, BYTES), span.name);
    this.writeNumber(tagOf(6, VARINT), KINDS.indexOf(span.kind) + 1);
    this.writeTime(tagOf(7, FIXED64), span.startMs);
    this.writeTime(tagOf(8, FIXED64), span.endMs);
    this.writeAttributes(tagOf(9, BYTES), span.attributes);
    if (span.error) {
      const status = this.open(tagOf(15, BYTES));
      if (span.errorMessage !== '') this.writeText(tagOf(2, BYTES), span.errorMessage);
      this.writeNumber(tagOf(3, VARINT), STATUS_ERROR);
      this.close(status);
    }
    this.writeVarint(tagOf(16, FIXED32));
    this.at = this.bytes.writeUInt32LE(FLAGS | (span.parentId === null ? 0 : PARENT_IS_REMOTE), this.at);
    this.close(start);
  }

  private writeAttributes(tag: number, attributes: SomeAttributes): void {
    for (const key in attributes) {
      const value = attributes[key];
      if (value === undefined || value === '') continue;
      const entry = this.open(tag);
      this.writeKey(key);
      const content = this.open(tagOf(2, BYTES));
      if (typeof value === 'string') this.writeText(tagOf(1, BYTES), value);
      else if (typeof value === 'boolean') this.writeNumber(tagOf(2, VARINT), value ? 1 : 0);
      else if (Number.isSafeInteger(value) && value >= 0) this.writeNumber(tagOf(3, VARINT), value);
      else this.writeDouble(tagOf(4, FIXED64), value);
      this.close(content);
      this.close(entry);
    }
  }

  private writeKey(key: string): void {
    let written = this.keys.get(key);
    if (written === undefined) {
      const start = this.at;
      this.writeText(tagOf(1, BYTES), key);
      written = Buffer.from(this.bytes.subarray(start, this.at));
      this.at = start;
      this.keys.set(key, written);
    }
    this.reserve(written.length);
    this.bytes.set(written, this.at);
    this.at += written.length;
  }

  private writeText(tag: number, text: string): void {
    const start = this.open(tag);
    // A character of UTF-16 takes up to three bytes.
    this.reserve(3 * text.length);
    this.at += this.bytes.write(text, this.at);
    this.close(start);
  }

  /** Hexadecimal. */
  private writeId(tag: number, id: string): void {
    const start = this.open(tag);
    this.at += this.bytes.write(id, this.at, 'hex');
    this.close(start);
  }

  private writeNumber(tag: number, value: number): void {
    this.bytes[this.at++] = tag;
    this.writeVarint(value);
  }

  private writeDouble(tag: number, value: number): void {
    this.bytes[this.at++] = tag;
    this.at = this.bytes.writeDoubleLE(value, this.at);
  }

  /** Nanoseconds since the Unix epoch. */
  private writeTime(tag: number, ms: number): void {
    const wholeMs = Math.floor(ms);
    const nanos = BigInt(wholeMs) * 1_000_000n + BigInt(Math.floor((ms - wholeMs) * 1e6));
    this.bytes[this.at++] = tag;
    this.at = this.bytes.writeBigUInt64LE(nanos, this.at);
  }

  /** Up to 2^53. */
  private writeVarint(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.bytes[this.at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.bytes[this.at++] = rest;
  }

  /** Begins what has a length; returns where it starts. */
  private open(tag: number): number {
    this.reserve(0);
    this.bytes[this.at] = tag;
    this.at += 2;
    return this.at;
  }

  private close(start: number): void {
    const end = this.at;
    const length = end - start;
    let lengthBytes = 1;
    for (let rest = length; rest > 0x7f; rest >>>= 7) lengthBytes++;
    if (lengthBytes > 1) {
      this.reserve(0);
      this.bytes.copyWithin(start + lengthBytes - 1, start, end);
    }
    this.at = start - 1;
    this.writeVarint(length);
    this.at = end + lengthBytes - 1;
  }

  private reserve(count: number): void {
    const needed = this.at + count + SLACK_BYTES;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.bytes.length));
    this.bytes.copy(larger, 0, 0, this.at);
    this.bytes = larger;
  }
}
