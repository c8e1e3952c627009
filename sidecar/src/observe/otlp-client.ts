/**
 * Takes export requests of OTLP to a collector, over gRPC (opentelemetry-proto, docs/specification.md, "OTLP/gRPC Response"). The exporter of
 * OpenTelemetry's SDK tells nothing of spans that were rejected, and nothing of whether a batch may be sent again.
 *
 * Invariant: one call is one attempt, bounded in time. The call after one that failed makes a connection of its own, so that none that is dead,
 * and no back-off but ours, outlives a failure.
 */
import {
  Client,
  type ClientOptions,
  credentials,
  type Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import protobuf from 'protobufjs/minimal.js';
import { EXPORT } from './intake/intake.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { BYTES, VARINT } from './wire-type.ts';

export type ExportOutcome =
  /** The collector has it, without `rejected` spans. `reason` is what it says of them, or of the others. */
  | { readonly kind: 'taken'; readonly rejected: number; readonly reason: string }
  /** It takes this one never. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** It may take it another time. It may also have it already: the protocol prefers spans that come twice to those that never come. */
  | { readonly kind: 'away'; readonly reason: string; readonly retryAfterMs: number };

/** A connection that was closed is not to be found again by the next client. */
const OPTIONS: ClientOptions = { 'grpc.use_local_subchannel_pool': 1 };
const RETRYABLE = new Set([
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
  status.ABORTED,
  status.OUT_OF_RANGE,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);
const DETAILS = 'grpc-status-details-bin';
const NOTHING = Buffer.alloc(0);

export class OtlpClient {
  private readonly endpoint: URL;
  private client: Client | null = null;

  /** An http or https URL. */
  constructor(endpoint: string) {
    this.endpoint = new URL(endpoint);
  }

  /** Never rejects. */
  export(request: Buffer): Promise<ExportOutcome> {
    this.client ??= this.connect();
    const { client } = this;
    const deadline = Date.now() + OBSERVE_LIMITS.spanExportTimeoutMs;
    return new Promise((resolve) => {
      client.makeUnaryRequest(
        EXPORT.path,
        EXPORT.requestSerialize,
        EXPORT.responseDeserialize,
        request,
        { deadline },
        (error, response) => {
          if (error !== null) this.close();
          resolve(error === null ? readResponse(response) : readError(error));
        },
      );
    });
  }

  close(): void {
    this.client?.close();
    this.client = null;
  }

  private connect(): Client {
    const { protocol, host } = this.endpoint;
    const isTls = protocol === 'https:';
    return new Client(host, isTls ? credentials.createSsl() : credentials.createInsecure(), OPTIONS);
  }
}

/** ExportTraceServiceResponse: 1 partial_success { 1 rejected_spans, 2 error_message }. */
function readResponse(response: Buffer = NOTHING): ExportOutcome {
  const partial = new Message(new Message(response).bytes(1));
  return { kind: 'taken', rejected: partial.number(1), reason: partial.text(2) };
}

function readError({ code, message, metadata }: ServiceError): ExportOutcome {
  const retryAfterMs = readRetryDelay(metadata);
  const isRetryable = RETRYABLE.has(code) || (code === status.RESOURCE_EXHAUSTED && retryAfterMs !== null);
  return isRetryable
    ? { kind: 'away', reason: message, retryAfterMs: retryAfterMs ?? 0 }
    : { kind: 'refused', reason: message };
}

/**
 * google.rpc.Status: 3 details { 1 type_url, 2 value }, of which one may be a RetryInfo: 1 retry_delay { 1 seconds, 2 nanos }.
 * Null without one.
 */
function readRetryDelay(metadata: Metadata): number | null {
  const [details] = metadata.get(DETAILS);
  if (!(details instanceof Buffer)) return null;
  for (const detail of new Message(details).all(3)) {
    const any = new Message(detail);
    if (!any.text(1).endsWith('/google.rpc.RetryInfo')) continue;
    const delay = new Message(new Message(any.bytes(2)).bytes(1));
    return 1_000 * delay.number(1) + delay.number(2) / 1e6;
  }
  return null;
}

/** A message without its schema: fields by number. Of one that is none, what could be read. */
class Message {
  private readonly fields: { readonly field: number; readonly value: number | Uint8Array }[] = [];

  constructor(message: Uint8Array) {
    const reader = protobuf.Reader.create(message);
    try {
      while (reader.pos < reader.len) {
        const tag = reader.uint32();
        const type = tag & 7;
        if (type === VARINT) this.fields.push({ field: tag >>> 3, value: reader.uint32() });
        else if (type === BYTES) this.fields.push({ field: tag >>> 3, value: reader.bytes() });
        else reader.skipType(type);
      }
    } catch {
      // What a collector says about its answer changes nothing about the answer.
    }
  }

  number(field: number): number {
    const found = this.fields.findLast((each) => each.field === field)?.value;
    return typeof found === 'number' ? found : 0;
  }

  bytes(field: number): Uint8Array {
    return this.all(field).at(-1) ?? NOTHING;
  }

  text(field: number): string {
    return Buffer.from(this.bytes(field)).toString();
  }

  all(field: number): Uint8Array[] {
    return this.fields.flatMap((each) =>
      each.field === field && typeof each.value !== 'number' ? [each.value] : [],
    );
  }
}
