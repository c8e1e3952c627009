/**
 * One address that a service answers at, and the transport that reaches it.
 */
import type { Exchange } from '../core/exchange.ts';

/** How exchanges reach an endpoint. HTTP/1.1 over pooled connections is the one implementation so far. */
export interface UpstreamTransport {
  /** Leads to exactly one `onUpstreamReady` or `onUpstreamUnavailable`, now or later, unless it is cancelled. */
  open(exchange: Exchange): void;
  /** The exchange no longer waits. */
  cancel(exchange: Exchange): void;
  /** Closes idle connections and lets busy ones complete; new exchanges get new connections. */
  retireConnections(): void;
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
  readonly transport: UpstreamTransport;
}
