/**
 * The server side of HTTP/1.1: one downstream connection, one exchange at a time, pipelined requests in order.
 *
 * Invariants
 * - Bytes behind the current request are held, and reading is paused, until its response is complete. At most one read is held.
 * - A request that is refused for its syntax closes the connection: what follows it can't be trusted to be a request.
 * - After the last response the connection lingers: it is half-closed and what still arrives is thrown away, so that a reset can't
 *   overtake the response (RFC 9112 section 9.6).
 */
import {
  acceptsRequestBody,
  begin,
  onDownstreamDrained,
  onDownstreamGone,
  onRequestBody,
  onRequestEnd,
  reply,
} from '../../core/course.ts';
import { type DownstreamStream, Exchange, STATE_RESPONDING } from '../../core/exchange.ts';
import { FAILURES, Failure, type FailureKind } from '../../core/failure.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Route } from '../../core/route.ts';
import type { ConnectionOwner, DownstreamConnection } from '../../downstream/connection.ts';
import type { Transport, TransportHandler } from '../../transport/transport.ts';
import { BODY_NONE, type Head, type RequestHead, type ResponseHead } from '../head.ts';
import { BODY_MALFORMED, BodyReader } from './body.ts';
import { RequestReader } from './request-reader.ts';
import { ResponseWriter } from './response-writer.ts';
import { INCOMPLETE } from './scan.ts';

const NEVER = Number.POSITIVE_INFINITY;

const READING_HEAD = 0;
const READING_BODY = 1;
const WAITING = 2;
const TUNNEL = 3;
const LINGERING = 4;

export class Http1Server implements DownstreamConnection, DownstreamStream, TransportHandler {
  private readonly transport: Transport;
  private readonly owner: ConnectionOwner;
  private readonly fallback: Route;
  private readonly peerIdentity: string;
  private readonly peerAddress: string;
  private readonly heads: RequestReader;
  private readonly request: RequestHead;
  private readonly writer: ResponseWriter;
  private readonly reader = new BodyReader();
  private exchange: Exchange | null = null;
  private state = READING_HEAD;
  private held: Buffer | null = null;
  private feeding = false;
  private requestPaused = false;
  private peerEnded = false;
  private discarded = 0;

  constructor(transport: Transport, owner: ConnectionOwner, fallback: Route, peerIdentity: string) {
    this.transport = transport;
    this.heads = new RequestReader(transport.context);
    this.request = this.heads.request;
    this.writer = new ResponseWriter(transport);
    this.owner = owner;
    this.fallback = fallback;
    this.peerIdentity = peerIdentity;
    this.peerAddress = transport.socket.remoteAddress ?? '';
    transport.handler = this;
  }

  start(): void {
    this.transport.deadlineMs = this.transport.context.clock.monotonicMs() + this.fallback.timeouts.headMs;
  }

  drain(): void {
    this.writer.last = true;
    if (this.exchange === null && this.state === READING_HEAD && !this.heads.begun) this.linger();
  }

  cutOff(): void {
    this.transport.reset();
    this.onGone(Failure.drainDeadline, '');
  }

  get congested(): boolean {
    return this.transport.congested;
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    if (this.held !== null) {
      this.hold(bytes, start, end);
      return;
    }
    this.feed(bytes, start, end);
  }

  onBodyData(bytes: Buffer, start: number, end: number): void {
    if (this.exchange !== null) onRequestBody(this.exchange, bytes, start, end);
  }

  onBodyEnd(trailers: Head | null): void {
    this.state = WAITING;
    this.transport.deadlineMs = NEVER;
    if (this.exchange !== null) onRequestEnd(this.exchange, trailers);
  }

  onPeerEnd(): void {
    this.peerEnded = true;
    this.writer.last = true;
    if (this.state === TUNNEL) {
      if (this.exchange !== null) onRequestEnd(this.exchange, null);
    } else if (this.state === READING_BODY && this.held === null) {
      this.onGone(Failure.downstreamAborted, 'the request body was cut off');
      this.transport.destroy();
    } else if (this.exchange === null) {
      this.linger();
    } else {
      this.probePeer();
    }
  }

  onDrained(): void {
    if (this.exchange === null) return;
    if (this.state === READING_BODY && !this.requestPaused) {
      this.awaitFor(this.exchange.route.timeouts.bodyIdleMs);
    } else {
      this.transport.deadlineMs = NEVER;
    }
    onDownstreamDrained(this.exchange);
  }

  onDeadline(): void {
    if (this.state === LINGERING || (this.exchange === null && !this.heads.begun)) {
      this.transport.destroy();
    } else if (this.exchange === null) {
      this.refuse(Failure.requestHeadTimeout);
    } else if (this.congested) {
      const { bodyIdleMs } = this.exchange.route.timeouts;
      this.transport.reset();
      this.onGone(Failure.downstreamStalled, `nothing was read for ${bodyIdleMs} ms`);
    } else {
      reply(this.exchange, Failure.requestBodyTimeout);
    }
  }

  onClosed(error: Error | null): void {
    this.held = null;
    this.onGone(Failure.downstreamAborted, error === null ? '' : error.message);
    this.owner.onGone(this);
  }

  sendInterim(head: ResponseHead): void {
    this.writer.writeInterim(head, this.request);
  }

  sendResponseHead(exchange: Exchange): void {
    const head = exchange.response as ResponseHead;
    if (this.owner.draining) this.writer.last = true;
    if (head.switchesProtocol) this.state = TUNNEL;
    else if (this.request.wantsUpgrade && !exchange.requestComplete) onRequestEnd(exchange, null);
    this.writer.writeHead(exchange, head);
    // The first bytes of the new protocol may have come with the request.
    if (head.switchesProtocol) this.resumeRequest();
  }

