/**
 * Passes the bytes of one downstream connection on to an endpoint and back, unchanged.
 *
 * Invariants
 * - An end of one side (FIN) is an end for the other, and a reset a reset, so that what was cut off never looks complete.
 * - Who sends more than the other side takes is paused. Before the endpoint is connected one read is kept, at most.
 * - A connection is observed once, by `onOpened` and `onClosed` of its route's observer; the owner hears that it is gone when both
 *   sides are closed.
 */
import { formatAddress } from '../../config/address.ts';
import { Failure, type FailureKind } from '../../core/failure.ts';
import type { DownstreamConnection } from '../../downstream/connection.ts';
import type { AccessOutcome } from '../../filters/access/outcome.ts';
import type { Transport, TransportHandler } from '../../transport/transport.ts';
import { ConnectAttempt, type ConnectListener } from '../../upstream/connect.ts';
import { type StreamTap, tapFor } from './stream-tap.ts';
import type { RelayedConnection, TcpRoute } from './tcp-route.ts';

export interface RelayOwner {
  onGone(relay: TcpRelay): void;
}

export class TcpRelay implements DownstreamConnection, TransportHandler, ConnectListener, RelayedConnection {
  readonly route: TcpRoute;
  readonly peerAddress: string;
  readonly peerIdentity: string;
  readonly startedMs: number;
  serverName = '';
  endpoint = '';
  upstreamIdentity = '';
  clientBytes = 0;
  serverBytes = 0;
  connectedMs = 0;
  endedMs = 0;
  access: AccessOutcome | null = null;
  failure: FailureKind = Failure.none;
  failureDetail = '';
  private readonly transport: Transport;
  private readonly owner: RelayOwner;
  private readonly serverSide: ServerSide;
  private attempt: ConnectAttempt | null = null;
  private upstream: Transport | null = null;
  private tap: StreamTap | null = null;
  /** What the client sent before there was an endpoint. */
  private held: Buffer | null = null;
  private clientEnded = false;
  private serverEnded = false;
  /** Called when the endpoint says or does something while the connection is not ours yet. */
  private onServerFirst: (() => void) | null = null;
  private started = false;
  private over = false;

  constructor(transport: Transport, owner: RelayOwner, route: TcpRoute, peerIdentity: string) {
    this.transport = transport;
    this.owner = owner;
    this.route = route;
    this.peerIdentity = peerIdentity;
    this.peerAddress = transport.socket.remoteAddress ?? '';
    this.startedMs = transport.context.clock.monotonicMs();
    this.serverSide = new ServerSide(this);
  }

  /** Takes the connection over and connects, unless it did so ahead. */
  start(): void {
    this.take();
    if (this.attempt === null && this.upstream === null) this.connect();
  }

  /** Takes the connection over and closes it for a reason. */
  refuse(failure: FailureKind, detail: string): void {
    this.take();
    this.abort(failure, detail);
  }

  /**
   * Connects while it is still open who speaks first. When the endpoint is the first to say or do something, `onServerFirst` has to
   * call `start`; until then the connection stays with its handler.
   */
  connectAhead(onServerFirst: () => void): void {
    this.onServerFirst = onServerFirst;
    this.connect();
  }

  /** The connection ahead turned out to be needless: it was never there. */
  withdraw(): void {
    this.over = true;
    this.attempt?.transport.destroy();
    this.upstream?.destroy();
  }

  /** A byte stream has no point between two requests at which it could end: it has until the deadline. */
  drain(): void {}

  cutOff(): void {
    this.abort(Failure.drainDeadline, '');
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    this.touch();
    if (this.upstream === null) this.hold(bytes, start, end);
    else this.forward(this.upstream, bytes, start, end);
  }

  onPeerEnd(): void {
    this.clientEnded = true;
    if (this.upstream !== null) this.upstream.end();
  }

  /** The client takes bytes again. */
  onDrained(): void {
    this.touch();
    this.upstream?.resume();
  }

  onDeadline(): void {
    this.abort(Failure.connectionIdle, `nothing moved for ${this.route.timeouts.tcpIdleMs} ms`);
  }

  onClosed(error: Error | null): void {
    if (error !== null || !this.clientEnded || !this.serverEnded) {
      this.abort(Failure.downstreamAborted, error?.message ?? '');
    }
    this.settle();
  }

  onConnected(attempt: ConnectAttempt): void {
    const { transport } = attempt;
    const { context } = transport;
    this.attempt = null;
    this.upstream = transport;
    transport.handler = this.serverSide;
    transport.deadlineMs = Number.POSITIVE_INFINITY;
    this.connectedMs = context.nowMs;
    this.route.upstreamObserver.onConnected(context.nowMs - attempt.startedMs, this.upstreamIdentity !== '');
    this.tap = tapFor(this.route, this.endpoint);
    if (this.started) this.join(transport);
  }

