/**
 * What WAF policies inspected and found, by policy.
 *
 * Invariant: series belong to policies by name, so that counters go on across config snapshots; their number is bounded, and so are their
 * labels, whatever requests bring.
 */
import type { Registry } from 'prom-client';
import type { HeldBytes } from '../../core/body-gate.ts';
import { Failure, type FailureKind } from '../../core/failure.ts';
import { type Reading, register } from '../../observe/family.ts';
import { counter, gauge } from '../../observe/metric.ts';
import { RULES } from './rules.ts';

export const WAF_REQUESTS = counter(
  'tulle_waf_requests_total',
  'Requests that a WAF policy inspected, by what became of them, or in shadow mode would have.',
  ['policy', 'mode', 'result'],
);
export const WAF_BODIES = counter(
  'tulle_waf_bodies_total',
  'Request bodies that came to a WAF policy, by how far they were looked at.',
  ['policy', 'mode', 'read'],
);
export const WAF_BODY_BYTES = counter(
  'tulle_waf_body_bytes_total',
  'Bytes of request bodies that a WAF policy inspected.',
  ['policy', 'mode'],
);
export const WAF_HITS = counter('tulle_waf_hits_total', 'What a WAF policy found, by rule.', [
  'policy',
  'mode',
  'rule',
]);
export const WAF_HELD_BYTES = gauge(
  'tulle_waf_held_bytes',
  'Bytes of request bodies that are held for inspection now.',
);
export const WAF_HOLD_OVERFLOWS = counter(
  'tulle_waf_hold_overflows_total',
  'Request bodies that were not inspected because too many bytes were held already: refused, or in shadow mode passed.',
);

/** What became of a request, or in shadow mode would have. */
const RESULTS = [
  'clean',
  /** Hits below the threshold. */
  'noted',
  'blocked',
  'too_large',
  'unparsable',
  'unknown_type',
  /** The inspection itself failed. */
  'failed',
] as const;
type WafResult = (typeof RESULTS)[number];

const RESULT_OF: ReadonlyMap<FailureKind, WafResult> = new Map([
  [Failure.wafBlocked, 'blocked'],
  [Failure.wafTooLarge, 'too_large'],
  [Failure.wafUnparsable, 'unparsable'],
  [Failure.wafUnknownType, 'unknown_type'],
  [Failure.wafFailed, 'failed'],
]);

/** How far a body was looked at. */
const BODIES = [
  'whole',
  'prefix',
  /** No text, of a type that tells nothing. */
  'binary',
  'unparsable',
  /** Larger than what is inspected. */
  'oversize',
  'unknown_type',
  'grpc',
  'upgrade',
] as const;
export type WafBody = (typeof BODIES)[number];

export class WafSeries {
  readonly policy: string;
  readonly mode: 'shadow' | 'enforce';
  readonly results = zeros(RESULTS);
  readonly bodies = zeros(BODIES);
  bytes = 0;
  /** By index of the rule. */
  readonly hits = new Float64Array(RULES.length);

  constructor(policy: string, mode: 'shadow' | 'enforce') {
    this.policy = policy;
    this.mode = mode;
  }

  count(failure: FailureKind): void {
    const result = RESULT_OF.get(failure);
    if (result !== undefined) this.results[result]++;
  }
}

export interface WafReadings {
  readonly held: HeldBytes;
  policies(): Iterable<WafSeries>;
}

export function registerWaf(registry: Registry, readings: WafReadings): void {
  register(registry, WAF_REQUESTS, () => perKey(readings, 'result', RESULTS, ({ results }) => results));
  register(registry, WAF_BODIES, () => perKey(readings, 'read', BODIES, ({ bodies }) => bodies));
  register(registry, WAF_BODY_BYTES, function* () {
    for (const { policy, mode, bytes } of readings.policies()) yield [{ policy, mode }, bytes];
  });
  register(registry, WAF_HITS, function* () {
    for (const { policy, mode, hits } of readings.policies()) {
      for (const { id, index } of RULES) {
        const count = hits[index] as number;
        if (count > 0) yield [{ policy, mode, rule: id }, count];
      }
    }
  });
  register(registry, WAF_HELD_BYTES, () => [[{}, readings.held.used]]);
  register(registry, WAF_HOLD_OVERFLOWS, () => [[{}, readings.held.refused]]);
}

function zeros<Key extends string>(keys: readonly Key[]): Record<Key, number> {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Record<Key, number>;
}

function* perKey<Key extends string>(
  readings: WafReadings,
  label: string,
  keys: readonly Key[],
  read: (series: WafSeries) => Readonly<Record<Key, number>>,
): Iterable<Reading<number>> {
  for (const series of readings.policies()) {
    const { policy, mode } = series;
    for (const key of keys) yield [{ policy, mode, [label]: key }, read(series)[key]];
  }
}
