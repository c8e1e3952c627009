/**
 * What an inspection found in one request, as log, span and answer tell it.
 *
 * Invariant: the caller is told rules and locations; what was found there is in the log alone, decoded, cut and masked.
 */
import { Failure, type FailureKind } from '../../core/failure.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Hit } from './inspector.ts';

export type WafDecision = 'pass' | 'block' | 'would_block';

export class WafOutcome {
  /** `<namespace>/<name>`. */
  readonly policy: string;
  readonly threshold: number;
  private readonly enforces: boolean;
  score = 0;
  /** The first of them. */
  readonly hits: Hit[] = [];
  /** What the request ends as, or in shadow mode would. */
  failure: FailureKind = Failure.none;

  constructor(policy: string, threshold: number, enforces: boolean) {
    this.policy = policy;
    this.threshold = threshold;
    this.enforces = enforces;
  }

  add(hits: readonly Hit[], score: number): void {
    this.score += score;
    for (let i = 0; i < hits.length && this.hits.length < LIMITS.wafHits; i++) this.hits.push(hits[i] as Hit);
  }

  get decision(): WafDecision {
    if (this.failure === Failure.none) return 'pass';
    return this.enforces ? 'block' : 'would_block';
  }

  /** Why the request is refused: the rule that was hit first, or the failure where no rule is the reason. */
  get rule(): string {
    const [first] = this.hits;
    return this.failure === Failure.wafBlocked && first !== undefined ? first.rule.id : this.failure.name;
  }

  /** How the span ring knows it: of few words, since the ring tells only so many apart. */
  get label(): string {
    return `${this.decision} ${this.policy} ${this.hits[0]?.rule.id ?? this.failure.name}`;
  }

  /** For the failure detail. */
  describe(): string {
    const { hits, score, threshold, policy } = this;
    if (hits.length === 0) return `policy ${policy}`;
    const found = hits.map(({ rule, location }) => `${rule.id} in ${location}`).join(', ');
    return `${found}; score ${score} of ${threshold}, policy ${policy}`;
  }

  /** For the problem body. */
  tell(): { policy: string; score: number; hits: { rule: string; location: string }[] } {
    const { policy, score, hits } = this;
    return { policy, score, hits: hits.map(({ rule, location }) => ({ rule: rule.id, location })) };
  }
}
