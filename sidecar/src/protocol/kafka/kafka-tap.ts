/**
 * Watches a connection to a Kafka broker: which response belongs to which request.
 *
 * Invariants: a broker answers the requests of one connection in their order, and each answer repeats its request's correlation id; one
 * that does not is no answer. A produce request that asks for no acknowledgement gets none.
 */
import { LIMITS } from '../../core/limits.ts';
import type { DataStoreObserver, DesyncReason } from '../../observe/datastore.ts';
import { OTHER_NAME } from '../datastore/byte-map.ts';
import { DataStoreTap } from '../datastore/datastore-tap.ts';
import { apiName, MAX_API_VERSION, METADATA, SASL_HANDSHAKE } from './apis.ts';
import { errorName, isFailure } from './errors.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { RequestInfo } from './requests.ts';
import { ResponseInfo } from './responses.ts';

/** Key, version and correlation id; the correlation id alone. */
const MIN_REQUEST_BYTES = 8;
const MIN_RESPONSE_BYTES = 4;
const SIZE_BYTES = 4;
/** Room for a version beside the key of a request. */
const VERSIONS = MAX_API_VERSION + 1;

export class KafkaTap extends DataStoreTap {
  private readonly request: RequestInfo;
  private readonly response: ResponseInfo;
  private readonly requests = new FrameReader(MIN_REQUEST_BYTES);
  private readonly responses = new FrameReader(MIN_RESPONSE_BYTES);
  private readonly requestSink: FrameSink;
  private readonly responseSink: FrameSink;
  private requestBytes = 0;
  private responseBytes = 0;
  private nowMs = 0;

  constructor(observer: DataStoreObserver, endpoint: string) {
    super('kafka', observer, endpoint, LIMITS.kafkaInFlight);
    this.request = new RequestInfo(observer.names);
    this.response = new ResponseInfo(observer.names);
    this.requestSink = {
      onFrame: (size) => {
        this.requestBytes = size + SIZE_BYTES;
        return LIMITS.kafkaPrefixBytes;
      },
      onPrefix: (bytes, start, end) => this.onRequest(bytes, start, end),
      onEnd: () => null,
    };
    this.responseSink = {
      onFrame: (size) => {
        this.responseBytes = size + SIZE_BYTES;
        return this.isMetadataNext() ? LIMITS.kafkaMetadataBytes : LIMITS.kafkaPrefixBytes;
      },
      onPrefix: (bytes, start, end) => this.onResponse(bytes, start, end),
      onEnd: () => this.onResponseEnd(),
    };
  }

  protected override readClient(
    bytes: Uint8Array,
    start: number,
    end: number,
    nowMs: number,
  ): DesyncReason | null {
    return this.requests.read(bytes, start, end, nowMs, this.requestSink);
  }

  protected override readServer(
    bytes: Uint8Array,
    start: number,
    end: number,
    nowMs: number,
  ): DesyncReason | null {
    this.nowMs = nowMs;
    return this.responses.read(bytes, start, end, nowMs, this.responseSink);
  }

  private onRequest(bytes: Uint8Array, start: number, end: number): DesyncReason | null {
    const { request } = this;
    const reason = request.read(bytes, start, end);
    if (reason !== null) return reason;
    // What follows it are bare tokens without headers.
    if (request.apiKey === SASL_HANDSHAKE && request.version === 0) return 'unsupported';
    if (request.wantsNoAnswer) return null;
    const pending = this.inFlight.push();
    if (pending === null) return 'in_flight_full';
    pending.id = request.correlationId;
    pending.detail = request.apiKey * VERSIONS + request.version;
    pending.operation = apiName(request.apiKey) ?? OTHER_NAME;
    pending.target = request.topic;
    pending.batchSize = request.topicCount;
    pending.blocking = request.waits;
    pending.startedMs = this.requests.startedMs;
    pending.requestBytes = this.requestBytes;
    return null;
  }

  private isMetadataNext(): boolean {
    const { head } = this.inFlight;
    return head !== null && Math.floor(head.detail / VERSIONS) === METADATA;
  }

  private onResponse(bytes: Uint8Array, start: number, end: number): DesyncReason | null {
    const { head } = this.inFlight;
    if (this.response.correlationId(bytes, start, end) !== head?.id) {
      this.observer.onUnmatched();
      return 'unexpected_reply';
    }
    this.response.read(Math.floor(head.detail / VERSIONS), head.detail % VERSIONS);
    return null;
  }

  private onResponseEnd(): DesyncReason | null {
    const { head } = this.inFlight;
    if (head === null) return 'unexpected_reply';
    const { command, response } = this;
    const { errorCode, errorCount } = response;
    const name = errorCode === 0 ? '' : errorName(errorCode);
    command.statusCode = name;
    command.errorType = name !== '' && isFailure(name) ? name : '';
    command.errorCount = errorCount;
    this.report(head, this.responses.startedMs, this.nowMs, this.responseBytes);
    this.inFlight.settle(head);
    return null;
  }
}
