/**
 * Compiles from a config the rules by which requests to a service find their route.
 */
import { Failure, type FailureKind } from '../core/failure.ts';
import type { Route } from '../core/route.ts';
import type { MirrorSeries } from '../filters/mirror/metrics.ts';
import type { Mirror } from '../filters/mirror/mirror.ts';
import type { RouteConfig } from '../routing/route-config.ts';
import { type OrderedMatch, orderMatches, ruleLabel } from '../routing/route-order.ts';
import { RouteTable, type TableEntry } from '../routing/route-table.ts';
import type { RuleProfile } from '../routing/rule-profile.ts';
import type { Balancer } from '../upstream/balancer.ts';
import { policiesFor } from './policies.ts';
import type { PoliciesConfig } from './resources.ts';
import type { SidecarConfig } from './schema.ts';
import { type ServiceName, serviceKey } from './services.ts';
import type { RouteProfile } from './snapshot.ts';

/** A service that requests can be sent to. */
export interface HttpService {
  readonly service: ServiceName;
  readonly profile: RouteProfile;
  readonly balancer: Balancer;
}

export interface RouteTableDeps {
  /** Without a balancer an exchange ends as `unreachable` says, unless a filter chooses one. */
  compile(profile: RouteProfile, balancer: Balancer | null, unreachable: FailureKind): Route;
  /** For copies of requests. */
  compileMirror(profile: RouteProfile, balancer: Balancer, series: MirrorSeries): Route;
  mirrorSeries(route: string, rule: string, backend: string): MirrorSeries;
}

/** By host. */
export function buildRouteTables(
  config: SidecarConfig,
  services: readonly HttpService[],
  deps: RouteTableDeps,
): Map<string, RouteTable> {
  const compiler = new RuleCompiler(config.policies, services, deps);
  return new Map(
    services.map((entry) => {
      const { service, profile, balancer } = entry;
      const fallback = deps.compile(profile, balancer, Failure.noRoute);
      const ordered = orderMatches(config.routes, service);
      if (ordered.length === 0) return [profile.name, new RouteTable(fallback, fallback, [])];
      const unmatched = deps.compile(profile, null, Failure.noRule);
      return [profile.name, new RouteTable(fallback, unmatched, compiler.compile(ordered, entry))];
    }),
  );
}

class RuleCompiler {
  private readonly policies: PoliciesConfig;
  private readonly services: ReadonlyMap<string, HttpService>;
  private readonly deps: RouteTableDeps;

  constructor(policies: PoliciesConfig, services: readonly HttpService[], deps: RouteTableDeps) {
    this.policies = policies;
    this.services = new Map(services.map((entry) => [serviceKey(entry.service), entry]));
    this.deps = deps;
  }

  /** The matches of one rule lead to one route. */
  compile(ordered: readonly OrderedMatch[], service: HttpService): TableEntry[] {
    const routes = new Map<string, Route>();
    return ordered.map((entry) => {
      const key = `${entry.route.kind} ${serviceKey(entry.route)} ${entry.ruleIndex}`;
      const route = routes.get(key) ?? this.compileRule(entry, service);
      routes.set(key, route);
      return { match: entry.match, port: entry.port, route };
    });
  }

  private compileRule({ route, rule, ruleIndex }: OrderedMatch, { service, profile }: HttpService): Route {
    const policies = policiesFor(this.policies, { service, rule: { route, config: rule } });
    const label = ruleLabel(route, ruleIndex);
    const ruleProfile: RuleProfile = {
      label,
      config: rule,
      backends: rule.backends.map((backend) => {
        const target = this.serviceOf(route, backend.name);
        return {
          ...backend,
          balancer: target?.balancer ?? null,
          identity: target?.profile.upstreamIdentity ?? '',
        };
      }),
      mirrors: rule.mirrors.flatMap(({ backend, share }) =>
        this.mirrorTo(route, backend, share, profile.name, label),
      ),
      ownTraffic: policies.traffic !== profile.policies.traffic,
    };
    return this.deps.compile({ ...profile, policies, rule: ruleProfile }, null, Failure.noBackend);
  }

  /** None to a service that is not known; config.ts has warned of it. */
  private mirrorTo(
    route: RouteConfig,
    backend: string,
    share: number,
    host: string,
    label: string,
  ): Mirror[] {
    const target = this.serviceOf(route, backend);
    if (target === undefined) return [];
    const series = this.deps.mirrorSeries(host, label, backend);
    return [{ share, series, route: this.deps.compileMirror(target.profile, target.balancer, series) }];
  }

  private serviceOf({ namespace }: RouteConfig, name: string): HttpService | undefined {
    return this.services.get(serviceKey({ namespace, name }));
  }
}
