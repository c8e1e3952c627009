/**
 * Which policies apply where: of each kind the one whose target is the most specific.
 */
import { POLICIES, type PoliciesConfig, type Policy, type RoutePolicies } from './resources.ts';
import { type ServiceName, serviceKey } from './services.ts';

/** For routes that no document can name. */
export const NO_POLICIES = mapKinds(() => null);

/** For the requests to a service. */
export function policiesFor(policies: PoliciesConfig, service: ServiceName): RoutePolicies {
  return mapKinds((key) => policies[key].find((policy) => targetsService(policy, service)) ?? null);
}

function targetsService({ namespace, targets }: Policy<unknown>, service: ServiceName): boolean {
  return targets.some(({ name }) => serviceKey({ namespace, name }) === serviceKey(service));
}

function mapKinds(read: (key: keyof RoutePolicies) => RoutePolicies[keyof RoutePolicies]): RoutePolicies {
  const keys = Object.keys(POLICIES) as (keyof RoutePolicies)[];
  return Object.freeze(Object.fromEntries(keys.map((key) => [key, read(key)]))) as RoutePolicies;
}
