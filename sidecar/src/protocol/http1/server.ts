/**
 * The server side of HTTP/1.1: one downstream connection, one exchange at a time, pipelined requests in order.
 *
 * Invariants
 * - The rest of a body whose response is complete is read and thrown away, within a bound, before the next request begins.
 * - A request that is refused for its syntax closes the connection: what follows it can't be trusted to be a request.
 * - The connection lingers behind its last response, so that a reset can't overtake it (RFC 9112 section 9.6).
 * - A peer that has closed its side while a response is due is probed, then watched: docs/decisions/0003.
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
import {
  acceptsRequestBody,
  type DownstreamStream,
  Exchange,
  STATE_RESPONDING,
} from '../../core/exchange.ts';
import { Failure, type FailureKind } from '../../core/failure.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Route } from '../../core/route.ts';
import { takeAccept } from '../../core/waits.ts';
import type { ConnectionOwner, DownstreamConnection } from '../../downstream/connection.ts';
import type { Transport, TransportHandler } from '../../transport/transport.ts';
import { BODY_NONE, type Head, type ResponseHead } from '../head.ts';
import { EXPECT_BODY, EXPECT_REST, EXPECT_TUNNEL, type IntakeSink, RequestIntake } from './request-intake.ts';
import { ResponseWriter } from './response-writer.ts';

const NEVER = Number.POSITIVE_INFINITY;

export class Http1Server implements DownstreamConnection, DownstreamStream, TransportHandler, IntakeSink {
  private readonly transport: Transport;
  private readonly owner: ConnectionOwner;
  private readonly fallback: Route;
  private readonly peerIdentity: string;
  private readonly peerAddress: string;
  private readonly intake: RequestIntake;
  private readonly writer: ResponseWriter;
  private exchange: Exchange | null = null;
  private peerEnded = false;
  /** The peer has been probed once. */
  private probing = false;
  /** Of a body whose response is sent. */
  private discardedBytes = 0;

  constructor(transport: Transport, owner: ConnectionOwner, fallback: Route, peerIdentity: string) {
    this.transport = transport;
    this.intake = new RequestIntake(transport, this, peerIdentity !== '');
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
    if (this.exchange === null && !this.intake.headBegun) this.linger();
  }

  cutOff(): void {
    this.transport.reset();
    this.onGone(Failure.drainDeadline, '');
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    this.intake.take(bytes, start, end);
  }

  onPeerEnd(): void {
    this.peerEnded = true;
    this.writer.last = true;
    if (this.exchange === null) this.linger();
    else if (this.intake.expected === EXPECT_TUNNEL) onRequestEnd(this.exchange, null);
    else if (this.intake.lacksBody) this.abandonCutOffRequest();
    else if (this.watchesPeer) this.setDeadline();
    else if (this.exchange.request.minorVersion > 0) {
      // Draws a reset from a socket that was closed, and is skipped by a client that only sends nothing more.
      this.writer.writeProbe();
      this.probing = true;
      this.setDeadline();
    }
  }

  onDrained(): void {
    if (this.exchange === null) return;
    this.setDeadline();
    onDownstreamDrained(this.exchange);
  }

  onDeadline(): void {
    const { exchange, intake } = this;
    if (exchange === null) {
      if (intake.headBegun) this.onUnreadableHead(Failure.requestHeadTimeout);
      else if (intake.expected === EXPECT_BODY) this.linger();
      else this.transport.destroy();
    } else if (this.congested) {
      this.transport.reset();
      this.onGone(Failure.downstreamStalled, `nothing was read for ${exchange.route.timeouts.bodyIdleMs} ms`);
    } else if (this.watchesPeer) {
      this.transport.reset();
      this.onGone(
        Failure.downstreamAborted,
        'it closed its side, and nothing was sent that could tell if it reads',
      );
    } else if (this.probing) {
      // Of a reset behind its end nothing is heard but by writing again.
      this.probing = false;
      this.writer.writeProbe();
      this.setDeadline();
    } else {
      this.writer.last = true;
      reply(exchange, Failure.requestBodyTimeout);
    }
  }

  onClosed(error: Error | null): void {
    this.onGone(Failure.downstreamAborted, error === null ? '' : error.message);
    this.owner.onGone(this);
  }

  onHeadBegun(): void {
    this.transport.deadlineMs = this.intake.startedMs + this.fallback.timeouts.headMs;
  }

  onHead(): void {
    const { request } = this.intake;
    const exchange = this.createExchange(this.owner.routeFor(request));
    exchange.requestComplete = request.bodyKind === BODY_NONE && !request.wantsUpgrade;
    this.writer.begin();
    this.setDeadline();
    begin(exchange);
  }

  /** Answers a request whose head can't be read. The exchange is observed like any other. */
  onUnreadableHead(failure: FailureKind): void {
    const { request } = this.intake;
    this.writer.last = true;
    request.keepAlive = false;
    if (!request.adopted) request.reset();
    const exchange = this.createExchange(this.fallback);
    exchange.requestComplete = true;
    beginUnreadable(exchange);
    reply(exchange, failure);
  }

  takesBody(): boolean {
    return this.exchange === null || acceptsRequestBody(this.exchange);
  }

  onBodyMoves(): void {
    this.writer.bodyBegun = true;
    this.setDeadline();
  }

  onBodyData(bytes: Buffer, start: number, end: number): void {
    if (this.exchange !== null) {
      onRequestBody(this.exchange, bytes, start, end);
    } else {
      this.discardedBytes += end - start;
      if (this.discardedBytes > LIMITS.discardBodyBytes) this.linger();
    }
  }

  onBodyEnd(trailers: Head | null): void {
    this.setDeadline();
    if (this.exchange !== null) onRequestEnd(this.exchange, trailers);
    else this.release();
  }

  onMalformedBody(): void {
    this.writer.last = true;
    if (this.exchange !== null) reply(this.exchange, Failure.invalidBody);
    else this.linger();
  }

  // What the exchange sends.

  /** Only behind a chunked body, and many clients drop them even there. */
  readonly takesTrailers = false;

  get congested(): boolean {
    return this.transport.congested;
  }

  sendInterim(head: ResponseHead): void {
    this.writer.writeInterim(head, this.intake.request);
    this.setDeadline();
  }

  sendResponseHead(exchange: Exchange): void {
    const head = exchange.response as ResponseHead;
    if (this.owner.draining) this.writer.last = true;
    if (head.switchesProtocol) this.intake.expectTunnel();
    else if (exchange.request.wantsUpgrade && !exchange.requestComplete) onRequestEnd(exchange, null);
    this.writer.writeHead(exchange, head);
    this.setDeadline();
    // The first bytes of the new protocol may have come with the request.
    if (head.switchesProtocol) this.intake.resume();
  }

  sendResponseBody(bytes: Uint8Array, start: number, end: number): void {
    this.writer.writeBody(bytes, start, end);
    this.setDeadline();
  }

  endResponse(trailers: Head | null): void {
    if (this.intake.expected === EXPECT_TUNNEL) this.transport.end();
    else this.writer.writeEnd(trailers);
  }

  abortResponse(): void {
    this.exchange = null;
    this.transport.reset();
  }

  pauseRequest(): void {
    if (this.intake.paused) return;
    this.intake.pause();
    this.setDeadline();
  }

  resumeRequest(): void {
    this.intake.paused = false;
    this.setDeadline();
    this.intake.resume();
    if (this.peerEnded && this.exchange !== null && this.intake.lacksBody) this.abandonCutOffRequest();
  }

  release(): void {
    const requestComplete = this.exchange?.requestComplete ?? true;
    this.exchange = null;
    if (this.transport.gone) return;
    if (this.writer.last) {
      this.linger();
    } else if (requestComplete) {
      this.awaitFor(this.fallback.timeouts.idleMs);
      this.intake.expectHead();
    } else {
      this.discardedBytes = 0;
      this.resumeRequest();
    }
  }

  /** It is the peer's turn to send a body. One that waits for `100 Continue` waits for the upstream. */
  private get awaitsBody(): boolean {
    const { intake, writer } = this;
    if (intake.expected !== EXPECT_BODY || intake.paused || !this.takesBody()) return false;
    return writer.bodyBegun || !intake.request.expectsContinue;
  }

  /** A response is on its way to a peer that has closed its side. Tunnels may be silent for as long as they like. */
  private get watchesPeer(): boolean {
    return (
      this.peerEnded && this.exchange?.state === STATE_RESPONDING && this.intake.expected !== EXPECT_TUNNEL
    );
  }

  private createExchange(route: Route): Exchange {
    const exchange = new Exchange(
      route,
      this,
      this.intake.request,
      this.transport.context,
      this.peerIdentity,
      this.peerAddress,
      this.intake.startedMs,
    );
    this.exchange = exchange;
    takeAccept(exchange, this.transport);
    return exchange;
  }

  private abandonCutOffRequest(): void {
    this.onGone(Failure.downstreamAborted, 'the request body was cut off');
    this.transport.destroy();
  }

  private linger(): void {
    if (this.intake.expected === EXPECT_REST) return;
    this.transport.end();
    this.intake.ignoreRest();
  }

  private onGone(failure: FailureKind, detail: string): void {
    const { exchange } = this;
    this.exchange = null;
    if (exchange !== null) onDownstreamGone(exchange, failure, detail);
  }

  /** How long to wait for what the peer has to do now. */
  private setDeadline(): void {
    if (this.transport.congested || this.awaitsBody) {
      this.awaitFor((this.exchange?.route ?? this.fallback).timeouts.bodyIdleMs);
    } else if (this.watchesPeer) {
      this.awaitFor(LIMITS.halfClosedQuietMs);
    } else if (this.probing) {
      this.awaitFor(LIMITS.secondProbeMs);
    } else {
      this.transport.deadlineMs = NEVER;
    }
  }

  private awaitFor(timeoutMs: number): void {
    this.transport.deadlineMs = this.transport.context.nowMs + timeoutMs;
  }
}
