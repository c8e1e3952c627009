/**
 * What of a config can never take effect although each document is right by itself: matches that others leave nothing over for, and policies
 * that more specific ones take the place of everywhere.
 */
import { covers, coversAll } from '../routing/coverage.ts';
import { type OrderedMatch, orderMatches } from '../routing/route-order.ts';
import { type DocumentFinding, documentKey } from './check-references.ts';
import { type AttachedPolicy, findPolicies, POLICY_KEYS, type PolicyPlace } from './policies.ts';
import { formatPath, type KeyPath } from './problem.ts';
import { POLICIES } from './resources.ts';
import type { SidecarConfig } from './schema.ts';
import { listServices } from './services.ts';

export function findInert(config: SidecarConfig): DocumentFinding[] {
  const matches = new MatchReport();
  const places: PolicyPlace[] = [];
  for (const [key, { served, called }] of listServices(config)) {
    const [namespace = '', name = ''] = key.split('/');
    const service = { namespace, name };
    if (served) places.push({ service, rule: null });
    if (called) places.push(...placesOf(orderMatches(config.routes, service), service, matches));
  }
  return [...matches.findings(), ...findInertPolicies(config, places)];
}

/** Where policies of a service can apply: the rules that can match, and what no rule matches. */
function placesOf(
  ordered: readonly OrderedMatch[],
  service: PolicyPlace['service'],
  report: MatchReport,
): PolicyPlace[] {
  const rules = new Map<unknown, PolicyPlace>();
  ordered.forEach((entry, index) => {
    const by = ordered.slice(0, index).find((earlier) => shadows(earlier, entry));
    report.note(entry, by ?? null);
    if (by === undefined)
      rules.set(entry.rule, { service, rule: { route: entry.route, config: entry.rule } });
  });
  const complete = ordered.some(({ match, port }) => port === null && coversAll(match));
  return complete ? [...rules.values()] : [...rules.values(), { service, rule: null }];
}

function shadows(earlier: OrderedMatch, later: OrderedMatch): boolean {
  return (earlier.port === null || earlier.port === later.port) && covers(earlier.match, later.match);
}

/** A match counts as inert when it is so for all services whose requests its route is for. */
class MatchReport {
  private readonly entries = new Map<string, { entry: OrderedMatch; by: OrderedMatch | null }>();

  note(entry: OrderedMatch, by: OrderedMatch | null): void {
    const key = `${documentKey(entry.route.kind, entry.route)} ${entry.ruleIndex} ${entry.matchIndex}`;
    const known = this.entries.get(key);
    if (known === undefined || by === null) this.entries.set(key, { entry, by });
  }

  *findings(): Iterable<DocumentFinding> {
    for (const { entry, by } of this.entries.values()) {
      if (by === null) continue;
      const path = pathOf(entry);
      const place = formatPath(pathOf(by));
      const other = by.route === entry.route ? place : `${place} of ${by.route.kind} ${by.route.name}`;
      const message = `can never match: ${other} comes first and takes every such request`;
      const document = documentKey(entry.route.kind, entry.route);
      yield { path, message, suggestion: null, at: 'value', severity: 'warning', document };
    }
  }
}

/** A rule without matches has one that stands nowhere. */
function pathOf({ ruleIndex, matchIndex, rule }: OrderedMatch): KeyPath {
  const path = ['spec', 'rules', ruleIndex];
  return rule.matches.length === 1 && matchIndex === 0 ? path : [...path, 'matches', matchIndex];
}

function* findInertPolicies(
  config: SidecarConfig,
  places: readonly PolicyPlace[],
): Iterable<DocumentFinding> {
  for (const key of POLICY_KEYS) {
    const policies = config.policies[key];
    const effective = new Set<AttachedPolicy['target']>();
    const shadowedBy = new Map<AttachedPolicy['target'], Set<string>>();
    for (const place of places) {
      const [winner, ...others] = findPolicies(policies, place);
      if (winner !== undefined) effective.add(winner.target);
      for (const { target } of others) {
        const names = shadowedBy.get(target) ?? new Set();
        shadowedBy.set(target, names.add(winner?.policy.name ?? ''));
      }
    }
    const { kind } = POLICIES[key];
    for (const policy of policies) {
      for (const [index, target] of policy.targets.entries()) {
        if (effective.has(target)) continue;
        const names = shadowedBy.get(target);
        const reason =
          names === undefined
            ? 'no request can get there'
            : `more specific ones apply to every request: ${kind} ${[...names].sort().join(', ')}`;
        yield {
          path: ['spec', 'targetRefs', index],
          message: `has no effect: ${reason}`,
          suggestion: null,
          at: 'value',
          severity: 'warning',
          document: documentKey(kind, policy),
        };
      }
    }
  }
}
