/**
 * The server side of HTTP/2: one downstream connection, many exchanges at once.
 *
 * Invariants
 * - A request that is malformed is never forwarded: its stream is reset, and the exchange observed like any other.
 * - Draining announces itself first and refuses streams only after the client has had the time to hear of it (RFC 9113 section 6.8).
 * - When a stream ends, whatever ended it, its upstream work is cancelled before another stream may take its place.
 */
import {
  begin,
  beginUnreadable,
  onDownstreamDrained,
  onDownstreamGone,
  onRequestBody,
  onRequestEnd,
  reply,
} from '../../core/course.ts';
import { acceptsRequestBody, type DownstreamStream, Exchange } from '../../core/exchange.ts';
import { FAILURES, Failure, type FailureKind } from '../../core/failure.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Route } from '../../core/route.ts';
import type { ConnectionOwner, DownstreamConnection } from '../../downstream/connection.ts';
import { ByteQueue } from '../../transport/byte-queue.ts';
import type { Transport } from '../../transport/transport.ts';
import { type Head, RequestHead, type ResponseHead } from '../head.ts';
import { BLOCK_FATAL, Http2Connection } from './connection.ts';
import {
  appendGoaway,
  appendNumberFrame,
  appendPing,
  appendSettings,
  CANCEL,
  DEFAULT_WINDOW,
  errorName,
  FRAME_WINDOW_UPDATE,
  INTERNAL_ERROR,
  MAX_STREAM_ID,
  NO_ERROR,
  PING_BYTES,
  PREFACE,
  PROTOCOL_ERROR,
  REFUSED_STREAM,
  SETTINGS_ENABLE_CONNECT_PROTOCOL,
  SETTINGS_INITIAL_WINDOW_SIZE,
  SETTINGS_MAX_CONCURRENT_STREAMS,
  SETTINGS_MAX_HEADER_LIST_SIZE,
  STREAM_CLOSED,
} from './frame.ts';
import { encodeResponse } from './head-encoder.ts';
import { HPACK_OK } from './hpack/decoder.ts';
import { RequestFields } from './request-fields.ts';
import { DISCARD } from './response-fields.ts';
import { copyHead, Http2Stream, NEVER } from './stream.ts';

const SERVER_SETTINGS = [
  [SETTINGS_MAX_CONCURRENT_STREAMS, LIMITS.http2StreamsPerConnection],
  [SETTINGS_INITIAL_WINDOW_SIZE, LIMITS.http2StreamWindowBytes],
  [SETTINGS_MAX_HEADER_LIST_SIZE, LIMITS.headBytes],
  [SETTINGS_ENABLE_CONNECT_PROTOCOL, 1],
] as const;
const DRAIN_PING = Buffer.alloc(PING_BYTES);

const fields = new RequestFields();

export class Http2Server extends Http2Connection<ServerStream> implements DownstreamConnection {
  protected readonly isServer = true;
  readonly peerIdentity: string;
  readonly peerAddress: string;
  private readonly owner: ConnectionOwner;
  private readonly fallback: Route;
  private prefaceBytes = 0;
  private draining = false;
  /** The client knows which streams are the last; others are refused. */
  private closing = false;

  constructor(transport: Transport, owner: ConnectionOwner, fallback: Route, peerIdentity: string) {
    super(transport);
    this.owner = owner;
    this.fallback = fallback;
    this.peerIdentity = peerIdentity;
    this.peerAddress = transport.socket.remoteAddress ?? '';
  }

  start(): void {
    const { context } = this.transport;
    appendSettings(this.batch, SERVER_SETTINGS);
    const increment = LIMITS.http2ConnectionWindowBytes - DEFAULT_WINDOW;
    appendNumberFrame(this.batch, FRAME_WINDOW_UPDATE, 0, increment);
    this.transport.deadlineMs = context.clock.monotonicMs() + this.fallback.timeouts.headMs;
  }

  drain(): void {
    if (this.draining || this.ended) return;
    this.draining = true;
    appendGoaway(this.batch, MAX_STREAM_ID, NO_ERROR, 'draining');
    appendPing(this.batch, 0, DRAIN_PING, 0);
    if (this.streams.size === 0) this.linger();
  }

