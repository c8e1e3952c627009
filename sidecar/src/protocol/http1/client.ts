/**
 * The client side of HTTP/1.1: one upstream connection, one exchange at a time.
 *
 * Invariants
 * - A connection goes back to its pool only when request and response are complete, the peer allows it and no byte too many came.
 *   In every other case it is closed.
 * - What the peer sends unasked closes the connection; it is never taken for a response to a later request.
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
import type { Transport, TransportHandler } from '../../transport/transport.ts';
import type { ConnectionOwner, ConnectionSetup, UpstreamConnection } from '../../upstream/connection.ts';
import { type Head, ResponseHead } from '../head.ts';
import { BODY_MALFORMED, BodyReader } from './body.ts';
import { RequestWriter } from './request-writer.ts';
import { scanResponseHead } from './response-head.ts';
import { INCOMPLETE, TOO_LARGE } from './scan.ts';

const NEVER = Number.POSITIVE_INFINITY;

export class Http1Client implements UpstreamConnection, UpstreamStream, TransportHandler {
  readonly identity: string;
  setupMs: number;
  tlsMs: number;
  reused = false;
  /** HTTP/1.1 has no way to say so. */
  readonly unprocessed = false;
  listed = false;
  private readonly transport: Transport;
  private readonly owner: ConnectionOwner;
  private readonly timeouts: Timeouts;
  private readonly writer: RequestWriter;
  private readonly head = new ResponseHead();
  private readonly reader = new BodyReader();
  private exchange: Exchange | null = null;
  private headSent = false;
  private requestSent = false;
  private headDone = false;
  private interims = 0;
  private responsePaused = false;
  /** The connection must not be used again: its certificate was replaced, or the sidecar drains. */
  private retired = false;

  constructor(
    transport: Transport,
    owner: ConnectionOwner,
    timeouts: Timeouts,
    authority: string,
    identity: string,
    { setupMs, tlsMs }: ConnectionSetup,
  ) {
    this.transport = transport;
    this.owner = owner;
    this.timeouts = timeouts;
    this.writer = new RequestWriter(transport, authority);
    this.identity = identity;
    this.setupMs = setupMs;
    this.tlsMs = tlsMs;
    transport.handler = this;
  }

  get room(): number {
    return this.exchange === null && !this.retired && !this.transport.gone ? 1 : 0;
  }

  get idle(): boolean {
    return this.exchange === null;
  }

  get congested(): boolean {
    return this.transport.congested;
  }

  attach(exchange: Exchange): this {
    this.exchange = exchange;
    this.headSent = false;
    this.requestSent = false;
    this.headDone = false;
    this.interims = 0;
    this.responsePaused = false;
    this.head.reset();
    this.transport.deadlineMs = NEVER;
    return this;
  }

  sendRequestHead(exchange: Exchange): void {
    const { request } = exchange;
    this.headSent = true;
    this.writer.writeHead(request);
    // It is the peer's turn, although the request is not complete.
    if (request.wantsUpgrade || request.expectsContinue) this.awaitFor(this.timeouts.upstreamMs);
  }

  sendRequestBody(bytes: Uint8Array, start: number, end: number): void {
    this.writer.writeBody(bytes, start, end);
    if (this.transport.congested) this.awaitFor(this.timeouts.bodyIdleMs);
    else if (!this.headDone) this.transport.deadlineMs = NEVER;
  }

  endRequest(trailers: Head | null): void {
    this.requestSent = true;
    if (this.head.switchesProtocol) {
      this.transport.end();
      return;
    }
    this.writer.writeEnd(trailers);
    if (!this.headDone) this.awaitFor(this.timeouts.upstreamMs);
  }

  abortRequest(): void {
    this.exchange = null;
    this.transport.destroy();
  }

  pauseResponse(): void {
    if (this.responsePaused) return;
    this.responsePaused = true;
    this.transport.deadlineMs = NEVER;
    this.transport.pause();
  }

  resumeResponse(): void {
    if (!this.responsePaused) return;
    this.responsePaused = false;
    this.awaitBody();
    this.transport.resume();
  }

  retire(): void {
    this.retired = true;
    if (this.exchange === null) this.transport.destroy();
  }

  awaitExchange(): void {
    this.awaitFor(this.timeouts.idleMs);
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    if (this.exchange === null) {
      this.transport.destroy();
      return;
    }
    if (!this.headSent) {
      this.fail(Failure.upstreamReset, 'the endpoint spoke before it was asked');
      return;
    }
    let at = start;
    while (!this.headDone) {
      at = this.readHead(bytes, at, end);
      if (at < 0) return;
      if (this.exchange === null) return;
    }
    if (!this.reader.done) {
      if (!this.responsePaused) this.awaitBody();
      at = this.reader.read(this, bytes, at, end);
      if (at === BODY_MALFORMED) {
        this.fail(Failure.invalidResponse, 'malformed body framing');
        return;
      }
    }
    if (this.reader.done) this.settle(at === end);
  }

  onBodyData(bytes: Buffer, start: number, end: number): void {
    if (this.exchange !== null) onResponseBody(this.exchange, bytes, start, end);
  }

  onBodyEnd(trailers: Head | null): void {
    if (this.exchange !== null) onResponseEnd(this.exchange, trailers);
  }

  onPeerEnd(): void {
    if (this.exchange === null) {
      this.transport.destroy();
      return;
    }
    if (this.headDone && this.reader.endsWithConnection) {
      this.reader.endWithConnection(this);
      if (!this.head.switchesProtocol) this.settle(false);
      else if (this.requestSent) this.transport.destroy();
      return;
    }
    this.fail(Failure.upstreamReset, 'the endpoint closed the connection');
  }

  onDrained(): void {
    if (this.exchange === null) return;
    this.transport.deadlineMs = NEVER;
    onUpstreamDrained(this.exchange);
  }

  onDeadline(): void {
    if (this.exchange === null) this.transport.destroy();
    else if (this.headDone || this.transport.congested) {
      this.fail(Failure.upstreamStalled, `nothing moved for ${this.timeouts.bodyIdleMs} ms`);
    } else {
      this.fail(Failure.upstreamTimeout, `no response head within ${this.timeouts.upstreamMs} ms`);
    }
  }

  onClosed(error: Error | null): void {
    this.owner.onGone(this);
    if (this.exchange !== null) this.fail(Failure.upstreamReset, error === null ? 'closed' : error.message);
  }

  /** Reads one head. Returns where its body starts, or -1 when there is nothing more to do with these bytes. */
  private readHead(bytes: Buffer, start: number, end: number): number {
    const { head } = this;
    const exchange = this.exchange as Exchange;
    const before = head.collected;
    let consumed: number;
    if (before === 0) {
      consumed = scanResponseHead(head, exchange.request, bytes, start, end);
    } else {
      head.collect(bytes, start, end);
      consumed = scanResponseHead(head, exchange.request, head.bytes, 0, head.collected);
    }
    if (consumed === INCOMPLETE) {
      if (before === 0) head.collect(bytes, start, end);
      return -1;
    }
    if (consumed < 0) {
      this.fail(
        Failure.invalidResponse,
        consumed === TOO_LARGE ? 'head too large' : 'malformed or ambiguous head',
      );
      return -1;
    }
    const at = start + consumed - before;
    if (head.status < 200 && !head.switchesProtocol) {
      if (++this.interims > LIMITS.interimResponses) {
        this.fail(Failure.invalidResponse, 'too many interim responses');
        return -1;
      }
      if (head.status === 100 && exchange.request.expectsContinue) this.transport.deadlineMs = NEVER;
      onInterim(exchange, head);
      head.reset();
      return at < end ? at : -1;
    }
    this.headDone = true;
    this.reader.begin(head);
    this.transport.deadlineMs = NEVER;
    if (head.switchesProtocol) this.writer.switchProtocol();
    onResponseHead(exchange, head);
    if (this.reader.done) this.onBodyEnd(null);
    return at;
  }

  /** The response is complete: the connection is kept, or it is not. */
  private settle(clean: boolean): void {
    if (this.exchange === null) return;
    this.exchange = null;
    const reusable =
      clean && this.requestSent && this.head.keepAlive && !this.retired && !this.head.switchesProtocol;
    if (!reusable) {
      this.transport.destroy();
      return;
    }
    this.reused = true;
    this.setupMs = 0;
    this.tlsMs = 0;
    // The last bytes of the response may have been what congested the downstream.
    this.resumeResponse();
    this.owner.onRoom(this);
  }

  private fail(failure: FailureKind, detail: string): void {
    const exchange = this.exchange as Exchange;
    this.exchange = null;
    this.transport.destroy();
    onUpstreamFailed(exchange, failure, detail);
  }

  /** A switched protocol may be silent for as long as it likes; TCP keep-alive tells whether the peer is still there. */
  private awaitBody(): void {
    if (this.head.switchesProtocol) this.transport.deadlineMs = NEVER;
    else this.awaitFor(this.timeouts.bodyIdleMs);
  }

  private awaitFor(timeoutMs: number): void {
    this.transport.deadlineMs = this.transport.context.nowMs + timeoutMs;
  }
}
