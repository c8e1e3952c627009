/**
 * Pooled HTTP/1.1 connections to one endpoint: the one upstream transport so far.
 *
 * Invariants
 * - The connection used last is used first, so that the pool shrinks to what the load needs.
 * - Open connections, idle connections and waiting exchanges are bounded; an exchange waits no longer than `connectMs`.
 * - There is a connection attempt for every waiting exchange, up to the bound, and a failed attempt fails one that waits: the oldest.
 */
import { onUpstreamReady, onUpstreamUnavailable } from '../core/course.ts';
import type { Exchange } from '../core/exchange.ts';
import { Failure, type FailureKind } from '../core/failure.ts';
import { LIMITS } from '../core/limits.ts';
import type { Timeouts } from '../core/route.ts';
import { type ConnectionOwner, Http1Client } from '../protocol/http1/client.ts';
import type { TransportContext } from '../transport/transport.ts';
import { ConnectAttempt, type ConnectListener, type ConnectTarget } from './connect.ts';
import type { UpstreamCounts, UpstreamTransport } from './endpoint.ts';

/** What the pool tells about connections, for metrics. */
export interface PoolObserver {
  onConnected(setupMs: number, secure: boolean): void;
  onConnectFailed(failure: FailureKind): void;
}

export class ConnectionPool implements UpstreamTransport, ConnectionOwner, ConnectListener {
  /** As a watched item: when the oldest waiting exchange has waited long enough. */
  deadlineMs = Number.POSITIVE_INFINITY;
  private readonly context: TransportContext;
  private readonly target: ConnectTarget;
  private readonly timeouts: Timeouts;
  private readonly observer: PoolObserver;
  private readonly authority: string;
  private readonly connections = new Set<Http1Client>();
  private readonly idle: Http1Client[] = [];
  private readonly waiting = new Set<Exchange>();
  private readonly attempts = new Set<ConnectAttempt>();

  constructor(context: TransportContext, target: ConnectTarget, timeouts: Timeouts, observer: PoolObserver) {
    this.context = context;
    this.target = target;
    this.timeouts = timeouts;
    this.observer = observer;
    this.authority = `${target.host}:${target.port}`;
    context.deadlines.watch(this);
  }

  get counts(): UpstreamCounts {
    return { open: this.connections.size, idle: this.idle.length, waiting: this.waiting.size };
  }

  open(exchange: Exchange): void {
    // Exchanges that wait already come first.
    if (this.waiting.size === 0) {
      const connection = this.takeIdle();
      if (connection !== null) {
        connection.attach(exchange);
        onUpstreamReady(exchange, connection);
        return;
      }
    }
    if (this.waiting.size >= LIMITS.pendingPerEndpoint) {
      onUpstreamUnavailable(exchange, Failure.poolOverflow, `${this.waiting.size} requests wait already`);
      return;
    }
    this.waiting.add(exchange);
    if (this.waiting.size === 1) this.deadlineMs = exchange.filteredMs + this.timeouts.connectMs;
    this.connectForWaiting();
  }

  cancel(exchange: Exchange): void {
    this.waiting.delete(exchange);
  }

  retireConnections(): void {
    for (const connection of this.connections) connection.retired = true;
    for (const connection of this.idle.splice(0)) connection.close();
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
    const connection = new Http1Client(
      attempt.transport,
      this,
      this.timeouts,
      this.authority,
      identity,
      setupMs,
    );
    attempt.transport.handler = connection;
    this.connections.add(connection);
    this.onIdle(connection);
  }

  onConnectFailed(attempt: ConnectAttempt, failure: FailureKind, detail: string): void {
    this.attempts.delete(attempt);
    this.observer.onConnectFailed(failure);
    const oldest = this.takeWaiting();
    if (oldest !== null) onUpstreamUnavailable(oldest, failure, detail);
    this.connectForWaiting();
  }

  onIdle(connection: Http1Client): void {
    const next = this.takeWaiting();
    if (next !== null) {
      connection.attach(next);
      onUpstreamReady(next, connection);
    } else if (this.idle.length < LIMITS.idleConnectionsPerEndpoint) {
      connection.awaitExchange();
      this.idle.push(connection);
    } else {
      connection.close();
    }
  }

  onGone(connection: Http1Client): void {
    this.connections.delete(connection);
    const index = this.idle.indexOf(connection);
    if (index !== -1) this.idle.splice(index, 1);
    this.connectForWaiting();
  }

  onDeadline(): void {
    this.context.nowMs = this.context.clock.monotonicMs();
    for (const exchange of this.waiting) {
      const deadlineMs = exchange.filteredMs + this.timeouts.connectMs;
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
    this.context.output.flush();
  }

  private takeIdle(): Http1Client | null {
    for (;;) {
      const connection = this.idle.pop();
      if (connection === undefined) return null;
      if (connection.usable) return connection;
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
      this.attempts.size < this.waiting.size &&
      this.attempts.size + this.connections.size < LIMITS.connectionsPerEndpoint
    ) {
      this.attempts.add(new ConnectAttempt(this.context, this.target, this.timeouts.connectMs, this));
    }
  }
}
