// A live OTLP/gRPC trace collector that only counts: a proxy whose exporter has nobody to talk to would look cheaper.
import { Server, ServerCredentials } from '@grpc/grpc-js';

export interface SpanSink {
  port: number;
  spans: () => number;
  stop: () => Promise<void>;
}

const EMPTY_RESPONSE = Buffer.alloc(0);
const EXPORT = {
  path: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  requestStream: false,
  responseStream: false,
  requestSerialize: (message: Buffer) => message,
  requestDeserialize: (message: Buffer) => message,
  responseSerialize: (message: Buffer) => message,
  responseDeserialize: (message: Buffer) => message,
} as const;

export async function startSpanSink(): Promise<SpanSink> {
  let spans = 0;
  const server = new Server();
  server.addService(
    { Export: EXPORT },
    {
      Export: (call: { request: Buffer }, respond: (error: null, response: Buffer) => void) => {
        spans += countSpans(call.request);
        respond(null, EMPTY_RESPONSE);
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    port,
    spans: () => spans,
    stop: async () => server.forceShutdown(),
  };
}

/** ExportTraceServiceRequest.resource_spans = 1, ResourceSpans.scope_spans = 2, ScopeSpans.spans = 2. */
export function countSpans(request: Buffer): number {
  const scopes = fieldsOf(request, 1).flatMap((resource) => fieldsOf(resource, 2));
  return scopes.reduce((sum, scope) => sum + fieldsOf(scope, 2).length, 0);
}

function fieldsOf(message: Buffer, wanted: number): Buffer[] {
  const found: Buffer[] = [];
  let at = 0;
  const readVarint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++];
      if (byte === undefined) throw new Error('truncated protobuf message');
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = readVarint();
    const wireType = tag & 7;
    if (wireType === 0) readVarint();
    else if (wireType === 1) at += 8;
    else if (wireType === 5) at += 4;
    else {
      const length = readVarint();
      if (tag >>> 3 === wanted) found.push(message.subarray(at, at + length));
      at += length;
    }
  }
  return found;
}
