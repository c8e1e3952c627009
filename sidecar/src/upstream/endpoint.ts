/**
 * One address that a service answers at, and how exchanges reach it.
 *
 * An endpoint behind mTLS is another sidecar: the handshake tells whether it speaks HTTP/2. The local service and plain endpoints are
 * spoken to in HTTP/1.1, unless it is configured otherwise or the exchange is gRPC, which knows nothing but HTTP/2.
 */
import type { Exchange } from '../core/exchange.ts';
import type { Timeouts } from '../core/route.ts';
import { asksForWebSocket } from '../protocol/websocket.ts';
import type { TransportContext } from '../transport/transport.ts';
import type { ConnectTarget } from './connect.ts';
import type { EndpointRecord } from './endpoint-record.ts';
import { ConnectionPool, type PoolObserver, type PoolProtocol } from './pool.ts';

/** What an endpoint is known to speak. */
export type EndpointProtocol = 'auto' | 'http1' | 'http2';

/** How exchanges reach an endpoint. */
export interface UpstreamTransport {
  /** Leads to exactly one `onUpstreamReady` or `onUpstreamUnavailable`, now or later, unless it is cancelled. */
  open(exchange: Exchange): void;
  /** The exchange no longer waits. */
  cancel(exchange: Exchange): void;
  /** Closes idle connections and lets busy ones complete; new exchanges get new connections. */
  retireConnections(): void;
  /** As `retireConnections`, for good. */
  close(): void;
  /** Open, idle and waited-for connections, for gauges. */
  readonly counts: UpstreamCounts;
}

export interface UpstreamCounts {
  readonly open: number;
  readonly idle: number;
  readonly waiting: number;
}

export interface Endpoint {
  /** `host:port`, as configured. */
  readonly address: string;
  /** Its part of the load, compared with others. */
  readonly weight: number;
  /** Where it runs; empty when that is not known. */
  readonly zone: string;
  readonly transport: UpstreamTransport;
  readonly record: EndpointRecord;
}

export class EndpointTransport implements UpstreamTransport {
  private readonly context: TransportContext;
  private readonly target: ConnectTarget;
  private readonly protocol: EndpointProtocol;
  private readonly timeouts: Timeouts;
  private readonly observer: PoolObserver;
  private readonly pools: Record<PoolProtocol, ConnectionPool | null> = {
    http1: null,
    http2: null,
    negotiated: null,
  };

  constructor(
    context: TransportContext,
    target: ConnectTarget,
    protocol: EndpointProtocol,
    timeouts: Timeouts,
    observer: PoolObserver,
  ) {
    this.context = context;
    this.target = target;
    this.protocol = protocol;
    this.timeouts = timeouts;
    this.observer = observer;
  }

  get counts(): UpstreamCounts {
    let open = 0;
    let idle = 0;
    let waiting = 0;
    for (const { counts } of this.opened()) {
      open += counts.open;
      idle += counts.idle;
      waiting += counts.waiting;
    }
    return { open, idle, waiting };
  }

  open(exchange: Exchange): void {
    this.pool(this.protocolFor(exchange)).open(exchange);
  }

  cancel(exchange: Exchange): void {
    for (const pool of this.opened()) pool.cancel(exchange);
  }

  retireConnections(): void {
    for (const pool of this.opened()) pool.retireConnections();
  }

  close(): void {
    for (const pool of this.opened()) pool.close();
  }

  private protocolFor({ request, isGrpc }: Exchange): PoolProtocol {
    if (this.protocol !== 'auto') return this.protocol;
    if (this.target.tlsOptions === null) return isGrpc ? 'http2' : 'http1';
    if (!request.wantsUpgrade) return 'negotiated';
    return asksForWebSocket(request) && this.pools.negotiated?.takesTunnels ? 'negotiated' : 'http1';
  }

  private pool(protocol: PoolProtocol): ConnectionPool {
    const pool = this.pools[protocol];
    if (pool !== null) return pool;
    const { context, target, timeouts, observer } = this;
    const created = new ConnectionPool(context, target, protocol, timeouts, observer);
    this.pools[protocol] = created;
    return created;
  }

  private opened(): ConnectionPool[] {
    return Object.values(this.pools).filter((pool) => pool !== null);
  }
}
