/**
 * The client side of HTTP/2: one upstream connection that carries many exchanges at once.
 *
 * Invariants
 * - No more streams are open than the peer allows; before its settings are known, it is taken to allow what we would.
 * - A connection that the peer is leaving, or that was retired, takes no further exchange and closes behind its last one.
 * - A peer that is silent while streams run out of time is asked whether it is still there; one that is not loses the connection, so that
 *   later exchanges don't wait for it.
 */
import {
  onInterim,
  onResponseBody,
  onResponseEnd,
  onResponseHead,
  onUpstreamDrained,
  onUpstreamFailed,
} from '../../core/course.ts';
import type { Exchange, UpstreamStream } from '../../core/exchange.ts';
import { Failure, type FailureKind } from '../../core/failure.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Timeouts } from '../../core/route.ts';
import type { Transport } from '../../transport/transport.ts';
import type { ConnectionOwner, UpstreamConnection } from '../../upstream/connection.ts';
import { type Head, ResponseHead } from '../head.ts';
import { BLOCK_FATAL, Http2Connection } from './connection.ts';
import {
  appendNumberFrame,
  appendPing,
  appendSettings,
  CANCEL,
  DEFAULT_WINDOW,
  FRAME_WINDOW_UPDATE,
  MAX_STREAM_ID,
  NO_ERROR,
  PING_BYTES,
  PREFACE,
  PROTOCOL_ERROR,
  SETTINGS_ENABLE_PUSH,
  SETTINGS_INITIAL_WINDOW_SIZE,
  SETTINGS_MAX_HEADER_LIST_SIZE,
  STREAM_CLOSED,
} from './frame.ts';
import { encodeRequest } from './head-encoder.ts';
import { HPACK_OK } from './hpack/decoder.ts';
import { ResponseFields } from './response-fields.ts';
import { Http2Stream, NEVER } from './stream.ts';

const CLIENT_SETTINGS = [
  [SETTINGS_ENABLE_PUSH, 0],
  [SETTINGS_INITIAL_WINDOW_SIZE, LIMITS.http2StreamWindowBytes],
  [SETTINGS_MAX_HEADER_LIST_SIZE, LIMITS.headBytes],
] as const;
const PROBE = Buffer.alloc(PING_BYTES);

const fields = new ResponseFields();

export class Http2Client extends Http2Connection<ClientStream> implements UpstreamConnection {
  listed = false;
  protected readonly isServer = false;
  readonly timeouts: Timeouts;
  readonly identity: string;
  readonly secure: boolean;
  setupMs: number;
  reused = false;
  private readonly owner: ConnectionOwner;
  private readonly authority: string;
  private retired = false;
  private wasFull = false;
  /** The peer was asked whether it is still there. */
  private probing = false;

  constructor(
    transport: Transport,
    owner: ConnectionOwner,
    timeouts: Timeouts,
    authority: string,
    identity: string,
    setupMs: number,
  ) {
    super(transport);
    this.owner = owner;
    this.timeouts = timeouts;
    this.authority = authority;
    this.identity = identity;
    this.secure = identity !== '';
    this.setupMs = setupMs;
    const { batch } = this;
    batch.reserve(PREFACE.length);
    batch.append(PREFACE, 0, PREFACE.length);
    appendSettings(batch, CLIENT_SETTINGS);
    appendNumberFrame(batch, FRAME_WINDOW_UPDATE, 0, LIMITS.http2ConnectionWindowBytes - DEFAULT_WINDOW);
  }

  get usable(): boolean {
    return !this.retired && !this.ended && !this.transport.gone;
  }

  get room(): number {
    return this.usable ? this.peerStreams - this.streams.size : 0;
  }

  get idle(): boolean {
    return this.streams.size === 0;
  }

  attach(exchange: Exchange): ClientStream {
    const stream = this.spare.pop() ?? new ClientStream(this);
    this.addStream(stream, this.lastStreamId === 0 ? 1 : this.lastStreamId + 2);
    if (this.lastStreamId >= MAX_STREAM_ID - 2) this.retire();
    stream.begin(exchange, this.setupMs, this.reused);
    this.reused = true;
    this.setupMs = 0;
    this.wasFull = this.room === 0;
    this.transport.deadlineMs = this.probing ? this.transport.deadlineMs : NEVER;
    return stream;
  }

