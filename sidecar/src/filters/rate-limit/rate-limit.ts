/**
 * Admits a request if every limit of its route does, refuses it otherwise.
 *
 * Invariants
 * - Of the local limits either all are charged or none. Global ones are asked after them, all in one round trip (global-decision.ts).
 * - In shadow mode everything is decided and counted, and nothing comes of it: no request waits, no response changes.
 */
import { reply } from '../../core/course.ts';
import type { Exchange } from '../../core/exchange.ts';
import { Failure } from '../../core/failure.ts';
import { CONTINUE, type Filter, REPLIED, type Verdict } from '../../core/filter.ts';
import { PolicyDecisions, policySource } from '../../core/policy-decision.ts';
import { type FailureRule, GlobalDecision } from './global-decision.ts';
import { CostField, createKeyPart, type KeyPart } from './key-parts.ts';
import type { Limit, Plan, PolicySpec } from './limit.ts';
import { ALLOWED, BY_DENIAL, BY_TABLE, EXEMPTED, LIMITED } from './metrics.ts';
import { type FieldsSpec, RateLimitOutcome } from './outcome.ts';
import type { CompiledPolicy } from './rate-limits.ts';
import { EXEMPT } from './rules.ts';
import type { SharedStore } from './shared-store.ts';

/** What a limit makes of the request that is being handled; the same object serves the next one. */
interface Reading {
  readonly limit: Limit;
  readonly parts: readonly KeyPart[];
  readonly values: string[];
  readonly costField: CostField | null;
  cost: number;
  key: string;
  plan: number;
  /** Of local limits. */
  slot: number;
}

export class RateLimitFilter implements Filter {
  readonly name = 'rate-limit';
  private readonly readings: readonly Reading[];
  private readonly store: SharedStore | null;
  private readonly onFailure: FailureRule;
  private readonly shadow: boolean;
  private readonly decisions: PolicyDecisions;
  private readonly fields: FieldsSpec;
  private readonly tellsAlways: boolean;

  /** `verifiesTokens`: whether a filter before this one does. */
  constructor(
    policy: PolicySpec,
    { limits, store }: CompiledPolicy,
    verifiesTokens = false,
    auditsAllowed = false,
  ) {
    const { spec } = policy;
    this.decisions = new PolicyDecisions(policySource('rate_limit', policy), auditsAllowed);
    this.store = store;
    this.onFailure = spec.onFailure;
    this.shadow = spec.mode === 'shadow';
    this.fields = spec.fields;
    this.tellsAlways = !this.shadow && (spec.fields.rateLimit === 'on' || spec.fields.xRateLimit === 'on');
    this.readings = limits.map((limit, i): Reading => {
      const { key, cost } = spec.limits[i] as (typeof spec.limits)[number];
      return {
        limit,
        parts: key.map((part) => createKeyPart(part, verifiesTokens)),
        values: key.map(() => ''),
        costField: 'header' in cost ? new CostField(cost.header, cost.max, cost.default) : null,
        cost: 'units' in cost ? cost.units : cost.default,
        key: '',
        plan: EXEMPT,
        slot: 0,
      };
    });
  }

  onRequestHead(exchange: Exchange): Verdict {
    const nowUs = Math.floor(exchange.time.nowMs * 1_000);
    let refusing: Reading | null = null;
    let longestUs = 0;
    let asks = false;
    for (let i = 0; i < this.readings.length; i++) {
      const reading = this.readings[i] as Reading;
      this.read(reading, exchange);
      if (reading.plan === EXEMPT) continue;
      asks ||= reading.limit.isGlobal;
      const waitUs = this.waitUs(reading, nowUs);
      if (waitUs <= longestUs) continue;
      longestUs = waitUs;
      refusing = reading;
    }
    if (refusing === null) {
      this.charge(nowUs);
      const outcome = this.tellsAlways ? this.tell(nowUs) : null;
      exchange.rateLimit = outcome;
      if (asks) return this.ask(exchange, outcome, nowUs);
      this.decisions.allow(exchange, '');
      return CONTINUE;
    }
    this.decisions.deny(exchange, refusing.limit.name, Failure.rateLimited);
    if (this.shadow) return CONTINUE;
    exchange.rateLimit = this.tell(nowUs);
    exchange.rateLimit.waitUs = longestUs;
    reply(exchange, Failure.rateLimited, planOf(refusing).description);
    return REPLIED;
  }

