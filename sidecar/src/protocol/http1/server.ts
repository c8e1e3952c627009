/**
 * The server side of HTTP/1.1: one downstream connection, one exchange at a time, pipelined requests in order.
 *
 * Invariants
 * - Bytes behind the current request are held, and reading is paused, until its response is complete. At most one read is held.
 * - A request that is refused for its syntax closes the connection: what follows it can't be trusted to be a request.
 * - After the last response the connection lingers: it is half-closed and what still arrives is thrown away, so that a reset can't
 *   overtake the response (RFC 9112 section 9.6).
 */
import type net from 'node:net';
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
import { Transport, type TransportContext, type TransportHandler } from '../../transport/transport.ts';
import { fieldId } from '../field-names.ts';
import {
  BODY_CHUNKED,
  BODY_NONE,
  BODY_UNTIL_CLOSE,
  type BodyKind,
  type Head,
  RequestHead,
  type ResponseHead,
} from '../head.ts';
import { BODY_MALFORMED, BodyReader } from './body.ts';
import { CR, LF } from './bytes.ts';
import { scanRequestHead } from './request-head.ts';
import { INCOMPLETE } from './scan.ts';
import { writeBody, writeHead, writeLastChunk } from './write.ts';

const TRANSFER_ENCODING = fieldId('transfer-encoding');
const CLOSE_LINE = Buffer.from('connection: close\r\n');
const KEEP_ALIVE_LINE = Buffer.from('connection: keep-alive\r\n');
const CHUNKED_LINE = Buffer.from('transfer-encoding: chunked\r\n');
const CONTINUE = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n');
const NEVER = Number.POSITIVE_INFINITY;

const READING_HEAD = 0;
const READING_BODY = 1;
const WAITING = 2;
const TUNNEL = 3;
const LINGERING = 4;

const EMPTY_LINE_ALLOWED = 0;
const EMPTY_LINE_HALF = 1;
const EMPTY_LINE_OVER = 2;

/** What a listener tells its connections. */
export interface ServerContext {
  /** The route of a request whose head was read; for a request that could not be read, the listener's fallback. */
  routeFor(request: RequestHead): Route;
  /** No further request is taken on any connection. */
  readonly draining: boolean;
  onGone(connection: Http1Server): void;
}

export class Http1Server implements DownstreamStream, TransportHandler {
  private readonly transport: Transport;
  private readonly context: ServerContext;
  private readonly fallback: Route;
  private readonly peerIdentity: string;
  private readonly peerAddress: string;
  private readonly request = new RequestHead();
  private readonly reader = new BodyReader();
  private exchange: Exchange | null = null;
  private state = READING_HEAD;
  private startedMs = 0;
  private emptyLine = EMPTY_LINE_ALLOWED;
  private held: Buffer | null = null;
  private feeding = false;
  private requestPaused = false;
  private peerEnded = false;
  private closeAfter = false;
  private responseKind: BodyKind = BODY_NONE;
  private discarded = 0;
  /** The client was told to send its body. */
  private continued = false;

  constructor(
    transportContext: TransportContext,
    socket: net.Socket,
    secure: boolean,
    context: ServerContext,
    fallback: Route,
    peerIdentity: string,
  ) {
    this.transport = new Transport(transportContext, socket, this, secure);
    this.context = context;
    this.fallback = fallback;
    this.peerIdentity = peerIdentity;
    this.peerAddress = socket.remoteAddress ?? '';
  }

  /** The connection is set up; its first request is due. */
  start(): void {
    this.transport.deadlineMs = this.transport.context.clock.monotonicMs() + this.fallback.timeouts.headMs;
    this.transport.startReading();
  }

  /** Takes no further request; an exchange that is under way completes. */
  drain(): void {
    this.closeAfter = true;
    if (this.exchange === null && this.state === READING_HEAD && this.request.collected === 0) this.linger();
  }

  /** The drain deadline passed. */
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
    this.closeAfter = true;
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
    if (this.state === LINGERING || (this.exchange === null && this.request.collected === 0)) {
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
    this.context.onGone(this);
  }

  sendInterim(head: ResponseHead): void {
    if (this.request.minorVersion === 0) return;
    if (head.status === 100) this.continued = true;
    writeHead(this.transport.context.output, this.transport, head);
  }

  sendResponseHead(exchange: Exchange): void {
    const { request } = this;
    const head = exchange.response as ResponseHead;
    this.responseKind = head.bodyKind;
    if (request.wantsUpgrade && !head.switchesProtocol && !exchange.requestComplete) {
      onRequestEnd(exchange, null);
    }
    if (request.isHead) {
      this.responseKind = BODY_NONE;
    } else if (head.switchesProtocol) {
      this.state = TUNNEL;
    } else if (head.bodyKind === BODY_UNTIL_CLOSE || head.bodyKind === BODY_CHUNKED) {
      this.frameUnknownLength(head);
    }
    // A client that waits for 100 and gets a final response instead may send its body or not; only a new connection is unambiguous.
    const bodyInDoubt = exchange.replied || (request.expectsContinue && !this.continued);
    if (!exchange.requestComplete && bodyInDoubt) this.closeAfter = true;
    if (!request.keepAlive || this.context.draining) this.closeAfter = true;
    if (head.switchesProtocol) this.closeAfter = true;
    else if (this.closeAfter) head.addLine(CLOSE_LINE, 10);
    else if (request.minorVersion === 0) head.addLine(KEEP_ALIVE_LINE, 10);
    writeHead(this.transport.context.output, this.transport, head);
    // The first bytes of the new protocol may have come with the request.
    if (head.switchesProtocol) this.resumeRequest();
  }

