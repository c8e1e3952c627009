/**
 * What rate limiting counts, and the families that show it.
 *
 * Invariants: series belong to limits and stores by name, so that counters go on across config snapshots; there is one for each name in a config,
 * and a bounded number of them, whatever keys requests bring.
 */
import type { Registry } from 'prom-client';
import { type Labels, register, registerHistogram } from '../../observe/family.ts';
import { Histogram } from '../../observe/histogram.ts';
import { counter, gauge, histogram } from '../../observe/metric.ts';

export const RATE_LIMIT_DECISIONS = counter(
  'tulle_rate_limit_decisions_total',
  'Decisions of rate limits, by who made them; in shadow mode nothing came of them.',
  ['policy', 'limit', 'mode', 'source', 'decision'],
);
export const RATE_LIMIT_KEYS = gauge(
  'tulle_rate_limit_keys',
  'Keys of a limit that have state in this sidecar.',
  ['policy', 'limit'],
);
export const RATE_LIMIT_EVICTIONS = counter(
  'tulle_rate_limit_evictions_total',
  'Keys that made room for others; none was over its limit.',
  ['policy', 'limit'],
);
export const RATE_LIMIT_OVERFLOWS = counter(
  'tulle_rate_limit_overflows_total',
  'Requests whose key had to share state, because every other key was over its limit.',
  ['policy', 'limit'],
);
export const RATE_LIMIT_REDIS_DURATION = histogram(
  'tulle_rate_limit_redis_duration_seconds',
  'Answers of the shared store, from question to answer.',
  ['store'],
);
export const RATE_LIMIT_REDIS_FAILURES = counter(
  'tulle_rate_limit_redis_failures_total',
  'Questions that the shared store did not answer.',
  ['store', 'reason'],
);
export const RATE_LIMIT_REDIS_UP = gauge(
  'tulle_rate_limit_redis_up',
  'Whether the shared store is asked: 1 or 0.',
  ['store'],
);

/** What was decided. */
export const ALLOWED = 0;
export const LIMITED = 1;
/** The limit does not hold for the key, or the request has none. */
export const EXEMPTED = 2;
const DECISIONS = ['allowed', 'limited', 'exempt'] as const;
export type Decision = typeof ALLOWED | typeof LIMITED | typeof EXEMPTED;

/** Who decided. */
export const BY_TABLE = 0;
export const BY_STORE = 1;
/** The store had refused the key before, and need not be asked again. */
export const BY_DENIAL = 2;
/** The store did not answer: what `onFailure` says. */
export const BY_FALLBACK = 3;
const SOURCES = ['local', 'redis', 'precheck', 'fallback'] as const;
export type Source = typeof BY_TABLE | typeof BY_STORE | typeof BY_DENIAL | typeof BY_FALLBACK;

export class LimitSeries {
  readonly policy: string;
  readonly limit: string;
  /** By mode, source and decision. In shadow mode nothing comes of a decision. */
  private readonly counts = new Float64Array(2 * SOURCES.length * DECISIONS.length);

  constructor(policy: string, limit: string) {
    this.policy = policy;
    this.limit = limit;
  }

  count(decision: Decision, source: Source, shadow: boolean): void {
    const at = ((shadow ? 1 : 0) * SOURCES.length + source) * DECISIONS.length + decision;
    this.counts[at] = (this.counts[at] as number) + 1;
  }

  *readings(): Iterable<{ mode: string; source: string; decision: string; count: number }> {
    for (let at = 0; at < this.counts.length; at++) {
      const count = this.counts[at] as number;
      if (count === 0) continue;
      const decision = DECISIONS[at % DECISIONS.length] as string;
      const source = SOURCES[Math.floor(at / DECISIONS.length) % SOURCES.length] as string;
      const mode = at < SOURCES.length * DECISIONS.length ? 'enforce' : 'shadow';
      yield { mode, source, decision, count };
    }
  }
}

const FAILURE_REASONS = ['deadline', 'disconnected', 'refused', 'overflow'] as const;
export type StoreFailure = (typeof FAILURE_REASONS)[number];

export class StoreSeries {
  readonly store: string;
  readonly duration = new Histogram();
  readonly failures: Record<StoreFailure, number> = { deadline: 0, disconnected: 0, refused: 0, overflow: 0 };
  /** Connected, and asked. */
  up = false;

  constructor(store: string) {
    this.store = store;
  }
}

/** A limit that keeps keys here. */
export interface TableReading {
  readonly policy: string;
  readonly limit: string;
  readonly keys: number;
  readonly evictions: number;
  readonly overflows: number;
}

export interface RateLimitReadings {
  limits(): Iterable<LimitSeries>;
  stores(): Iterable<StoreSeries>;
  tables(): Iterable<TableReading>;
}

export function registerRateLimits(registry: Registry, readings: RateLimitReadings): void {
  register(registry, RATE_LIMIT_DECISIONS, function* () {
    for (const series of readings.limits()) {
      const { policy, limit } = series;
      for (const { count, ...labels } of series.readings()) yield [{ policy, limit, ...labels }, count];
    }
  });
  const perTable = (read: (table: TableReading) => number) =>
    function* (): Iterable<readonly [Labels, number]> {
      for (const table of readings.tables())
        yield [{ policy: table.policy, limit: table.limit }, read(table)];
    };
  register(
    registry,
    RATE_LIMIT_KEYS,
    perTable(({ keys }) => keys),
  );
  register(
    registry,
    RATE_LIMIT_EVICTIONS,
    perTable(({ evictions }) => evictions),
  );
  register(
    registry,
    RATE_LIMIT_OVERFLOWS,
    perTable(({ overflows }) => overflows),
  );
  registerHistogram(registry, RATE_LIMIT_REDIS_DURATION, function* () {
    for (const { store, duration } of readings.stores()) yield [{ store }, duration];
  });
  register(registry, RATE_LIMIT_REDIS_FAILURES, function* () {
    for (const { store, failures } of readings.stores()) {
      for (const reason of FAILURE_REASONS) yield [{ store, reason }, failures[reason]];
    }
  });
  register(registry, RATE_LIMIT_REDIS_UP, function* () {
    for (const { store, up } of readings.stores()) yield [{ store }, up ? 1 : 0];
  });
}
