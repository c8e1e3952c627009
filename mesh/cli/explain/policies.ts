import { describeHop, failureCode, type Span, text } from '../trace/span.ts';
import type { TraceNode } from '../trace/trace-tree.ts';

// Which policies had a say in a request: those that left their decision in a span, those whose failure a hop ended with, and retries.

export type PolicyAct = {
  readonly kind: string;
  /** `namespace/name` and rule; null where only the failure tells that there is one. */
  readonly policy: string | null;
  readonly rule: string | null;
  readonly action:
    | 'allowed'
    | 'refused'
    | 'would have refused'
    | 'would have delayed'
    | 'tried again'
    | 'would have repeated';
  readonly hop: string;
  /** What it says of itself, such as which limit was used up. */
  readonly detail: string | null;
};

/** In the order of the hops. */
export function findPolicies(nodes: readonly TraceNode[]): PolicyAct[] {
  return nodes.flatMap(({ span }) => {
    const deciders = [...DECIDERS.flatMap((kind) => decision(span, kind) ?? []), ...shadows(span)];
    const kind = KIND_OF_FAILURE.get(failureCode(span) ?? '');
    // What a policy told by name is not told again by its failure.
    const told = kind === undefined || deciders.some((act) => act.kind === kind && act.action === 'refused');
    return [...deciders, ...(told ? [] : [refusal(span, kind)]), ...retries(span)];
  });
}

const DECIDERS = ['access', 'waf'] as const;

const ACTIONS: ReadonlyMap<string, PolicyAct['action']> = new Map([
  ['allow', 'allowed'],
  ['pass', 'allowed'],
  ['deny', 'refused'],
  ['block', 'refused'],
  ['would_deny', 'would have refused'],
  ['would_block', 'would have refused'],
]);

/** What else stands in `tulle.policy.shadow`; DECIDERS tell of themselves. */
const SHADOWED: ReadonlyMap<string, readonly [kind: string, action: PolicyAct['action']]> = new Map([
  ['jwt', ['token', 'would have refused']],
  ['rate_limit', ['rate limit', 'would have refused']],
  ['fault', ['fault', 'would have refused']],
  ['concurrency', ['concurrency limit', 'would have refused']],
  ['retry', ['retry', 'would have repeated']],
]);

/** Failures that a policy is behind, by the kind of policy. */
const KIND_OF_FAILURE: ReadonlyMap<string, string> = new Map(
  Object.entries({
    access_denied: 'access',
    ambiguous_request: 'access',
    invalid_token: 'token',
    token_unverifiable: 'token',
    rate_limited: 'rate limit',
    rate_limit_unavailable: 'rate limit',
    circuit_open: 'circuit breaker',
    overloaded: 'concurrency limit',
    deadline_exceeded: 'deadline',
    fault_abort: 'fault',
    waf_blocked: 'waf',
    waf_too_large: 'waf',
    waf_unparsable: 'waf',
    waf_unknown_type: 'waf',
    no_route: 'routing',
    no_rule: 'routing',
    no_backend: 'routing',
    unknown_destination: 'routing',
  }),
);

function decision(span: Span, kind: (typeof DECIDERS)[number]): PolicyAct | null {
  const action = ACTIONS.get(text(span, `tulle.${kind}.decision`) ?? '');
  if (action === undefined) return null;
  return {
    kind,
    policy: text(span, `tulle.${kind}.policy`),
    rule: text(span, `tulle.${kind}.rule`),
    action,
    hop: describeHop(span),
    detail: action === 'refused' ? text(span, 'tulle.failure.detail') : null,
  };
}

/** Of `tulle.policy.shadow`: decisions apart by commas, each its kind, the policy and the rule apart by spaces. */
function shadows(span: Span): PolicyAct[] {
  const told = text(span, 'tulle.policy.shadow')?.split(',') ?? [];
  return told.flatMap((entry) => {
    const [name = '', policy = null, rule = null] = entry.split(' ');
    const shadowed = SHADOWED.get(name);
    if (shadowed === undefined) return [];
    const [kind, action] = rule === 'delay' ? (['fault', 'would have delayed'] as const) : shadowed;
    return [{ kind, policy, rule, action, hop: describeHop(span), detail: null }];
  });
}

/** By name where the span tells which policy it was, in `tulle.policy.refusal`. */
function refusal(span: Span, kind: string): PolicyAct {
  const [name = '', policy = null, rule = null] = text(span, 'tulle.policy.refusal')?.split(' ') ?? [];
  const detail = text(span, 'tulle.failure.detail');
  const told = SHADOWED.get(name)?.[0] === kind ? { policy, rule } : { policy: null, rule: null };
  return { kind, ...told, action: 'refused', hop: describeHop(span), detail };
}

function retries(span: Span): PolicyAct[] {
  const attempts = Number(span.attributes.get('tulle.attempts'));
  if (!(attempts > 1)) return [];
  const detail = `${attempts} attempts`;
  const hop = describeHop(span);
  return [{ kind: 'retry', policy: null, rule: null, action: 'tried again', hop, detail }];
}
