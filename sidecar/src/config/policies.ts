/**
 * Which policies apply where: of each kind the one whose target is the most specific.
 */
import type { RouteConfig, RuleConfig } from '../routing/route-config.ts';
import {
  POLICIES,
  type PoliciesConfig,
  type Policy,
  type PolicyKey,
  type RoutePolicies,
  type TargetRef,
} from './resources.ts';
import { type ServiceName, serviceKey } from './services.ts';

/** Requests to a service: those that a rule matches, or those that no rule does. */
export type PolicyPlace = {
  readonly service: ServiceName;
  readonly rule: { readonly route: RouteConfig; readonly config: RuleConfig } | null;
};

export const POLICY_KEYS = Object.keys(POLICIES) as PolicyKey[];

/** For routes that no document can name. */
export const NO_POLICIES = mapKinds(() => null);

export function policiesFor(policies: PoliciesConfig, place: PolicyPlace): RoutePolicies {
  // Policies come out as what they went in as: those of one kind.
  return mapKinds(
    (key) => (findPolicies(policies[key], place)[0]?.policy ?? null) as RoutePolicies[typeof key],
  );
}

export type AttachedPolicy = { readonly policy: Policy<unknown>; readonly target: TargetRef };

/** All policies of a kind whose target holds the place, the most specific first. */
export function findPolicies(policies: readonly Policy<unknown>[], place: PolicyPlace): AttachedPolicy[] {
  return policies
    .flatMap((policy) => policy.targets.map((target) => ({ policy, target })))
    .filter(({ policy, target }) => holds(policy.namespace, target, place))
    .sort((a, b) => specificity(b.target) - specificity(a.target));
}

function holds(namespace: string, { kind, name, sectionName }: TargetRef, place: PolicyPlace): boolean {
  const { service, rule } = place;
  if (kind === 'Service') return serviceKey({ namespace, name }) === serviceKey(service);
  if (rule === null || rule.route.kind !== kind) return false;
  if (serviceKey({ namespace, name }) !== serviceKey(rule.route)) return false;
  return sectionName === null || sectionName === rule.config.name;
}

function specificity({ kind, sectionName }: TargetRef): number {
  return kind === 'Service' ? 0 : sectionName === null ? 1 : 2;
}

function mapKinds(read: (key: PolicyKey) => RoutePolicies[PolicyKey]): RoutePolicies {
  return Object.freeze(Object.fromEntries(POLICY_KEYS.map((key) => [key, read(key)]))) as RoutePolicies;
}
