/**
 * Sends all requests with the same key to the same endpoint, as long as it may be used: consistent hashing over the endpoints that are
 * configured. The keys of one that may not be used go to those behind it in the table, and come back with it.
 *
 * With a load bound, no endpoint gets more attempts at once than that times its part of all of them (V. Mirrokni et al., Consistent Hashing
 * with Bounded Loads, 2018); what is over goes where the keys of an endpoint that is away would go.
 */
import type { Exchange } from '../../core/exchange.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Balancer } from '../balancer.ts';
import type { Endpoint } from '../endpoint.ts';
import { type HashKey, NO_KEY } from './hash-key.ts';
import type { Rotation } from './rotation.ts';

export interface HashTable {
  /** Index of the endpoint that a slot belongs to. */
  readonly owners: Uint16Array;
  slotOf(key: number): number;
}

export class HashBalancer implements Balancer {
  readonly endpoints: readonly Endpoint[];
  private readonly rotation: Rotation;
  private readonly table: HashTable;
  private readonly keyOf: HashKey;
  /** For requests without a key. */
  private readonly fallback: Balancer;
  /** Of all attempts at once, what each endpoint may have; null without a bound. */
  private readonly bounds: Float64Array | null;

  /** `loadBound` is null for none. The fallback is on the same rotation. */
  constructor(
    rotation: Rotation,
    table: HashTable,
    keyOf: HashKey,
    fallback: Balancer,
    loadBound: number | null,
  ) {
    this.rotation = rotation;
    this.endpoints = rotation.all;
    this.table = table;
    this.keyOf = keyOf;
    this.fallback = fallback;
    const total = rotation.all.reduce((sum, { weight }) => sum + weight, 0);
    this.bounds =
      loadBound === null
        ? null
        : Float64Array.from(rotation.all, ({ weight }) => (loadBound * weight) / total);
  }

  pick(exchange: Exchange): Endpoint | null {
    this.rotation.refresh(exchange.time.nowMs);
    const key = this.keyOf(exchange);
    if (key === NO_KEY) return this.fallback.pick(exchange);
    const { owners } = this.table;
    let slot = this.table.slotOf(key);
    for (let left = LIMITS.hashSteps; left > 0; left--) {
      const index = owners[slot] as number;
      if (this.takes(index, exchange)) return this.endpoints[index] as Endpoint;
      slot = slot + 1 === owners.length ? 0 : slot + 1;
    }
    return this.fallback.pick(exchange);
  }

  explainNone(): string {
    return this.fallback.explainNone();
  }

  private takes(index: number, { tried }: Exchange): boolean {
    const endpoint = this.endpoints[index] as Endpoint;
    if (!this.rotation.admits(endpoint)) return false;
    if (tried.length > 0 && tried.includes(endpoint)) return false;
    if (this.bounds === null) return true;
    const most = Math.ceil((this.bounds[index] as number) * (this.rotation.group.inFlight + 1));
    return endpoint.record.inFlight < most;
  }
}
