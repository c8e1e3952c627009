/**
 * The order in which the matches of all routes to a service are asked. The first that applies decides.
 */
import { type ServiceName, serviceKey } from '../config/services.ts';
import type { RequestMatch, RouteConfig, RuleConfig } from './route-config.ts';

export type OrderedMatch = {
  readonly route: RouteConfig;
  /** Places in the route. */
  readonly ruleIndex: number;
  readonly matchIndex: number;
  readonly rule: RuleConfig;
  readonly match: RequestMatch;
  /** Null for requests to any port. */
  readonly port: number | null;
};

/** `routes` break ties by their order, rules of one route by theirs. */
export function orderMatches(routes: readonly RouteConfig[], service: ServiceName): OrderedMatch[] {
  return routes.flatMap((route) => matchesOf(route, service)).sort(compareRanks);
}

/** How metrics, logs and policies call a rule. */
export function ruleLabel(route: RouteConfig, ruleIndex: number): string {
  return `${route.name}/${route.rules[ruleIndex]?.name ?? ruleIndex}`;
}

function matchesOf(route: RouteConfig, { namespace, name }: ServiceName): OrderedMatch[] {
  return route.parents
    .filter(
      (parent) =>
        serviceKey({ namespace: route.namespace, name: parent.name }) === serviceKey({ namespace, name }),
    )
    .flatMap(({ port }) =>
      route.rules.flatMap((rule, ruleIndex) =>
        rule.matches.map((match, matchIndex) => ({ route, ruleIndex, matchIndex, rule, match, port })),
      ),
    );
}

function compareRanks({ match: { rank: a } }: OrderedMatch, { match: { rank: b } }: OrderedMatch): number {
  for (const [index, first] of a.entries()) {
    const difference = (b[index] ?? 0) - first;
    if (difference !== 0) return difference;
  }
  return 0;
}