  cutOff(): void {
    for (const stream of [...this.streams.values()]) stream.cutOff();
    this.transport.destroy();
  }

  override onBytes(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (this.prefaceBytes < PREFACE.length && at < end) {
      if (bytes[at++] !== PREFACE[this.prefaceBytes++]) {
        this.fail(PROTOCOL_ERROR, 'the connection preface is malformed');
        return;
      }
    }
    super.onBytes(bytes, at, end);
    // Who does not read what it asked for must not ask for more: heads of responses are bounded by no window.
    if (this.transport.congested && !this.ended) this.transport.pause();
  }

  override onDrained(): void {
    this.transport.resume();
    super.onDrained();
  }

  onPeerEnd(): void {
    // A client that stops sending can't even acknowledge what it receives.
    this.end('the client closed the connection');
    this.batch.flush();
    this.transport.end();
    this.transport.deadlineMs = this.transport.context.nowMs + LIMITS.lingerMs;
  }

  override onClosed(error: Error | null): void {
    super.onClosed(error);
    this.owner.onGone(this);
  }

  onDeadline(): void {
    if (this.ended || (this.draining && this.streams.size === 0)) this.transport.destroy();
    else if (this.streams.size === 0) this.close('idle');
  }

  createExchange(stream: ServerStream, route: Route): Exchange {
    const { context } = this.transport;
    return new Exchange(
      route,
      stream,
      stream.request,
      context,
      this.peerIdentity,
      this.peerAddress,
      context.nowMs,
    );
  }

  protected onBlock(streamId: number, endStream: boolean, bytes: Buffer, start: number, end: number): void {
    const stream = this.streams.get(streamId);
    if (stream !== undefined) {
      this.onLaterBlock(stream, endStream, bytes, start, end);
    } else if ((streamId & 1) === 0) {
      this.fail(PROTOCOL_ERROR, 'a client opens streams of odd numbers');
    } else if (streamId <= this.lastStreamId) {
      this.discardBlock(bytes, start, end);
      if (!this.wasReset(streamId)) this.fail(STREAM_CLOSED, 'HEADERS on a stream that is closed');
    } else if (this.closing || this.streams.size >= LIMITS.http2StreamsPerConnection) {
      this.lastStreamId = streamId;
      if (this.decode(DISCARD, bytes, start, end) !== BLOCK_FATAL)
        this.refuseStream(streamId, REFUSED_STREAM);
    } else {
      this.openStream(streamId, endStream, bytes, start, end);
    }
  }

  protected onGoaway(): void {
    // The client opens no more streams; those that are open complete.
    this.draining = true;
    this.closing = true;
    if (this.streams.size === 0) this.close('the client is leaving');
  }

  protected onPingAck(): void {
    if (!this.draining || this.closing) return;
    this.closing = true;
    if (this.streams.size === 0) this.close('drained');
    else appendGoaway(this.batch, this.lastStreamId, NO_ERROR, 'draining');
  }

  protected onSettings(): void {
    if (this.streams.size === 0) this.awaitStream();
  }

  protected wasOpened(streamId: number): boolean {
    return (streamId & 1) === 1 && streamId <= this.lastStreamId;
  }

  protected onEnded(): void {}

  protected onStreamClosed(): void {
    if (this.streams.size > 0 || this.ended) return;
    if (this.draining && this.closing) this.close('drained');
    else if (this.draining) this.linger();
    else this.awaitStream();
  }

  private onLaterBlock(
    stream: Http2Stream,
    endStream: boolean,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    if (!stream.remoteEnded) {
      this.readTrailers(stream, endStream, bytes, start, end);
    } else {
      this.discardBlock(bytes, start, end);
      if (!this.ended) this.violate(stream, STREAM_CLOSED, 'HEADERS behind the end of the stream');
    }
  }