  sendResponseBody(bytes: Uint8Array, start: number, end: number): void {
    this.writer.writeBody(bytes, start, end);
    if (this.transport.congested) this.awaitFor((this.exchange as Exchange).route.timeouts.bodyIdleMs);
  }

  endResponse(trailers: Head | null): void {
    if (this.state === TUNNEL) this.transport.end();
    else this.writer.writeEnd(trailers);
  }

  abortResponse(): void {
    this.exchange = null;
    this.transport.reset();
  }

  pauseRequest(): void {
    if (this.requestPaused) return;
    this.requestPaused = true;
    this.transport.deadlineMs = NEVER;
    this.transport.pause();
  }

  resumeRequest(): void {
    this.requestPaused = false;
    this.readOn();
  }

  release(): void {
    const requestComplete = this.exchange?.requestComplete ?? true;
    this.exchange = null;
    if (this.transport.gone) return;
    if (this.writer.last || !requestComplete) {
      this.linger();
      return;
    }
    this.state = READING_HEAD;
    this.heads.reset();
    this.requestPaused = false;
    this.awaitFor(this.fallback.timeouts.idleMs);
    this.readOn();
  }

  /** What is held comes first. Within `feed` there is nothing to do: its loop goes on by itself. */
  private readOn(): void {
    if (this.feeding) return;
    const { held } = this;
    if (held !== null) {
      this.held = null;
      this.feed(held, 0, held.length);
    }
    if (this.held === null && !this.requestPaused) this.transport.resume();
  }

  /** Reads as far as the state of the connection allows; holds the rest. */
  private feed(bytes: Buffer, start: number, end: number): void {
    this.feeding = true;
    let at = start;
    while (at < end) {
      if (this.state === READING_HEAD) {
        at = this.readHead(bytes, at, end);
      } else if (this.state === READING_BODY && this.mayReadBody()) {
        at = this.readBody(bytes, at, end);
      } else if (this.state === TUNNEL && this.exchange !== null) {
        onRequestBody(this.exchange, bytes, at, end);
        at = end;
      } else if (this.state === LINGERING) {
        this.discard(end - at);
        at = end;
      } else {
        this.hold(bytes, at, end);
        at = end;
      }
    }
    this.feeding = false;
  }

  private readHead(bytes: Buffer, start: number, end: number): number {
    const { heads } = this;
    const result = heads.read(bytes, start, end);
    if (result === INCOMPLETE) {
      if (heads.begun) this.transport.deadlineMs = heads.startedMs + this.fallback.timeouts.headMs;
      return end;
    }
    if (result < 0) {
      this.refuse(FAILURES[-result] as FailureKind);
      return end;
    }
    const { next } = heads;
    this.beginExchange();
    return next;
  }

  private beginExchange(): void {
    const { request } = this;
    const exchange = this.createExchange(this.owner.routeFor(request));
    exchange.requestComplete = request.bodyKind === BODY_NONE && !request.wantsUpgrade;
    this.reader.begin(request);
    this.state = request.bodyKind === BODY_NONE ? WAITING : READING_BODY;
    this.transport.deadlineMs = NEVER;
    this.writer.begin();
    begin(exchange);
  }

  private createExchange(route: Route): Exchange {
    const exchange = new Exchange(
      route,
      this,
      this.request,
      this.transport.context,
      this.peerIdentity,
      this.peerAddress,
      this.heads.startedMs,
    );
    this.exchange = exchange;
    return exchange;
  }

  private mayReadBody(): boolean {
    return this.exchange !== null && acceptsRequestBody(this.exchange);
  }

  private readBody(bytes: Buffer, start: number, end: number): number {
    const exchange = this.exchange as Exchange;
    if (!this.requestPaused) this.awaitFor(exchange.route.timeouts.bodyIdleMs);
    const at = this.reader.read(this, bytes, start, end);
    if (at !== BODY_MALFORMED) return at;
    this.writer.last = true;
    reply(exchange, Failure.invalidBody);
    return end;
  }

  /** Answers a request whose head could not be read. The exchange is observed like any other. */
  private refuse(failure: FailureKind): void {
    this.writer.last = true;
    this.request.keepAlive = false;
    if (!this.request.adopted) this.request.reset();
    const exchange = this.createExchange(this.fallback);
    exchange.headMs = this.transport.context.nowMs;
    exchange.requestComplete = true;
    reply(exchange, failure);
  }

  /**
   * The peer closed its sending side while it waits for a response. It may be a half-close, and then the response is due; or the peer
   * is gone. An interim response tells: it draws a reset from a socket that was closed and is ignored by one that was not.
   */
  private probePeer(): void {
    const exchange = this.exchange as Exchange;
    if (this.request.minorVersion === 0 || exchange.state === STATE_RESPONDING) return;
    this.writer.writeProbe();
  }

  private hold(bytes: Buffer, start: number, end: number): void {
    const rest = Buffer.from(bytes.subarray(start, end));
    this.held = this.held === null ? rest : Buffer.concat([this.held, rest]);
    this.transport.pause();
  }

  private discard(count: number): void {
    this.discarded += count;
    if (this.discarded > LIMITS.discardBodyBytes) this.transport.destroy();
  }

  private linger(): void {
    this.state = LINGERING;
    this.held = null;
    this.awaitFor(LIMITS.lingerMs);
    this.transport.end();
    if (this.peerEnded) return;
    this.transport.resume();
  }

  private onGone(failure: FailureKind, detail: string): void {
    const { exchange } = this;
    this.exchange = null;
    if (exchange !== null) onDownstreamGone(exchange, failure, detail);
  }

  private awaitFor(timeoutMs: number): void {
    this.transport.deadlineMs = this.transport.context.nowMs + timeoutMs;
  }
}
