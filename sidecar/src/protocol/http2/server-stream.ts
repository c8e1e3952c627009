/**
 * One request on a connection of HTTP/2, and its response: the downstream side of an exchange.
 *
 * Invariants: body that comes before there is an upstream for it is held, within the windows; what the client makes wait is given up after
 * a time. A stream is used again only when nobody is at work with it any more.
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
import { acceptsRequestBody, type DownstreamStream, type Exchange } from '../../core/exchange.ts';
import { FAILURES, Failure, type FailureKind } from '../../core/failure.ts';
import type { Route } from '../../core/route.ts';
import type { ConnectionOwner } from '../../downstream/connection.ts';
import { ByteQueue } from '../../transport/byte-queue.ts';
import { type Head, RequestHead, type ResponseHead } from '../head.ts';
import { copyHead } from '../head-copy.ts';
import { CANCEL, errorName, INTERNAL_ERROR, NO_ERROR, PROTOCOL_ERROR } from './frame.ts';
import { encodeResponse } from './head-encoder.ts';
import type { Http2Server } from './server.ts';
import { Http2Stream, NEVER } from './stream.ts';

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
      if (this.paused || !this.mayForward(exchange)) return start;
      this.noteHeld(start - end);
      onRequestBody(exchange, bytes, start, end);
      return end;
    });
    this.feeding = false;
    if (this.paused || this.held.length > 0 || this.exchange === null) return;
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