  private openStream(streamId: number, endStream: boolean, bytes: Buffer, start: number, end: number): void {
    const stream = this.spare.pop() ?? new ServerStream(this);
    fields.begin(stream.request);
    const result = this.decode(fields, bytes, start, end);
    if (result === BLOCK_FATAL) return;
    this.addStream(stream, streamId);
    this.transport.deadlineMs = NEVER;
    const failure = result === HPACK_OK ? fields.end(endStream) : Failure.headTooLarge.code;
    stream.beginExchange(failure, endStream, this.owner, this.fallback);
    if (failure === Failure.malformedRequest.code) this.tolerate();
  }

  /** The client has no stream open, and is given some time to hear that it should open none. */
  private linger(): void {
    this.transport.deadlineMs = this.transport.context.clock.monotonicMs() + LIMITS.lingerMs;
  }

  private awaitStream(): void {
    this.transport.deadlineMs = this.transport.context.nowMs + this.fallback.timeouts.idleMs;
  }

  private close(reason: string): void {
    this.fail(NO_ERROR, reason);
  }
}

export class ServerStream extends Http2Stream implements DownstreamStream {
  readonly request = new RequestHead();
  readonly takesTrailers = true;
  declare readonly connection: Http2Server;
  private exchange: Exchange | null = null;
  private idleMs = 0;
  /** Body that came before there was an upstream for it, or while that had no room; at most one window. */
  private readonly held: ByteQueue;
  private heldBytes = 0;
  private heldEnd = false;
  private heldTrailers: Head | null = null;
  private paused = false;
  private feeding = false;

  constructor(connection: Http2Server) {
    super(connection);
    this.held = new ByteQueue(connection.transport.context.buffers);
  }

  get occupied(): boolean {
    return this.exchange !== null;
  }

  beginExchange(failureCode: number, endStream: boolean, owner: ConnectionOwner, fallback: Route): void {
    const { request } = this;
    this.idleMs = fallback.timeouts.bodyIdleMs;
    this.heldEnd = false;
    this.heldTrailers = null;
    this.paused = false;
    this.feeding = false;
    this.remoteEnded = endStream;
    if (failureCode !== 0) {
      this.refuse(FAILURES[failureCode] as FailureKind, fallback);
      return;
    }
    if (!endStream && request.contentLength !== -1) this.bodyRemaining = request.contentLength;
    const exchange = this.connection.createExchange(this, owner.routeFor(request));
    this.exchange = exchange;
    exchange.requestComplete = endStream;
    begin(exchange);
  }

  /** The drain deadline passed. */
  cutOff(): void {
    this.leave(Failure.drainDeadline, '');
    this.connection.resetStream(this, CANCEL);
  }

  onBody(bytes: Buffer, start: number, end: number): void {
    const { exchange } = this;
    // A request whose upgrade was declined is over; what follows on the stream was meant for another protocol.
    if (exchange === null || exchange.requestComplete) return;
    if (this.paused || this.held.length > 0 || !this.mayForward(exchange)) {
      this.held.push(bytes, start, end);
      this.noteHeld(end - start);
      this.pauseReceiving();
      return;
    }
    this.arm();
    onRequestBody(exchange, bytes, start, end);
  }

  onEnd(trailers: Head | null): void {
    const { exchange } = this;
    if (exchange === null || exchange.requestComplete) return;
    if (this.held.length > 0 || !this.mayForward(exchange)) {
      this.heldEnd = true;
      this.heldTrailers = trailers === null ? null : copyHead(trailers);
      return;
    }
    this.arm();
    onRequestEnd(exchange, trailers);
  }

  onLost(detail: string): void {
    this.leave(Failure.downstreamAborted, detail);
  }

  onReset(code: number): void {
    this.leave(Failure.downstreamAborted, `stream reset: ${errorName(code)}`);
  }

  onViolation(detail: string): void {
    this.leave(Failure.invalidBody, detail);
  }

  onDrained(): void {
    this.arm();
    if (this.exchange !== null) onDownstreamDrained(this.exchange);
  }

  onProgress(): void {
    this.arm();
  }

  /** A response that was complete before its request: the rest of the request is not wanted (RFC 9113 section 8.1). */
  onLocalEnd(): void {
    if (this.exchange === null) this.connection.abandonStream(this, NO_ERROR);
  }