  onConnectFailed(_attempt: ConnectAttempt, failure: FailureKind, detail: string): void {
    this.attempt = null;
    if (!this.over) {
      this.route.upstreamObserver.onConnectFailed(failure);
      // The client has to hear of it, and does so as soon as the connection is ours.
      this.claim();
      this.abort(failure, detail);
    }
    this.settle();
  }

  onServerBytes(bytes: Buffer, start: number, end: number): void {
    this.claim();
    this.touch();
    const { transport } = this;
    this.serverBytes += end - start;
    this.route.observer.onServerBytes(end - start);
    if (this.tap !== null && !this.tap.onServerBytes(bytes, start, end, transport.context.nowMs)) {
      this.tap = null;
    }
    transport.context.output.append(transport, bytes, start, end);
    if (transport.congested) this.upstream?.pause();
  }

  onServerEnd(): void {
    this.claim();
    this.serverEnded = true;
    this.transport.end();
  }

  onServerDrained(): void {
    this.touch();
    this.transport.resume();
  }

  onServerClosed(error: Error | null): void {
    this.claim();
    if (error !== null || !this.clientEnded || !this.serverEnded) {
      this.abort(Failure.upstreamReset, error?.message ?? '');
    }
    this.settle();
  }

  private take(): void {
    if (this.started) return;
    this.started = true;
    this.onServerFirst = null;
    this.transport.handler = this;
    this.route.observer.onOpened();
    this.touch();
    if (this.upstream !== null) this.join(this.upstream);
  }

  private claim(): void {
    if (!this.started && !this.over) this.onServerFirst?.();
  }

  private connect(): void {
    const target = this.route.targets.next();
    if (target === null) throw new Error(`route ${this.route.name} has no endpoint to connect to`);
    this.endpoint = formatAddress(target);
    this.upstreamIdentity = target.identity;
    this.attempt = new ConnectAttempt(this.transport.context, target, this.route.timeouts.connectMs, this);
  }

  /** Both sides are there: what waited goes on. */
  private join(upstream: Transport): void {
    const { held } = this;
    if (held !== null) {
      this.held = null;
      this.forward(upstream, held, 0, held.length);
    }
    if (this.clientEnded) upstream.end();
    else if (!upstream.congested) this.transport.resume();
  }

  private forward(upstream: Transport, bytes: Buffer, start: number, end: number): void {
    const { context } = this.transport;
    this.clientBytes += end - start;
    this.route.observer.onClientBytes(end - start);
    if (this.tap !== null && !this.tap.onClientBytes(bytes, start, end, context.nowMs)) this.tap = null;
    context.output.append(upstream, bytes, start, end);
    if (upstream.congested) this.transport.pause();
  }

  private hold(bytes: Buffer, start: number, end: number): void {
    const rest = bytes.subarray(start, end);
    this.held = this.held === null ? Buffer.from(rest) : Buffer.concat([this.held, rest]);
    this.transport.pause();
  }

  private touch(): void {
    this.transport.deadlineMs = this.transport.context.nowMs + this.route.timeouts.tcpIdleMs;
  }

  private abort(failure: FailureKind, detail: string): void {
    if (this.over) return;
    this.finish(failure, detail);
    this.held = null;
    this.transport.reset();
    this.upstream?.reset();
    this.attempt?.transport.destroy();
  }

  private finish(failure: FailureKind, detail: string): void {
    const { nowMs } = this.transport.context;
    this.over = true;
    this.failure = failure;
    this.failureDetail = detail;
    this.endedMs = nowMs;
    this.tap?.onClosed(nowMs);
    this.route.observer.onClosed(this);
  }

  private settle(): void {
    const upstreamGone = this.attempt === null && (this.upstream === null || this.upstream.closed);
    if (!this.started || !this.transport.closed || !upstreamGone) return;
    if (!this.over) this.finish(Failure.none, '');
    this.owner.onGone(this);
  }
}

/** The endpoint's side. It has no deadline of its own: that of the client's side is moved by both. */
class ServerSide implements TransportHandler {
  private readonly relay: TcpRelay;

  constructor(relay: TcpRelay) {
    this.relay = relay;
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    this.relay.onServerBytes(bytes, start, end);
  }

  onPeerEnd(): void {
    this.relay.onServerEnd();
  }

  onDrained(): void {
    this.relay.onServerDrained();
  }

  onDeadline(): void {}

  onClosed(error: Error | null): void {
    this.relay.onServerClosed(error);
  }
}
