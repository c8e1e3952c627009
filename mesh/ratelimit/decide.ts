/**
 * Decides about descriptors by the limits of a policy: those whose key has exactly the parts that a descriptor has entries for.
 *
 * Invariants
 * - A descriptor and a sidecar that read the same values have the same key, so what one of them lets through the other does not.
 * - A store that does not answer is what the policy's `onFailure` says, as in a sidecar.
 */
import type { Clock } from '../../sidecar/src/core/clock.ts';
import type { Limit, Plan, PolicySpec } from '../../sidecar/src/filters/rate-limit/limit.ts';
import {
  ALLOWED,
  BY_DENIAL,
  BY_FALLBACK,
  BY_STORE,
  BY_TABLE,
  EXEMPTED,
  LIMITED,
  type Source,
} from '../../sidecar/src/filters/rate-limit/metrics.ts';
import type { CompiledPolicy, RateLimits } from '../../sidecar/src/filters/rate-limit/rate-limits.ts';
import { EXEMPT } from '../../sidecar/src/filters/rate-limit/rules.ts';
import type { SharedStore } from '../../sidecar/src/filters/rate-limit/shared-store.ts';
import type { Descriptor } from './messages.ts';

/** What one limit says of one descriptor. */
export interface Answer {
  readonly plan: Plan;
  readonly limited: boolean;
  /** Until the cost would be admitted; 0 when it was, or when nobody knows. */
  readonly waitUs: number;
  /** By window of the plan; empty when nobody knows. */
  readonly debtsUs: readonly number[];
}

export class Decider {
  readonly shadow: boolean;
  private readonly onFailure: 'allow' | 'deny' | 'local';
  private readonly limits: readonly Limit[];
  private readonly store: SharedStore | null;
  private readonly clock: Clock;

  constructor(policy: PolicySpec, limits: RateLimits, clock: Clock) {
    const compiled: CompiledPolicy = limits.compile(policy);
    this.shadow = policy.spec.mode === 'shadow';
    this.onFailure = policy.spec.onFailure;
    this.limits = compiled.limits;
    this.store = compiled.store;
    this.clock = clock;
  }

  /** One answer for each limit that holds for the descriptor; those that are exempt have none. */
  async decide(descriptor: Descriptor, cost: number): Promise<Answer[]> {
    const decisions: Promise<Answer>[] = [];
    for (const limit of this.limits) {
      const values = valuesFor(limit.partNames, descriptor.entries);
      if (values === null) continue;
      const plan = limit.planOf(values);
      if (plan === EXEMPT) limit.series.count(EXEMPTED, BY_TABLE, this.shadow);
      else decisions.push(this.decideLimit(limit, plan, limit.keyOf(values), cost));
    }
    return Promise.all(decisions);
  }

  private async decideLimit(limit: Limit, planIndex: number, key: string, cost: number): Promise<Answer> {
    const plan = limit.plans[planIndex] as Plan;
    if (!limit.isGlobal) return this.decideHere(limit, planIndex, key, cost, BY_TABLE);
    const refusedUs = limit.denials?.waitUs(key, cost, this.nowUs()) ?? 0;
    if (refusedUs > 0) return this.conclude(limit, plan, BY_DENIAL, refusedUs, []);
    return new Promise((resolve) => {
      const fallBack = () => resolve(this.fallBack(limit, planIndex, key, cost));
      const taken = this.store?.ask({
        ...{ id: limit.id, key, cost, windows: plan.windows },
        onAnswer: (waitUs, debtsUs, askedUs) => {
          if (waitUs > 0) limit.denials?.remember(key, cost, askedUs + waitUs);
          resolve(this.conclude(limit, plan, BY_STORE, waitUs, debtsUs));
        },
        onFailure: fallBack,
      });
      if (!taken) fallBack();
    });
  }

  private fallBack(limit: Limit, planIndex: number, key: string, cost: number): Answer {
    if (this.onFailure === 'local') return this.decideHere(limit, planIndex, key, cost, BY_FALLBACK);
    const limited = this.onFailure === 'deny';
    limit.series.count(limited ? LIMITED : ALLOWED, BY_FALLBACK, this.shadow);
    return { plan: limit.plans[planIndex] as Plan, limited, waitUs: 0, debtsUs: [] };
  }

  private decideHere(limit: Limit, planIndex: number, key: string, cost: number, source: Source): Answer {
    const nowUs = this.nowUs();
    const plan = limit.plans[planIndex] as Plan;
    const slot = limit.table.slotOf(key, planIndex, nowUs);
    const waitUs = limit.table.decide(slot, cost, nowUs);
    const debtsUs = plan.windows.map((_, i) => limit.table.debtUs(slot, i, nowUs));
    return this.conclude(limit, plan, source, waitUs, debtsUs);
  }

  private conclude(
    limit: Limit,
    plan: Plan,
    source: Source,
    waitUs: number,
    debtsUs: readonly number[],
  ): Answer {
    const limited = waitUs > 0;
    limit.series.count(limited ? LIMITED : ALLOWED, source, this.shadow);
    return { plan, limited, waitUs: Math.max(waitUs, 0), debtsUs };
  }

  private nowUs(): number {
    return Math.floor(this.clock.monotonicMs() * 1_000);
  }
}

/** In the order of the parts, or null when the entries are not these parts. */
function valuesFor(parts: readonly string[], entries: Descriptor['entries']): string[] | null {
  if (parts.length !== entries.length) return null;
  const values = parts.map((part) => entries.find(({ key }) => key === part)?.value);
  return values.every((value) => value !== undefined) ? values : null;
}
