import { fileURLToPath } from 'node:url';
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { Attributes, AttributeValue, Span, SpanKind } from '../../mesh/cli/trace/span.ts';
import { limits } from './limits.ts';

// The demo's OTLP gRPC endpoint: what a collector is elsewhere. It decodes each exported span once into the demo's own Span.
// Invariants: loopback only; an export is bounded by `exportBytes`, a span by the attribute limits; a span without valid ids is left
// out and never fails the batch it came in, since an exporter would send the whole batch again.

export type OtlpReceiver = { port: number; close(): Promise<void> };

export async function startOtlpReceiver(onSpans: (spans: Span[]) => void): Promise<OtlpReceiver> {
  const server = new Server({ 'grpc.max_receive_message_length': limits.exportBytes });
  server.addService(traceService(), {
    Export(call: ServerUnaryCall<ExportRequest, object>, reply: sendUnaryData<object>) {
      onSpans(decodeSpans(call.request));
      reply(null, {});
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    port,
    // Exporters keep their channels open; waiting for them politely would hold the exit up.
    close: async () => server.forceShutdown(),
  };
}

// Shapes as proto-loader gives them with the options below; proto3 defaults are filled in.
type AnyValue = {
  value?: 'stringValue' | 'boolValue' | 'intValue' | 'doubleValue';
  stringValue?: string;
  boolValue?: boolean;
  intValue?: string;
  doubleValue?: number;
};
type KeyValue = { key: string; value: AnyValue | null };
type OtlpSpan = {
  traceId: Buffer;
  spanId: Buffer;
  parentSpanId: Buffer;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: KeyValue[];
  events: { timeUnixNano: string; name: string; attributes: KeyValue[] }[];
  status: { code: number; message: string } | null;
};
type ExportRequest = {
  resourceSpans: { resource: { attributes: KeyValue[] } | null; scopeSpans: { spans: OtlpSpan[] }[] }[];
};

function traceService(): ServiceDefinition {
  const file = fileURLToPath(new URL('./otlp-trace.proto', import.meta.url));
  const definition = loadSync(file, { longs: String, defaults: true, arrays: true, oneofs: true });
  return definition['opentelemetry.proto.collector.trace.v1.TraceService'] as ServiceDefinition;
}

function decodeSpans(request: ExportRequest): Span[] {
  const spans: Span[] = [];
  for (const { resource, scopeSpans } of request.resourceSpans) {
    const about = decodeAttributes(resource?.attributes ?? []);
    for (const scope of scopeSpans) {
      for (const span of scope.spans) {
        if (span.traceId.length === 16 && span.spanId.length === 8) spans.push(decodeSpan(span, about));
      }
    }
  }
  return spans;
}

const KINDS: readonly SpanKind[] = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'];
const STATUS_ERROR = 2;

function decodeSpan(span: OtlpSpan, resource: Attributes): Span {
  return {
    traceId: span.traceId.toString('hex'),
    spanId: span.spanId.toString('hex'),
    parentId: span.parentSpanId.length === 8 ? span.parentSpanId.toString('hex') : null,
    name: clip(span.name),
    kind: KINDS[span.kind] ?? 'internal',
    service: String(resource.get('service.name') ?? 'unknown'),
    instance: String(resource.get('service.instance.id') ?? ''),
    component: resource.get('tulle.component') === 'sidecar' ? 'sidecar' : 'service',
    startMs: toMs(span.startTimeUnixNano),
    endMs: Math.max(toMs(span.startTimeUnixNano), toMs(span.endTimeUnixNano)),
    attributes: decodeAttributes(span.attributes),
    events: span.events.slice(0, limits.eventsPerSpan).map((event) => ({
      name: clip(event.name),
      atMs: toMs(event.timeUnixNano),
      attributes: decodeAttributes(event.attributes),
    })),
    error: span.status?.code === STATUS_ERROR,
    errorMessage: clip(span.status?.message ?? ''),
    usual: null,
  };
}

function decodeAttributes(entries: readonly KeyValue[]): Attributes {
  const attributes = new Map<string, AttributeValue>();
  for (const { key, value } of entries.slice(0, limits.attributesPerSpan)) {
    const decoded = decodeValue(value);
    if (decoded !== undefined) attributes.set(clip(key), decoded);
  }
  return attributes;
}

/** Lists, maps and bytes are left out: nothing here shows them. */
function decodeValue(value: AnyValue | null): AttributeValue | undefined {
  switch (value?.value) {
    case 'stringValue':
      return clip(value.stringValue ?? '');
    case 'boolValue':
      return value.boolValue;
    case 'intValue':
      return Number(value.intValue);
    case 'doubleValue':
      return value.doubleValue;
    default:
      return undefined;
  }
}

/** Nanoseconds since the epoch do not fit a double: down to microseconds first. */
function toMs(nanos: string): number {
  return Number(BigInt(nanos) / 1000n) / 1000;
}

/** What is kept ends up on a terminal, and whoever sends spans must not move its cursor. */
function clip(value: string): string {
  return value.slice(0, limits.attributeChars).replace(CONTROL, '\ufffd');
}

const CONTROL = /\p{Cc}/gu;