  onDeadline(): void {
    const { exchange } = this;
    if (this.blocked || this.connection.transport.congested) {
      this.leave(Failure.downstreamStalled, `nothing was read for ${this.idleMs} ms`);
      this.connection.resetStream(this, CANCEL);
    } else if (exchange !== null) {
      reply(exchange, Failure.requestBodyTimeout);
    }
  }

  sendInterim(head: ResponseHead): void {
    encodeResponse(this.connection, this, head);
  }

  sendResponseHead(exchange: Exchange): void {
    const head = exchange.response as ResponseHead;
    if (!head.switchesProtocol && this.request.wantsUpgrade && !exchange.requestComplete) {
      onRequestEnd(exchange, null);
    }
    encodeResponse(this.connection, this, head);
    // The first bytes of the new protocol may have come already.
    if (head.switchesProtocol) this.resumeRequest();
  }

  sendResponseBody(bytes: Uint8Array, start: number, end: number): void {
    const wasBlocked = this.blocked;
    this.sendBody(bytes, start, end);
    if ((this.blocked && !wasBlocked) || this.connection.transport.congested) this.arm();
  }

  endResponse(trailers: Head | null): void {
    this.sendEnd(trailers);
  }

  abortResponse(): void {
    this.exchange = null;
    this.connection.resetStream(this, INTERNAL_ERROR);
  }

  pauseRequest(): void {
    this.paused = true;
    this.pauseReceiving();
    this.arm();
  }

  resumeRequest(): void {
    this.paused = false;
    if (this.feeding) return;
    const { exchange } = this;
    if (exchange === null || !this.mayForward(exchange)) return;
    this.feeding = true;
    this.held.drain((bytes, start, end) => {
      if (this.paused) return start;
      this.noteHeld(start - end);
      onRequestBody(exchange, bytes, start, end);
      return end;
    });
    this.feeding = false;
    if (this.paused || this.exchange === null) return;
    if (this.heldEnd) {
      this.heldEnd = false;
      onRequestEnd(this.exchange, this.heldTrailers);
    } else if (!this.remoteEnded) {
      this.resumeReceiving();
      this.arm();
    }
  }

  release(): void {
    this.exchange = null;
    if (this.heldBytes > 0) this.noteHeld(-this.heldBytes);
    this.held.clear();
    if (this.localEnded && !this.remoteEnded) this.connection.abandonStream(this, NO_ERROR);
  }

  private noteHeld(change: number): void {
    this.heldBytes += change;
    this.connection.noteHeld(change);
  }

  /** What comes before an upgrade is answered must not reach an upstream that may take it for the next request. */
  private mayForward(exchange: Exchange): boolean {
    if (!acceptsRequestBody(exchange)) return false;
    return !this.request.wantsUpgrade || exchange.response?.switchesProtocol === true;
  }

  /** What is waited for now: the client's window, its body, or nothing. */
  private arm(): void {
    const awaitsBody = !this.remoteEnded && !this.paused && !this.request.wantsUpgrade;
    if (this.blocked || awaitsBody || this.connection.transport.congested) this.awaitFor(this.idleMs);
    else this.deadlineMs = NEVER;
  }

  private leave(failure: FailureKind, detail: string): void {
    const { exchange } = this;
    this.exchange = null;
    if (exchange !== null) onDownstreamGone(exchange, failure, detail);
  }

  /** Answers a request that can't be forwarded, or resets its stream when there is no sense in an answer. */
  private refuse(failure: FailureKind, fallback: Route): void {
    const { request } = this;
    if (!request.adopted) {
      request.reset();
      request.majorVersion = 2;
    }
    const exchange = this.connection.createExchange(this, fallback);
    this.exchange = exchange;
    exchange.requestComplete = this.remoteEnded;
    beginUnreadable(exchange);
    if (failure !== Failure.malformedRequest) {
      reply(exchange, failure);
      return;
    }
    this.leave(failure, '');
    this.connection.resetStream(this, PROTOCOL_ERROR);
  }
}