  sendResponseBody(bytes: Uint8Array, start: number, end: number): void {
    writeBody(this.transport.context.output, this.transport, this.responseKind, bytes, start, end);
    if (this.transport.congested) this.awaitFor((this.exchange as Exchange).route.timeouts.bodyIdleMs);
  }

  endResponse(trailers: Head | null): void {
    if (this.responseKind === BODY_CHUNKED) {
      writeLastChunk(this.transport.context.output, this.transport, trailers);
    } else if (this.state === TUNNEL) {
      this.transport.end();
    }
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
    if (this.closeAfter || !requestComplete) {
      this.linger();
      return;
    }
    this.state = READING_HEAD;
    this.request.reset();
    this.emptyLine = EMPTY_LINE_ALLOWED;
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
    const { request } = this;
    let at = start;
    if (request.collected === 0) {
      at = this.skipEmptyLine(bytes, at, end);
      if (at === end) return at;
      this.startedMs = this.transport.context.nowMs;
    }
    const before = request.collected;
    let consumed: number;
    if (before === 0) {
      consumed = scanRequestHead(request, bytes, at, end);
    } else {
      request.collect(bytes, at, end);
      consumed = scanRequestHead(request, request.bytes, 0, request.collected);
    }
    if (consumed === INCOMPLETE) {
      if (before === 0) request.collect(bytes, at, end);
      this.transport.deadlineMs = this.startedMs + this.fallback.timeouts.headMs;
      return end;
    }
    if (consumed < 0) {
      this.refuse(FAILURES[-consumed] as FailureKind);
      return end;
    }
    at += consumed - before;
    this.beginExchange();
    return at;
  }

  /** One empty line before a request line is tolerated (RFC 9112 section 2.2); its bytes may come in two reads. */
  private skipEmptyLine(bytes: Buffer, start: number, end: number): number {
    let at = start;
    if (this.emptyLine === EMPTY_LINE_ALLOWED && bytes[at] === CR) {
      this.emptyLine = EMPTY_LINE_HALF;
      at++;
    }
    if (this.emptyLine === EMPTY_LINE_HALF && at < end) {
      this.emptyLine = EMPTY_LINE_OVER;
      if (bytes[at] === LF) at++;
      else this.refuse(Failure.malformedRequest);
    }
    return this.exchange === null && this.state === READING_HEAD ? at : end;
  }

  private beginExchange(): void {
    const { request } = this;
    const exchange = this.createExchange(this.context.routeFor(request));
    exchange.requestComplete = request.bodyKind === BODY_NONE && !request.wantsUpgrade;
    this.reader.begin(request);
    this.state = request.bodyKind === BODY_NONE ? WAITING : READING_BODY;
    this.transport.deadlineMs = NEVER;
    this.continued = false;
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
      this.startedMs,
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
    this.closeAfter = true;
    reply(exchange, Failure.invalidBody);
    return end;
  }

  /** Answers a request whose head could not be read. The exchange is observed like any other. */
  private refuse(failure: FailureKind): void {
    this.closeAfter = true;
    this.request.keepAlive = false;
    if (!this.request.adopted) this.request.reset();
    const exchange = this.createExchange(this.fallback);
    exchange.headMs = this.transport.context.nowMs;
    exchange.requestComplete = true;
    reply(exchange, failure);
  }

  /** A body without a length of its own is chunked for 1.1 and ends with the connection for 1.0. */
  private frameUnknownLength(head: ResponseHead): void {
    if (this.request.minorVersion === 0) {
      head.drop(TRANSFER_ENCODING);
      this.responseKind = BODY_UNTIL_CLOSE;
      this.closeAfter = true;
    } else if (head.bodyKind === BODY_UNTIL_CLOSE) {
      head.addLine(CHUNKED_LINE, 17);
      this.responseKind = BODY_CHUNKED;
    }
  }

  /**
   * The peer closed its sending side while it waits for a response. It may be a half-close, and then the response is due; or the peer
   * is gone. An interim response tells: it draws a reset from a socket that was closed and is ignored by one that was not.
   */
  private probePeer(): void {
    const exchange = this.exchange as Exchange;
    if (this.request.minorVersion === 0 || exchange.state === STATE_RESPONDING) return;
    this.transport.context.output.append(this.transport, CONTINUE, 0, CONTINUE.length);
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
