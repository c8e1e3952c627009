/**
 * A span as it is shown to whoever asks what happened to a request: the same for the sidecar's own spans and for those of its service.
 */
import protobuf from 'protobufjs/minimal.js';
import type { RawSpan } from '../intake/otlp-message.ts';
import { BYTES, FIXED64, tagOf, VARINT } from '../wire-type.ts';

export type FoundAttributes = Readonly<Record<string, string | number | boolean>>;

export interface FoundSpan {
  /** Hexadecimal, as all ids. */
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | null;
  readonly name: string;
  readonly kind: (typeof KINDS)[number];
  readonly service: string;
  readonly instance: string;
  readonly component: 'sidecar' | 'service';
  /** Milliseconds since the Unix epoch, with a fraction. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: FoundAttributes;
  readonly events: readonly {
    readonly name: string;
    readonly atMs: number;
    readonly attributes: FoundAttributes;
  }[];
  readonly error: boolean;
  readonly errorMessage: string;
  /** How long requests of the route take; null where that is not known yet. */
  readonly usual: Usual | null;
}

export interface Usual {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export const KINDS = ['internal', 'server', 'client', 'producer', 'consumer'] as const;
/** Kinds of OTLP count from 1. */
const OTLP_KINDS = ['internal', ...KINDS];
const OTLP_ERROR = 2;

/** Throws where the bytes are no span. Attributes that are lists or maps are left out. */
export function appSpan({ resource, span }: Pick<RawSpan, 'resource' | 'span'>): FoundSpan {
  const origin = readResource(resource);
  const found = {
    traceId: '',
    spanId: '',
    parentId: null as string | null,
    name: '',
    kind: 'internal' as FoundSpan['kind'],
    service: String(origin['service.name'] ?? ''),
    instance: String(origin['service.instance.id'] ?? ''),
    component: 'service' as const,
    startMs: 0,
    endMs: 0,
    attributes: {} as Record<string, string | number | boolean>,
    events: [] as FoundSpan['events'][number][],
    error: false,
    errorMessage: '',
    usual: null,
  };
  read(span, (tag, reader) => {
    if (tag === tagOf(1, BYTES)) found.traceId = hex(reader.bytes());
    else if (tag === tagOf(2, BYTES)) found.spanId = hex(reader.bytes());
    else if (tag === tagOf(4, BYTES)) found.parentId = hex(reader.bytes()) || null;
    else if (tag === tagOf(5, BYTES)) found.name = reader.string();
    else if (tag === tagOf(6, VARINT))
      found.kind = (OTLP_KINDS[reader.uint32()] ?? 'internal') as FoundSpan['kind'];
    else if (tag === tagOf(7, FIXED64)) found.startMs = readMs(reader);
    else if (tag === tagOf(8, FIXED64)) found.endMs = readMs(reader);
    else if (tag === tagOf(9, BYTES)) readAttribute(reader.bytes(), found.attributes);
    else if (tag === tagOf(11, BYTES)) found.events.push(readEvent(reader.bytes()));
    else if (tag === tagOf(15, BYTES)) Object.assign(found, readStatus(reader.bytes()));
    else return false;
    return true;
  });
  return found;
}

function readResource(message: Uint8Array): FoundAttributes {
  const attributes = {};
  read(message, (tag, reader) => {
    if (tag !== tagOf(1, BYTES)) return false;
    readAttribute(reader.bytes(), attributes);
    return true;
  });
  return attributes;
}

function readEvent(message: Uint8Array): FoundSpan['events'][number] {
  const event = { name: '', atMs: 0, attributes: {} };
  read(message, (tag, reader) => {
    if (tag === tagOf(1, FIXED64)) event.atMs = readMs(reader);
    else if (tag === tagOf(2, BYTES)) event.name = reader.string();
    else if (tag === tagOf(3, BYTES)) readAttribute(reader.bytes(), event.attributes);
    else return false;
    return true;
  });
  return event;
}

function readStatus(message: Uint8Array): Pick<FoundSpan, 'error' | 'errorMessage'> {
  const status = { error: false, errorMessage: '' };
  read(message, (tag, reader) => {
    if (tag === tagOf(2, BYTES)) status.errorMessage = reader.string();
    else if (tag === tagOf(3, VARINT)) status.error = reader.uint32() === OTLP_ERROR;
    else return false;
    return true;
  });
  return status;
}

function readAttribute(message: Uint8Array, into: Record<string, string | number | boolean>): void {
  let key = '';
  let value: string | number | boolean | null = null;
  read(message, (tag, reader) => {
    if (tag === tagOf(1, BYTES)) key = reader.string();
    else if (tag === tagOf(2, BYTES)) value = readValue(reader.bytes());
    else return false;
    return true;
  });
  // Own properties only, whatever the key is called.
  if (value !== null)
    Object.defineProperty(into, key, { value, enumerable: true, configurable: true, writable: true });
}

function readValue(message: Uint8Array): string | number | boolean | null {
  let value: string | number | boolean | null = null;
  read(message, (tag, reader) => {
    if (tag === tagOf(1, BYTES)) value = reader.string();
    else if (tag === tagOf(2, VARINT)) value = reader.bool();
    else if (tag === tagOf(3, VARINT)) value = Number(reader.int64());
    else if (tag === tagOf(4, FIXED64)) value = reader.double();
    else return false;
    return true;
  });
  return value;
}

/** Nanoseconds since the Unix epoch. */
function readMs(reader: protobuf.Reader): number {
  const low = reader.fixed32();
  const high = reader.fixed32();
  return (high * 2 ** 32 + low) / 1e6;
}

/** Calls `take` for each field; one that it returns false for is passed over. */
function read(message: Uint8Array, take: (tag: number, reader: protobuf.Reader) => boolean): void {
  const reader = protobuf.Reader.create(message);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (!take(tag, reader)) reader.skipType(tag & 7);
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}
