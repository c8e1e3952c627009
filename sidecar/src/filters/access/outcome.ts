/**
 * A decision as log, span, metric and answer tell it. Made once when a policy is compiled, and shared by all that it is made about.
 */
import { Failure, type FailureKind } from '../../core/failure.ts';
import { PolicyDecision } from '../../core/policy-decision.ts';
import type { AccessDecision, AccessMode, AccessSeries } from './metrics.ts';

/** In place of a rule. Rules have no underscore in their names. */
export const NO_RULE = 'no_rule';
export const AMBIGUOUS = 'ambiguous_request';

export class AccessOutcome {
  /** `<namespace>/<name>`, or `default` where no policy is attached. */
  readonly policy: string;
  readonly rule: string;
  readonly decision: AccessDecision;
  /** What a denial ends as, or in shadow mode would. */
  readonly failure: FailureKind;
  /** How the span ring knows it. */
  readonly label: string;
  readonly series: AccessSeries;
  readonly decided: PolicyDecision;
  private readonly reason: string;

  constructor(series: AccessSeries, policy: string, rule: string) {
    this.series = series;
    this.policy = policy;
    this.rule = rule;
    this.decision = series.decision;
    this.failure =
      series.decision === 'allow'
        ? Failure.none
        : rule === AMBIGUOUS
          ? Failure.ambiguousRequest
          : Failure.accessDenied;
    this.label = `${series.decision} ${policy} ${rule}`;
    this.decided = new PolicyDecision(
      { kind: 'access', policy, shadow: series.decision === 'would_deny' },
      series.decision === 'allow' ? 'allow' : 'deny',
      rule,
      this.failure,
    );
    this.reason =
      rule === NO_RULE
        ? `no rule of ${policy} allows it`
        : rule === AMBIGUOUS
          ? `policy ${policy}`
          : `rule ${rule} of ${policy}`;
  }

  describe(peerIdentity: string): string {
    return `${this.reason}; ${peerIdentity === '' ? 'a peer without an identity' : `peer ${peerIdentity}`}`;
  }
}

/** What a decision is called that lets pass what `mode` would not. */
export function decisionOf(mode: AccessMode, allows: boolean): AccessDecision {
  return allows ? 'allow' : mode === 'shadow' ? 'would_deny' : 'deny';
}
