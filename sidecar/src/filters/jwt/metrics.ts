/**
 * What is counted of tokens and keys.
 *
 * Invariant: series belong to policies and issuers by name, so that counters go on across config snapshots; their number is bounded.
 */
import type { Registry } from 'prom-client';
import { type Labels, register } from '../../observe/family.ts';
import { counter, gauge } from '../../observe/metric.ts';
import { REFUSAL_REASONS, type RefusalReason } from './refusal.ts';

export const JWT_TOKENS = counter(
  'tulle_jwt_tokens_total',
  'Bearer tokens of requests, by what became of them; cached ones were verified before.',
  ['policy', 'outcome'],
);
export const JWKS_LOADS = counter(
  'tulle_jwks_loads_total',
  'Loads of the keys of issuers; after one that failed the former keys stay.',
  ['policy', 'issuer', 'result'],
);
export const JWKS_AGE = gauge(
  'tulle_jwks_age_seconds',
  'Time since an issuer was last asked for its keys with success.',
  ['policy', 'issuer'],
);
export const JWKS_KEYS = gauge('tulle_jwks_keys', 'Public keys of an issuer.', ['policy', 'issuer']);

/** `cached`: verified before. */
export type TokenOutcome = 'verified' | 'cached' | RefusalReason;
const OUTCOMES: readonly TokenOutcome[] = ['verified', 'cached', ...REFUSAL_REASONS];

export class JwtSeries {
  readonly policy: string;
  private readonly counts: Record<TokenOutcome, number>;

  constructor(policy: string) {
    this.policy = policy;
    this.counts = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0])) as typeof this.counts;
  }

  count(outcome: TokenOutcome): void {
    this.counts[outcome]++;
  }

  *readings(): Iterable<readonly [TokenOutcome, number]> {
    for (const outcome of OUTCOMES) if (this.counts[outcome] > 0) yield [outcome, this.counts[outcome]];
  }
}

export class KeySetSeries {
  readonly policy: string;
  readonly issuer: string;
  keys = 0;
  loaded = 0;
  failed = 0;
  /** When keys came last, in monotonic milliseconds. */
  loadedMs = 0;

  constructor(policy: string, issuer: string) {
    this.policy = policy;
    this.issuer = issuer;
  }
}

export interface JwtReadings {
  tokens(): Iterable<JwtSeries>;
  keySets(): Iterable<KeySetSeries>;
  monotonicMs(): number;
}

export function registerJwt(registry: Registry, readings: JwtReadings): void {
  register(registry, JWT_TOKENS, function* () {
    for (const series of readings.tokens())
      for (const [outcome, count] of series.readings()) yield [{ policy: series.policy, outcome }, count];
  });
  register(registry, JWKS_LOADS, function* () {
    for (const { policy, issuer, loaded, failed } of readings.keySets()) {
      yield [{ policy, issuer, result: 'loaded' }, loaded];
      yield [{ policy, issuer, result: 'failed' }, failed];
    }
  });
  const perLoaded = (read: (series: KeySetSeries) => number) =>
    function* (): Iterable<readonly [Labels, number]> {
      for (const series of readings.keySets()) {
        const { policy, issuer, loaded } = series;
        if (loaded > 0) yield [{ policy, issuer }, read(series)];
      }
    };
  register(
    registry,
    JWKS_AGE,
    perLoaded(({ loadedMs }) => (readings.monotonicMs() - loadedMs) / 1_000),
  );
  register(
    registry,
    JWKS_KEYS,
    perLoaded(({ keys }) => keys),
  );
}
