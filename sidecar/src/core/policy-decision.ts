/**
 * What a policy decided about a request, as audit log, access log and span tell it.
 *
 * Invariants: a decision is made once for each rule and shared by all requests that it is about. A rule that denies does so with one failure.
 */
import type { Exchange } from './exchange.ts';
import { Failure, type FailureKind } from './failure.ts';

export type PolicyKind = 'access' | 'fault' | 'jwt' | 'rate_limit' | 'tls' | 'waf';
export type PolicyAction = 'allow' | 'deny' | 'delay';

export class PolicyDecision {
  readonly kind: PolicyKind;
  /** `<namespace>/<name>`; empty for what no policy says. */
  readonly policy: string;
  /** Of the policy, or why none was asked; empty when it took all of them. */
  readonly rule: string;
  readonly action: PolicyAction;
  /** Nothing came of it. */
  readonly shadow: boolean;
  /** What a denial ends as, or in shadow mode would. */
  readonly failure: FailureKind;
  /** For people and spans: kind, policy and rule. */
  readonly label: string;

  constructor(source: PolicySource, action: PolicyAction, rule: string, failure: FailureKind) {
    this.kind = source.kind;
    this.policy = source.policy;
    this.rule = rule;
    this.action = action;
    this.shadow = source.shadow && action !== 'allow';
    this.failure = failure;
    this.label = `${source.kind} ${source.policy} ${rule}`;
  }
}

export interface PolicySource {
  readonly kind: PolicyKind;
  readonly policy: string;
  readonly shadow: boolean;
}

/** The decisions of one policy. */
export class PolicyDecisions {
  private readonly source: PolicySource;
  private readonly auditsAllowed: boolean;
  private readonly allowed = new Map<string, PolicyDecision>();
  private readonly refused = new Map<string, PolicyDecision>();

  /** `auditsAllowed`: what is let through is noted, too. */
  constructor(source: PolicySource, auditsAllowed: boolean) {
    this.source = source;
    this.auditsAllowed = auditsAllowed;
  }

  allow(exchange: Exchange, rule: string): void {
    if (this.auditsAllowed) this.note(exchange, this.allowed, 'allow', rule, Failure.none);
  }

  deny(exchange: Exchange, rule: string, failure: FailureKind): void {
    this.note(exchange, this.refused, 'deny', rule, failure);
  }

  delay(exchange: Exchange, rule: string): void {
    this.note(exchange, this.refused, 'delay', rule, Failure.none);
  }

  private note(
    exchange: Exchange,
    known: Map<string, PolicyDecision>,
    action: PolicyAction,
    rule: string,
    failure: FailureKind,
  ): void {
    let decision = known.get(rule);
    if (decision === undefined) {
      decision = new PolicyDecision(this.source, action, rule, failure);
      known.set(rule, decision);
    }
    exchange.noteDecision(decision);
  }
}

/** A policy as config has it. */
export interface NamedPolicy<Spec> {
  readonly namespace: string;
  readonly name: string;
  readonly spec: Spec;
}

export function policySource(
  kind: PolicyKind,
  { namespace, name, spec }: NamedPolicy<{ readonly mode: string }>,
): PolicySource {
  return { kind, policy: `${namespace}/${name}`, shadow: spec.mode === 'shadow' };
}
