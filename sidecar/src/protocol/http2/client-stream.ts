/**
 * One attempt on a connection of HTTP/2: the upstream side of an exchange.
 *
 * Invariants: an attempt is told of its end once; after that the stream speaks to nobody.
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
import type { ConnectionSetup } from '../../upstream/connection.ts';
import { BODY_LENGTH, BODY_NONE, type Head, ResponseHead } from '../head.ts';
import type { Http2Client } from './client.ts';
import { CANCEL, errorName, PROTOCOL_ERROR, REFUSED_STREAM } from './frame.ts';
import { Http2Stream, NEVER } from './stream.ts';

export class ClientStream extends Http2Stream implements UpstreamStream {
  declare readonly connection: Http2Client;
  readonly head = new ResponseHead();
  setupMs = 0;
  tlsMs = 0;
  reused = false;
  unprocessed = false;
  headDone = false;
  /** The request left; before that the peer knows nothing of the stream. */
  headSent = false;
  /** The request went out as an extended CONNECT. */
  tunnels = false;
  private exchange: Exchange | null = null;
  private interims = 0;
  private paused = false;

  begin(exchange: Exchange, { setupMs, tlsMs }: ConnectionSetup, reused: boolean): void {
    this.exchange = exchange;
    this.setupMs = setupMs;
    this.tlsMs = tlsMs;
    this.reused = reused;
    this.unprocessed = false;
    this.headDone = false;
    this.headSent = false;
    this.tunnels = false;
    this.interims = 0;
    this.paused = false;
  }

  get occupied(): boolean {
    return this.exchange !== null;
  }

  get identity(): string {
    return this.connection.identity;
  }

  get request() {
    return (this.exchange as Exchange).request;
  }

  sendRequestHead(exchange: Exchange): void {
    const { wantsUpgrade } = exchange.request;
    this.tunnels = wantsUpgrade && this.connection.takesTunnel(exchange.request);
    this.connection.writeRequest(this, exchange);
    if (!wantsUpgrade) return;
    // An upgrade may be ignored (RFC 9110 section 7.8): what is left is an ordinary request, and it is complete.
    if (!this.tunnels) this.sendEnd(null);
    this.awaitFor(this.connection.timeouts.upstreamMs);
  }

  sendRequestBody(bytes: Uint8Array, start: number, end: number): void {
    const wasBlocked = this.blocked;
    this.sendBody(bytes, start, end);
    if ((this.blocked && !wasBlocked) || this.connection.transport.congested) this.arm();
  }

  endRequest(trailers: Head | null): void {
    this.sendEnd(trailers);
    this.arm();
  }

  abortRequest(): void {
    this.exchange = null;
    this.connection.abandon(this);
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

  onFinalHead(): void {
    this.headDone = true;
    const { head } = this;
    // A body where there can be none would be taken for the next response by a client of HTTP/1.1.
    if (head.bodyKind === BODY_NONE) this.bodyRemaining = 0;
    else if (head.bodyKind === BODY_LENGTH) this.bodyRemaining = head.contentLength;
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

  onReset(code: number): void {
    // The endpoint is there and has said no: nothing that a stale connection could explain.
    this.reused = false;
    this.onLost(`stream reset: ${errorName(code)}`, code === REFUSED_STREAM);
  }

  onViolation(detail: string): void {
    this.tell(Failure.invalidResponse, detail);
  }

  onDrained(): void {
    this.arm();
    if (this.exchange !== null) onUpstreamDrained(this.exchange);
  }

  onProgress(): void {
    this.arm();
  }

  onLocalEnd(): void {}

  onDeadline(): void {
    const { upstreamMs, bodyIdleMs } = this.connection.timeouts;
    this.connection.probe();
    if (this.headDone || this.blocked || this.connection.transport.congested) {
      this.fail(Failure.upstreamStalled, `nothing moved for ${bodyIdleMs} ms`);
    } else {
      this.fail(Failure.upstreamTimeout, `no response head within ${upstreamMs} ms`);
    }
  }

  /** What is waited for now: the endpoint's window, its head, its body, or nothing. */
  private arm(): void {
    const { timeouts } = this.connection;
    if (this.blocked || this.connection.transport.congested) this.awaitFor(timeouts.bodyIdleMs);
    else if (!this.headDone) {
      if (this.localEnded) this.awaitFor(timeouts.upstreamMs);
      else this.deadlineMs = NEVER;
    } else if (this.paused || this.head.switchesProtocol) this.deadlineMs = NEVER;
    else this.awaitFor(timeouts.bodyIdleMs);
  }

  private fail(failure: FailureKind, detail: string): void {
    if (failure === Failure.invalidResponse) this.connection.resetStream(this, PROTOCOL_ERROR);
    else this.connection.abandonStream(this, CANCEL);
    this.tell(failure, detail);
  }

  private tell(failure: FailureKind, detail: string): void {
    const { exchange } = this;
    this.exchange = null;
    if (exchange !== null) onUpstreamFailed(exchange, failure, detail);
  }
}
