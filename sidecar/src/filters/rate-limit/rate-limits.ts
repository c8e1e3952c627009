/**
 * The rate limits of one sidecar: what their state lives in from one config snapshot to the next.
 *
 * Invariants
 * - A limit keeps its state as long as its name, key, windows and overrides stay; a change of those begins anew. What is in a shared store stays there.
 * - Policies that name the same store in the same words share its connection.
 * - Nothing is kept of limits and stores that a config does not have any more, but for what was counted.
 */
import { LIMITS } from '../../core/limits.ts';
import type { LimitSpec, StoreSpec } from './config.ts';
import { Denials } from './denials.ts';
import { KeyTable } from './key-table.ts';
import { compilePlans, Limit, type LimitState, limitId, type PolicySpec } from './limit.ts';
import { LimitSeries, type RateLimitReadings, StoreSeries, type TableReading } from './metrics.ts';
import type { ConnectionDeps } from './redis-connection.ts';
import { SharedStore } from './shared-store.ts';

/** Label value of whatever has no series of its own. */
const OVERFLOW = '_OTHER';

export interface CompiledPolicy {
  readonly limits: readonly Limit[];
  /** Null without a global limit. */
  readonly store: SharedStore | null;
}

export class RateLimits implements RateLimitReadings {
  private readonly deps: ConnectionDeps;
  private readonly states = new Map<string, LimitState>();
  private readonly sharedStores = new Map<string, SharedStore>();
  private readonly limitSeries = new Map<string, LimitSeries>();
  private readonly storeSeries = new Map<string, StoreSeries>();

  constructor(deps: ConnectionDeps) {
    this.deps = deps;
  }

  compile(policy: PolicySpec): CompiledPolicy {
    const limits = policy.spec.limits.map(
      (spec, i) => new Limit(spec, limitId(policy, spec), this.stateOf(policy, i)),
    );
    const { redis } = policy.spec;
    return { limits, store: redis === undefined ? null : this.storeOf(redis) };
  }

  /** Lets go of what these policies do not use. */
  retain(policies: readonly PolicySpec[]): void {
    const used = new Set<string>();
    for (const policy of policies) {
      policy.spec.limits.forEach((_, i) => void used.add(stateKey(policy, i)));
      if (policy.spec.redis !== undefined) used.add(storeKey(policy.spec.redis));
    }
    for (const key of this.states.keys()) if (!used.has(key)) this.states.delete(key);
    for (const [key, store] of this.sharedStores) {
      if (used.has(key)) continue;
      store.close();
      this.sharedStores.delete(key);
    }
  }

  close(): void {
    this.retain([]);
  }

  limits(): Iterable<LimitSeries> {
    return this.limitSeries.values();
  }

  stores(): Iterable<StoreSeries> {
    return this.storeSeries.values();
  }

  *tables(): Iterable<TableReading> {
    for (const { table, series } of this.states.values()) {
      const { policy, limit } = series;
      const { size: keys, evictions, overflows } = table;
      yield { policy, limit, keys, evictions, overflows };
    }
  }

  private stateOf(policy: PolicySpec, index: number): LimitState {
    const key = stateKey(policy, index);
    const known = this.states.get(key);
    if (known !== undefined) return known;
    const { spec } = policy;
    const limit = spec.limits[index] as LimitSpec;
    const isGlobal = limit.scope === 'global';
    const plans = compilePlans(limit, limitId(policy, limit)).map(({ windows }) => windows);
    const state = {
      table: new KeyTable(plans, limit.maxKeys),
      denials: isGlobal ? new Denials(LIMITS.rateLimitDenials) : null,
      series: this.seriesOf(`${policy.namespace}/${policy.name}`, limit.name),
    };
    this.states.set(key, state);
    return state;
  }

  private seriesOf(policy: string, limit: string): LimitSeries {
    return bind(this.limitSeries, `${policy}/${limit}`, () => new LimitSeries(policy, limit)) ?? this.other();
  }

  private other(): LimitSeries {
    let series = this.limitSeries.get(OVERFLOW);
    if (series === undefined) {
      series = new LimitSeries(OVERFLOW, OVERFLOW);
      this.limitSeries.set(OVERFLOW, series);
    }
    return series;
  }

  private storeOf(spec: StoreSpec): SharedStore {
    const key = storeKey(spec);
    let store = this.sharedStores.get(key);
    if (store === undefined) {
      const name = spec.endpoints[0] as string;
      const series = bind(this.storeSeries, name, () => new StoreSeries(name)) ?? new StoreSeries(OVERFLOW);
      store = new SharedStore(spec, series, this.deps);
      this.sharedStores.set(key, store);
    }
    return store;
  }
}

/** Undefined when there is no room for another. */
function bind<S>(series: Map<string, S>, name: string, create: () => S): S | undefined {
  const known = series.get(name);
  if (known !== undefined || series.size >= LIMITS.rateLimitSeries) return known;
  const created = create();
  series.set(name, created);
  return created;
}

function stateKey(policy: PolicySpec, index: number): string {
  const { namespace, name, spec } = policy;
  const limit = spec.limits[index] as LimitSpec;
  const { scope, key, windows, overrides, maxKeys } = limit;
  return JSON.stringify([namespace, name, limit.name, scope, key, windows, overrides, maxKeys]);
}

function storeKey(spec: StoreSpec): string {
  return JSON.stringify(spec);
}
