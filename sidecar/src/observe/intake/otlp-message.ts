/**
 * Export requests of OTLP taken apart into spans and put together again, without looking into what a span says: the bytes of its message
 * go on as they came (opentelemetry-proto 1.x, collector/trace/v1/trace_service.proto and trace/v1/trace.proto).
 */
import protobuf from 'protobufjs/minimal.js';
import { BYTES, tagOf } from '../wire-type.ts';

/** Views into the request that was read. */
export interface RawSpan {
  /** Messages `Resource` and `InstrumentationScope`. */
  readonly resource: Uint8Array;
  readonly scope: Uint8Array;
  readonly span: Uint8Array;
  /** 16 bytes. */
  readonly traceId: Uint8Array;
}

/** Repeated or nested messages. */
const RESOURCE_SPANS = tagOf(1, BYTES);
const RESOURCE = tagOf(1, BYTES);
const SCOPE_SPANS = tagOf(2, BYTES);
const SCOPE = tagOf(1, BYTES);
const SPANS = tagOf(2, BYTES);
const TRACE_ID = tagOf(1, BYTES);
const TRACE_ID_BYTES = 16;
const NOTHING = new Uint8Array(0);

/** Throws where it is no message. Spans without a valid trace id are passed over; returns how many. */
export function readExportRequest(request: Uint8Array, visit: (span: RawSpan) => void): number {
  let invalid = 0;
  each(request, RESOURCE_SPANS, (resourceSpans) => {
    const resource = first(resourceSpans, RESOURCE);
    each(resourceSpans, SCOPE_SPANS, (scopeSpans) => {
      const scope = first(scopeSpans, SCOPE);
      each(scopeSpans, SPANS, (span) => {
        const traceId = first(span, TRACE_ID);
        if (traceId.length === TRACE_ID_BYTES && traceId.some((byte) => byte !== 0)) {
          visit({ resource, scope, span, traceId });
        } else {
          invalid++;
        }
      });
    });
  });
  return invalid;
}

/** Spans that follow each other and have the same resource and scope share them. */
export function writeExportRequest(spans: readonly Omit<RawSpan, 'traceId'>[]): Buffer {
  const writer = protobuf.Writer.create();
  for (let i = 0; i < spans.length; ) {
    const { resource, scope } = spans[i] as RawSpan;
    writer.uint32(RESOURCE_SPANS).fork();
    writer.uint32(RESOURCE).bytes(resource);
    writer.uint32(SCOPE_SPANS).fork();
    writer.uint32(SCOPE).bytes(scope);
    for (; i < spans.length; i++) {
      const next = spans[i] as RawSpan;
      if (next.resource !== resource || next.scope !== scope) break;
      writer.uint32(SPANS).bytes(next.span);
    }
    writer.ldelim().ldelim();
  }
  return Buffer.from(writer.finish());
}

function each(message: Uint8Array, wanted: number, visit: (value: Uint8Array) => void): void {
  const reader = protobuf.Reader.create(message);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === wanted) visit(reader.bytes());
    else reader.skipType(tag & 7);
  }
}

function first(message: Uint8Array, wanted: number): Uint8Array {
  let found: Uint8Array = NOTHING;
  each(message, wanted, (value) => {
    if (found === NOTHING) found = value;
  });
  return found;
}
