/**
 * What access policies decided, by policy and rule.
 *
 * Invariant: series belong to policies and rules by name, so that counters go on across config snapshots; their number is bounded.
 */
import type { Registry } from 'prom-client';
import { register } from '../../observe/family.ts';
import { counter } from '../../observe/metric.ts';

export const ACCESS_DECISIONS = counter(
  'tulle_access_decisions_total',
  'Decisions of access policies about requests and connections; would_deny is what shadow mode let through.',
  ['policy', 'rule', 'mode', 'decision'],
);

export type AccessMode = 'shadow' | 'enforce';
export type AccessDecision = 'allow' | 'deny' | 'would_deny';

export interface AccessSeries {
  readonly policy: string;
  readonly rule: string;
  readonly mode: AccessMode;
  readonly decision: AccessDecision;
  count: number;
}

export interface AccessReadings {
  decisions(): Iterable<AccessSeries>;
}

export function registerAccess(registry: Registry, readings: AccessReadings): void {
  register(registry, ACCESS_DECISIONS, function* () {
    for (const { count, policy, rule, mode, decision } of readings.decisions()) {
      yield [{ policy, rule, mode, decision }, count];
    }
  });
}