  /** Takes no further exchange; closes behind the last one. */
  retire(): void {
    this.retired = true;
    if (this.streams.size === 0) this.close();
  }

  close(): void {
    this.fail(NO_ERROR, '');
  }

  awaitExchange(): void {
    this.transport.deadlineMs = this.transport.context.nowMs + this.timeouts.idleMs;
  }

  /** Whether the peer still answers; if it does not, the connection is lost. */
  probe(): void {
    if (this.probing || this.ended) return;
    this.probing = true;
    appendPing(this.batch, 0, PROBE, 0);
    this.transport.deadlineMs = this.transport.context.nowMs + LIMITS.http2ProbeMs;
  }

  onPeerEnd(): void {
    this.end('the endpoint closed the connection');
    this.transport.destroy();
  }

  onDeadline(): void {
    if (this.ended || this.probing) {
      this.end('the endpoint is silent');
      this.transport.destroy();
    } else if (this.streams.size === 0) {
      this.close();
    }
  }

  override onClosed(error: Error | null): void {
    super.onClosed(error);
    this.owner.onGone(this);
  }

  writeRequest(stream: ClientStream, exchange: Exchange): void {
    encodeRequest(this, stream, exchange.request, this.authority, this.secure);
  }

  protected onBlock(streamId: number, endStream: boolean, bytes: Buffer, start: number, end: number): void {
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.discardBlock(bytes, start, end);
      if (!this.wasOpened(streamId)) this.fail(PROTOCOL_ERROR, 'HEADERS on a stream that was not opened');
    } else if (stream.remoteEnded) {
      this.discardBlock(bytes, start, end);
      if (!this.ended) this.violate(stream, STREAM_CLOSED, 'HEADERS behind the end of the stream');
    } else if (stream.headDone) {
      this.readTrailers(stream, endStream, bytes, start, end);
    } else {
      fields.begin(stream.head);
      const result = this.decode(fields, bytes, start, end);
      if (result === BLOCK_FATAL) return;
      const wellFormed = result === HPACK_OK && fields.end(stream.request, endStream);
      if (!wellFormed) this.violate(stream, PROTOCOL_ERROR, 'malformed response head');
      else if (stream.head.status < 200 && !stream.head.switchesProtocol) stream.onInterimHead();
      else this.onHead(stream, endStream);
    }
  }

  protected onGoaway(lastStreamId: number): void {
    this.retired = true;
    for (const stream of [...this.streams.values()]) {
      if (stream.id <= lastStreamId) continue;
      this.closeStream(stream);
      stream.onLost('the endpoint is going away', true);
    }
    if (this.streams.size === 0) this.close();
  }

  protected onPingAck(): void {
    this.probing = false;
    if (this.streams.size === 0) this.awaitExchange();
    else this.transport.deadlineMs = NEVER;
  }

  protected onSettings(): void {
    this.owner.onRoom(this);
  }

  protected wasOpened(streamId: number): boolean {
    return (streamId & 1) === 1 && streamId <= this.lastStreamId;
  }

  protected onEnded(): void {}

  protected onStreamClosed(): void {
    if (this.ended) return;
    if (this.retired) {
      if (this.streams.size === 0) this.close();
    } else if (this.wasFull || this.streams.size === 0) {
      this.wasFull = false;
      this.owner.onRoom(this);
    }
  }

  private onHead(stream: ClientStream, endStream: boolean): void {
    stream.onFinalHead(endStream);
    if (endStream && this.streams.has(stream.id)) this.endRemote(stream, null);
  }
}

export class ClientStream extends Http2Stream implements UpstreamStream {
  declare readonly connection: Http2Client;
  readonly head = new ResponseHead();
  setupMs = 0;
  reused = false;
  unprocessed = false;
  headDone = false;
  private exchange: Exchange | null = null;
  private interims = 0;
  private paused = false;

  begin(exchange: Exchange, setupMs: number, reused: boolean): void {
    this.exchange = exchange;
    this.setupMs = setupMs;
    this.reused = reused;
    this.unprocessed = false;
    this.headDone = false;
    this.interims = 0;
    this.paused = false;
  }

