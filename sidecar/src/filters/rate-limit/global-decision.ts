/**
 * The decision about one exchange that takes a shared store: its questions, and what comes of their answers.
 *
 * Invariants
 * - An exchange that was paused goes on exactly once, when the last question is settled; one that ended meanwhile is left alone.
 * - The limits of one exchange are asked at the same time and charged one by one, so one may be charged although another refuses: no limit ever
 *   admits too much.
 */
import { reply, resume } from '../../core/course.ts';
import { type Exchange, STATE_ENDED } from '../../core/exchange.ts';
import { Failure } from '../../core/failure.ts';
import { CONTINUE, PAUSED, REPLIED, type Verdict } from '../../core/filter.ts';
import type { PolicyDecisions } from '../../core/policy-decision.ts';
import { beginLimiterWait, endLimiterWait } from '../../core/waits.ts';
import type { Limit, Plan } from './limit.ts';
import { ALLOWED, BY_FALLBACK, BY_STORE, LIMITED } from './metrics.ts';
import type { RateLimitOutcome } from './outcome.ts';
import type { Question, SharedStore } from './shared-store.ts';

/** What holds for a request that a store has no answer for. */
export type FailureRule = 'allow' | 'deny' | 'local';

export interface DecisionRules {
  readonly onFailure: FailureRule;
  /** Nothing comes of the decision. */
  readonly shadow: boolean;
  readonly decisions: PolicyDecisions;
}

export class GlobalDecision {
  private readonly exchange: Exchange;
  private readonly outcome: RateLimitOutcome;
  private readonly rules: DecisionRules;
  private waiting = 0;
  private paused = false;
  private refusing: LimitQuestion | null = null;
  private unanswered: Limit | null = null;

  constructor(exchange: Exchange, outcome: RateLimitOutcome, rules: DecisionRules) {
    this.exchange = exchange;
    this.outcome = outcome;
    this.rules = rules;
  }

  ask(store: SharedStore, limit: Limit, plan: number, key: string, cost: number, nowUs: number): void {
    const question = new LimitQuestion(this, limit, plan, key, cost);
    if (store.ask(question)) this.waiting++;
    else this.fallBack(question, nowUs);
  }

  /** To be called once, when everything is asked. */
  verdict(): Verdict {
    if (this.waiting === 0) return this.refuses() ? REPLIED : CONTINUE;
    if (this.rules.shadow) return CONTINUE;
    this.paused = true;
    beginLimiterWait(this.exchange);
    return PAUSED;
  }

  take(question: LimitQuestion, waitUs: number, debtsUs: readonly number[], askedUs: number): void {
    const { limit, key, cost, plan } = question;
    const limited = waitUs > 0;
    if (limited) {
      limit.denials?.remember(key, cost, askedUs + waitUs);
      this.noteRefusal(question, waitUs);
    }
    limit.series.count(limited ? LIMITED : ALLOWED, BY_STORE, this.rules.shadow);
    this.outcome.addPlan(limit.plans[plan] as Plan);
    for (let i = 0; i < debtsUs.length; i++) this.outcome.addDebt(debtsUs[i] as number);
    this.settle();
  }

  miss(question: LimitQuestion, nowUs: number): void {
    this.fallBack(question, nowUs);
    this.settle();
  }

  private fallBack(question: LimitQuestion, nowUs: number): void {
    const { limit, plan, key, cost } = question;
    let allowed = this.rules.onFailure === 'allow';
    if (this.rules.onFailure === 'local') {
      const { table } = limit;
      const waitUs = table.decide(table.slotOf(key, plan, nowUs), cost, nowUs);
      allowed = waitUs <= 0;
      if (!allowed) this.noteRefusal(question, waitUs);
    } else if (!allowed) {
      this.unanswered = limit;
    }
    limit.series.count(allowed ? ALLOWED : LIMITED, BY_FALLBACK, this.rules.shadow);
  }

  private noteRefusal(question: LimitQuestion, waitUs: number): void {
    if (waitUs <= this.outcome.waitUs) return;
    this.outcome.waitUs = waitUs;
    this.refusing = question;
  }

  private settle(): void {
    this.waiting--;
    if (this.waiting > 0) return;
    if (this.paused) this.exchange.time.handle(this.proceed);
    else this.refuses();
  }

  private readonly proceed = (): void => {
    // Its heads are no longer its own.
    if (this.exchange.state === STATE_ENDED) return;
    if (this.refuses()) return;
    endLimiterWait(this.exchange);
    resume(this.exchange);
  };

  private refuses(): boolean {
    const { exchange, refusing, unanswered } = this;
    const { decisions, shadow } = this.rules;
    if (refusing === null && unanswered === null) {
      decisions.allow(exchange, '');
      return false;
    }
    const failure = refusing === null ? Failure.rateLimitUnavailable : Failure.rateLimited;
    decisions.deny(exchange, refusing === null ? failure.name : refusing.limit.name, failure);
    if (shadow) return false;
    exchange.rateLimit = this.outcome;
    reply(exchange, failure, refusing?.description ?? `${unanswered?.id}: its store gives no answer`);
    return true;
  }
}

class LimitQuestion implements Question {
  readonly limit: Limit;
  readonly plan: number;
  readonly key: string;
  readonly cost: number;
  private readonly decision: GlobalDecision;

  constructor(decision: GlobalDecision, limit: Limit, plan: number, key: string, cost: number) {
    this.decision = decision;
    this.limit = limit;
    this.plan = plan;
    this.key = key;
    this.cost = cost;
  }

  get id(): string {
    return this.limit.id;
  }

  get windows(): Plan['windows'] {
    return this.planned.windows;
  }

  get description(): string {
    return this.planned.description;
  }

  private get planned(): Plan {
    return this.limit.plans[this.plan] as Plan;
  }

  onAnswer(waitUs: number, debtsUs: readonly number[], askedUs: number): void {
    this.decision.take(this, waitUs, debtsUs, askedUs);
  }

  onFailure(nowUs: number): void {
    this.decision.miss(this, nowUs);
  }
}