  onResponseHead(exchange: Exchange): void {
    const { rateLimit, response } = exchange;
    if (rateLimit !== null && response !== null) rateLimit.write(exchange, response);
  }

  private read(reading: Reading, exchange: Exchange): void {
    const { limit, parts, values, costField } = reading;
    reading.plan = EXEMPT;
    for (let i = 0; i < parts.length; i++) {
      const value = (parts[i] as KeyPart).read(exchange);
      if (value === null && limit.skipsAbsent) {
        limit.series.count(EXEMPTED, BY_TABLE, this.shadow);
        return;
      }
      values[i] = value ?? '';
    }
    reading.plan = limit.planOf(values);
    if (reading.plan === EXEMPT) {
      limit.series.count(EXEMPTED, BY_TABLE, this.shadow);
      return;
    }
    reading.key = limit.keyOf(values);
    if (costField !== null) reading.cost = costField.read(exchange.request);
  }

  /** How long the request would have to wait, as far as is known here; at most 0 when it would not. */
  private waitUs(reading: Reading, nowUs: number): number {
    const { limit, key, plan, cost } = reading;
    let waitUs: number;
    if (limit.isGlobal) {
      waitUs = limit.denials?.waitUs(key, cost, nowUs) ?? 0;
      if (waitUs > 0) limit.series.count(LIMITED, BY_DENIAL, this.shadow);
    } else {
      const { table } = limit;
      reading.slot = table.slotOf(key, plan, nowUs);
      waitUs = table.waitUs(reading.slot, cost, nowUs);
      if (waitUs > 0) limit.series.count(LIMITED, BY_TABLE, this.shadow);
    }
    return waitUs;
  }

  private charge(nowUs: number): void {
    for (let i = 0; i < this.readings.length; i++) {
      const { limit, plan, slot, cost } = this.readings[i] as Reading;
      if (plan === EXEMPT || limit.isGlobal) continue;
      limit.table.charge(slot, cost, nowUs);
      limit.series.count(ALLOWED, BY_TABLE, this.shadow);
    }
  }

  /** For the response: where the local limits stand. */
  private tell(nowUs: number): RateLimitOutcome {
    const outcome = new RateLimitOutcome(this.fields);
    for (let i = 0; i < this.readings.length; i++) {
      const reading = this.readings[i] as Reading;
      if (reading.plan === EXEMPT || reading.limit.isGlobal) continue;
      const plan = planOf(reading);
      outcome.addPlan(plan);
      for (let window = 0; window < plan.windows.length; window++)
        outcome.addDebt(reading.limit.table.debtUs(reading.slot, window, nowUs));
    }
    return outcome;
  }

  private ask(exchange: Exchange, outcome: RateLimitOutcome | null, nowUs: number): Verdict {
    const { shadow, onFailure, decisions } = this;
    const told = outcome ?? new RateLimitOutcome(this.fields);
    const decision = new GlobalDecision(exchange, told, { shadow, onFailure, decisions });
    for (let i = 0; i < this.readings.length; i++) {
      const reading = this.readings[i] as Reading;
      if (reading.plan === EXEMPT || !reading.limit.isGlobal) continue;
      decision.ask(this.store as SharedStore, reading.limit, reading.plan, reading.key, reading.cost, nowUs);
    }
    return decision.verdict();
  }
}

function planOf({ limit, plan }: Reading): Plan {
  return limit.plans[plan] as Plan;
}