  get identity(): string {
    return this.connection.identity;
  }

  get request() {
    return (this.exchange as Exchange).request;
  }

  sendRequestHead(exchange: Exchange): void {
    this.connection.writeRequest(this, exchange);
    if (exchange.request.wantsUpgrade) this.awaitFor(this.connection.timeouts.upstreamMs);
  }

  sendRequestBody(bytes: Uint8Array, start: number, end: number): void {
    const wasBlocked = this.blocked;
    this.sendBody(bytes, start, end);
    if (this.blocked && !wasBlocked) this.arm();
  }

  endRequest(trailers: Head | null): void {
    this.sendEnd(trailers);
    this.arm();
  }

  abortRequest(): void {
    this.exchange = null;
    this.connection.resetStream(this, CANCEL);
  }

  pauseResponse(): void {
    this.paused = true;
    this.pauseReceiving();
    this.arm();
  }

  resumeResponse(): void {
    if (!this.paused) return;
    this.paused = false;
    this.resumeReceiving();
    this.arm();
  }

  onInterimHead(): void {
    if (++this.interims > LIMITS.interimResponses) {
      this.fail(Failure.invalidResponse, 'too many interim responses');
      return;
    }
    onInterim(this.exchange as Exchange, this.head);
  }

  onFinalHead(endStream: boolean): void {
    this.headDone = true;
    const { head } = this;
    if (!endStream && head.contentLength !== -1 && !head.switchesProtocol) {
      this.bodyRemaining = this.request.isHead || head.status === 304 ? 0 : head.contentLength;
    }
    this.arm();
    onResponseHead(this.exchange as Exchange, head);
  }

  onBody(bytes: Buffer, start: number, end: number): void {
    if (!this.headDone) {
      this.fail(Failure.invalidResponse, 'DATA before the response head');
      return;
    }
    this.arm();
    if (this.exchange !== null) onResponseBody(this.exchange, bytes, start, end);
  }

  onEnd(trailers: Head | null): void {
    const { exchange } = this;
    if (exchange === null) return;
    if (!this.headDone) {
      this.fail(Failure.invalidResponse, 'the stream ended before the response head');
      return;
    }
    this.deadlineMs = NEVER;
    // The request may have to go on after it: a tunnel ends in each direction by itself.
    if (this.localEnded || !exchange.response?.switchesProtocol) this.exchange = null;
    onResponseEnd(exchange, trailers);
  }

  onLost(detail: string, unprocessed: boolean): void {
    this.unprocessed = unprocessed;
    this.tell(Failure.upstreamReset, detail);
  }

  onViolation(detail: string): void {
    this.tell(Failure.invalidResponse, detail);
  }

  onDrained(): void {
    if (this.exchange !== null) onUpstreamDrained(this.exchange);
  }

  onProgress(): void {
    this.arm();
  }

  onLocalEnd(): void {}

  onDeadline(): void {
    const { upstreamMs, bodyIdleMs } = this.connection.timeouts;
    this.connection.probe();
    if (this.headDone || this.blocked) {
      this.fail(Failure.upstreamStalled, `nothing moved for ${bodyIdleMs} ms`);
    } else {
      this.fail(Failure.upstreamTimeout, `no response head within ${upstreamMs} ms`);
    }
  }

  /** What is waited for now: the endpoint's window, its head, its body, or nothing. */
  private arm(): void {
    const { timeouts } = this.connection;
    if (this.blocked) this.awaitFor(timeouts.bodyIdleMs);
    else if (!this.headDone) {
      if (this.localEnded) this.awaitFor(timeouts.upstreamMs);
      else this.deadlineMs = NEVER;
    } else if (this.paused || this.head.switchesProtocol) this.deadlineMs = NEVER;
    else this.awaitFor(timeouts.bodyIdleMs);
  }

  private fail(failure: FailureKind, detail: string): void {
    this.connection.resetStream(this, failure === Failure.invalidResponse ? PROTOCOL_ERROR : CANCEL);
    this.tell(failure, detail);
  }

  private tell(failure: FailureKind, detail: string): void {
    const { exchange } = this;
    this.exchange = null;
    if (exchange !== null) onUpstreamFailed(exchange, failure, detail);
  }
}
