/**
 * Where an exchange goes and what acts on it: compiled once for each config snapshot, frozen, then only read.
 */
import type { Balancer } from '../upstream/balancer.ts';
import type { HedgePolicy, RetryPolicy } from './attempts.ts';
import type { Chain } from './chain.ts';
import type { FailureKind } from './failure.ts';

export type Direction = 'inbound' | 'outbound';

export interface Timeouts {
  /** From the first byte of a request head to its last. */
  readonly headMs: number;
  /** Between two pieces of a body, in either direction. */
  readonly bodyIdleMs: number;
  /** An unused kept-alive connection. */
  readonly idleMs: number;
  /** Waiting for a connection: pool and set-up, TLS included. */
  readonly connectMs: number;
  /** From the end of the request to the response head. */
  readonly upstreamMs: number;
}

export interface Route {
  /** Names the route in metrics, logs and spans: the listener for inbound, the host for outbound. */
  readonly name: string;
  readonly direction: Direction;
  /** The rule of an HTTPRoute or GRPCRoute that led here; empty where there is none. */
  readonly rule: string;
  /** The service that this sidecar stands in front of. */
  readonly service: string;
  /** Whether request ids and forwarded fields of the downstream side are believed: mTLS peers, and the own service. */
  readonly trustsPeer: boolean;
  /** Null where nothing is behind the route, or where a filter chooses what. */
  readonly balancer: Balancer | null;
  /** How an exchange ends that has no balancer when its endpoint should be chosen. */
  readonly unreachable: FailureKind;
  readonly chain: Chain;
  readonly timeouts: Timeouts;
  /** Of the whole exchange, and of one attempt from its head to the response head, in milliseconds; Infinity for none. */
  readonly requestTimeoutMs: number;
  readonly attemptTimeoutMs: number;
  /** What to do about attempts that fail; null for nothing but what is always safe. */
  readonly retry: RetryPolicy | null;
  /** When a second attempt runs beside a slow one; null for never. */
  readonly hedge: HedgePolicy | null;
}
