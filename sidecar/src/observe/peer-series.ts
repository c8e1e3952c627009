/**
 * Exchanges of one route by who stood on the other side and how they ended: the edges of the mesh, however many methods, statuses and
 * failures there are.
 *
 * Invariant: peers are bounded, for the route and for the sidecar; those without room are counted as OVERFLOW together, so sums stay right.
 */
import type { Exchange } from '../core/exchange.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { statusClass } from './rpc.ts';
import { OVERFLOW, type SeriesBudget } from './series-budget.ts';

/** By number; the first is of exchanges without a response. */
export const STATUS_CLASSES = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'] as const;

export class PeerSeries {
  /** By peer, one number a class. */
  readonly counts = new Map<string, Float64Array>();
  private readonly budget: SeriesBudget;
  private lastPeer: string | null = null;
  private last: Float64Array = new Float64Array(0);

  /** `budget`: how many peers there may still be, of all routes. */
  constructor(budget: SeriesBudget) {
    this.budget = budget;
  }

  count(exchange: Exchange, peer: string): void {
    if (peer !== this.lastPeer) this.select(peer);
    const index = classOf(exchange);
    this.last[index] = (this.last[index] as number) + 1;
  }

  private select(peer: string): void {
    this.last = this.counts.get(peer) ?? this.create(peer);
    this.lastPeer = peer;
  }

  private create(peer: string): Float64Array {
    const hasRoom = this.counts.size < OBSERVE_LIMITS.metricPeers && this.budget.take(1);
    const name = hasRoom ? peer : OVERFLOW;
    const created = this.counts.get(name) ?? new Float64Array(STATUS_CLASSES.length);
    this.counts.set(name, created);
    return created;
  }
}

/** Statuses beyond 599 are errors of the server (RFC 9110 section 15). */
function classOf({ status, isGrpc, grpcStatus }: Exchange): number {
  if (isGrpc && grpcStatus >= 0) return statusClass(grpcStatus);
  return Math.min(5, Math.floor(status / 100));
}
