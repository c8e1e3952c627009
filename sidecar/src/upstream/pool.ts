/**
 * Connections to one endpoint that are set up alike: HTTP/1.1 with one exchange each, HTTP/2 with many, or whichever the TLS handshake
 * agrees on.
 *
 * Invariants
 * - The connection used last is used first, so that the pool shrinks to what the load needs.
 * - Open connections, idle connections and waiting exchanges are bounded; an exchange waits no longer than `connectMs`.
 * - There are connection attempts for all waiting exchanges, up to the bound. An attempt that fails, fails those that it was made for: the
 *   oldest.
 */
import type { TLSSocket } from 'node:tls';
import { onUpstreamReady, onUpstreamUnavailable } from '../core/course.ts';
import type { Exchange } from '../core/exchange.ts';
import { Failure, type FailureKind } from '../core/failure.ts';
import { LIMITS } from '../core/limits.ts';
import type { Timeouts } from '../core/route.ts';
import { Http1Client } from '../protocol/http1/client.ts';
import { Http2Client } from '../protocol/http2/client.ts';
import type { Transport, TransportContext } from '../transport/transport.ts';
import { ConnectAttempt, type ConnectListener, type ConnectTarget } from './connect.ts';
import type { ClientCodec, ConnectionOwner, UpstreamConnection } from './connection.ts';
import type { UpstreamCounts } from './endpoint.ts';

/** What the pool tells about connections, for metrics. */
export interface PoolObserver {
  onConnected(setupMs: number, secure: boolean): void;
  onConnectFailed(failure: FailureKind): void;
}

/** `negotiated` is for TLS: the peer chooses by ALPN (RFC 7301). */
export type PoolProtocol = 'http1' | 'http2' | 'negotiated';

const ALPN: Record<PoolProtocol, readonly string[]> = {
  http1: ['http/1.1'],
  http2: ['h2'],
  negotiated: ['h2', 'http/1.1'],
};

export class ConnectionPool implements ConnectionOwner, ConnectListener {
  /** As a watched item: when the oldest waiting exchange has waited long enough. */
  deadlineMs = Number.POSITIVE_INFINITY;
  /** The last connection said that it takes extended CONNECT (RFC 8441). */
  takesTunnels = false;
  private readonly context: TransportContext;
  private readonly target: ConnectTarget;
  private readonly protocol: PoolProtocol;
  private readonly timeouts: Timeouts;
  private readonly observer: PoolObserver;
  private readonly authority: string;
  private readonly connections = new Set<UpstreamConnection>();
  /** Those with room, the last used at the end. */
  private available: UpstreamConnection[] = [];
  private readonly waiting = new Set<Exchange>();
  private readonly attempts = new Set<ConnectAttempt>();
  /** Connections whose peer has not yet said what it allows. */
  private readonly unsettled = new Set<UpstreamConnection>();
  /** Exchanges that the next connection is expected to carry. */
  private capacity: number;

  constructor(
    context: TransportContext,
    target: ConnectTarget,
    protocol: PoolProtocol,
    timeouts: Timeouts,
    observer: PoolObserver,
  ) {
    this.context = context;
    this.target = { ...target, alpnProtocols: ALPN[protocol] };
    this.protocol = protocol;
    this.timeouts = timeouts;
    this.observer = observer;
    this.authority = `${target.host}:${target.port}`;
    this.capacity = protocol === 'http1' ? 1 : LIMITS.http2StreamsPerConnection;
    context.deadlines.watch(this);
  }

  get counts(): UpstreamCounts {
    let idle = 0;
    for (const connection of this.connections) if (connection.idle) idle++;
    return { open: this.connections.size, idle, waiting: this.waiting.size };
  }

  /** Leads to exactly one `onUpstreamReady` or `onUpstreamUnavailable`, now or later, unless it is cancelled. */
  open(exchange: Exchange): void {
    // Exchanges that wait already come first.
    if (this.waiting.size === 0) {
      const connection = this.findRoom();
      if (connection !== null) {
        onUpstreamReady(exchange, connection.attach(exchange));
        return;
      }
    }
    if (this.waiting.size >= LIMITS.pendingPerEndpoint) {
      onUpstreamUnavailable(exchange, Failure.poolOverflow, `${this.waiting.size} requests wait already`);
      return;
    }
    this.waiting.add(exchange);
    if (this.waiting.size === 1) this.deadlineMs = exchange.attemptMs + this.timeouts.connectMs;
    this.connectForWaiting();
  }

  /** The exchange no longer waits. */
  cancel(exchange: Exchange): void {
    this.waiting.delete(exchange);
  }

  /** New exchanges get new connections. */
  retireConnections(): void {
    this.available = [];
    // Those that are not set up yet are made anew for the exchanges that wait for them.
    this.unsettled.clear();
    for (const connection of [...this.connections]) connection.retire();
  }

  /** Nothing more is opened through this pool. */
  close(): void {
    this.retireConnections();
    this.context.deadlines.unwatch(this);
  }

  onConnected(attempt: ConnectAttempt): void {
    this.attempts.delete(attempt);
    const setupMs = this.context.nowMs - attempt.startedMs;
    const { identity, tlsOptions } = this.target;
    this.observer.onConnected(setupMs, tlsOptions !== null);
    const Codec = this.codecOf(attempt.transport);
    const setup = { setupMs, tlsMs: attempt.tlsMs };
    const connection = new Codec(attempt.transport, this, this.timeouts, this.authority, identity, setup);
    this.connections.add(connection);
    if (Codec === Http1Client) {
      this.capacity = 1;
      this.onRoom(connection);
    } else {
      this.unsettled.add(connection);
    }
    this.connectForWaiting();
  }

  onConnectFailed(attempt: ConnectAttempt, failure: FailureKind, detail: string): void {
    this.attempts.delete(attempt);
    this.observer.onConnectFailed(failure);
    this.failWaiting(failure, detail);
    this.connectForWaiting();
  }

  onRoom(connection: UpstreamConnection): void {
    if (connection instanceof Http2Client) {
      this.takesTunnels = connection.peer.takesTunnels;
      this.capacity = Math.max(1, connection.streamLimit);
      const isNew = this.unsettled.delete(connection);
      if (isNew && connection.room === 0) this.failWaiting(Failure.poolOverflow, 'the endpoint allows none');
    }
    while (this.waiting.size > 0 && connection.room > 0) {
      const next = this.takeWaiting() as Exchange;
      onUpstreamReady(next, connection.attach(next));
    }
    if (connection.idle) {
      if (this.available.length >= LIMITS.idleConnectionsPerEndpoint && !connection.listed) {
        connection.retire();
        return;
      }
      connection.awaitExchange();
    }
    if (connection.room === 0 || connection.listed) return;
    connection.listed = true;
    this.available.push(connection);
  }

  onGone(connection: UpstreamConnection, detail = '', failure: FailureKind = Failure.connectRefused): void {
    this.connections.delete(connection);
    if (this.unsettled.delete(connection)) {
      this.observer.onConnectFailed(failure);
      this.failWaiting(failure, `${this.authority}: ${detail}`);
    }
    if (connection.listed) this.available = this.available.filter((other) => other !== connection);
    this.connectForWaiting();
  }

  onDeadline(): void {
    for (const exchange of this.waiting) {
      const deadlineMs = exchange.attemptMs + this.timeouts.connectMs;
      if (deadlineMs > this.context.nowMs) {
        this.deadlineMs = deadlineMs;
        break;
      }
      this.waiting.delete(exchange);
      onUpstreamUnavailable(
        exchange,
        Failure.connectTimeout,
        `no connection within ${this.timeouts.connectMs} ms`,
      );
    }
  }

  private codecOf({ socket }: Transport): ClientCodec {
    if (this.target.tlsOptions === null) return this.protocol === 'http2' ? Http2Client : Http1Client;
    return (socket as TLSSocket).alpnProtocol === 'h2' ? Http2Client : Http1Client;
  }

  /** The connection used last of those with room; it stays in the list while it has more. */
  private findRoom(): UpstreamConnection | null {
    const { available } = this;
    for (;;) {
      const connection = available[available.length - 1];
      if (connection === undefined) return null;
      const { room } = connection;
      if (room <= 1) {
        connection.listed = false;
        available.pop();
      }
      if (room > 0) return connection;
    }
  }

  /** Those that one connection would have carried. */
  private failWaiting(failure: FailureKind, detail: string): void {
    for (let count = 0; count < this.capacity; count++) {
      const oldest = this.takeWaiting();
      if (oldest === null) return;
      onUpstreamUnavailable(oldest, failure, detail);
    }
  }

  private takeWaiting(): Exchange | null {
    for (const exchange of this.waiting) {
      this.waiting.delete(exchange);
      return exchange;
    }
    return null;
  }

  private connectForWaiting(): void {
    while (
      (this.attempts.size + this.unsettled.size) * this.capacity < this.waiting.size &&
      this.attempts.size + this.connections.size < LIMITS.connectionsPerEndpoint
    ) {
      this.attempts.add(new ConnectAttempt(this.context, this.target, this.timeouts.connectMs, this));
    }
  }
}
