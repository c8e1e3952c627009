/**
 * Compiles a config into what the data path reads: routes with their chains and pools.
 *
 * Invariants: a snapshot is built whole before it replaces the one before; exchanges keep the routes they began with. Pools that both
 * snapshots need are carried over with their connections; the others close their idle connections and let busy ones complete.
 */
import type { HedgePolicy, RetryPolicy } from '../core/attempts.ts';
import type { Chain } from '../core/chain.ts';
import { Failure, type FailureKind } from '../core/failure.ts';
import { LIMITS } from '../core/limits.ts';
import type { Direction, Route, Timeouts } from '../core/route.ts';
import type { AccessScope, ListenerAccess } from '../filters/access/access-control.ts';
import type { AccessSpec } from '../filters/access/config.ts';
import { Hedging } from '../filters/hedge/hedge.ts';
import type { HedgeSeries } from '../filters/hedge/metrics.ts';
import type { MirrorSeries } from '../filters/mirror/metrics.ts';
import type { RetrySeries } from '../filters/retry/metrics.ts';
import { Retry } from '../filters/retry/retry.ts';
import type { DataStoreObserver } from '../observe/datastore.ts';
import { Passthrough, type PassthroughRoute } from '../outbound/passthrough.ts';
import { HANDLING, type Protocol } from '../protocol/protocol.ts';
import type { ConnectionObserver } from '../protocol/tcp/tcp-route.ts';
import type { RouteTable } from '../routing/route-table.ts';
import type { RuleProfile } from '../routing/rule-profile.ts';
import { type Balancer, SoleEndpoint } from '../upstream/balancer.ts';
import { loneEndpoint } from '../upstream/lone-endpoint.ts';
import { DEFAULT_TRAFFIC, type TrafficSpec } from '../upstream/traffic-policy.ts';
import { type Address, formatAddress } from './address.ts';
import { NO_POLICIES, policiesFor } from './policies.ts';
import type { Policy, RoutePolicies } from './resources.ts';
import { buildRouteTables, type HttpService } from './route-tables.ts';
import type { SidecarConfig } from './schema.ts';
import { buildTcpRoutes, type TcpRoutes } from './tcp-routes.ts';
import { type UpstreamDeps, type Upstreams, UpstreamsBuilder } from './upstreams.ts';

export interface Snapshot extends Upstreams {
  /** By name of the listener, for peers that have proved who they are … */
  readonly inbound: ReadonlyMap<string, Route>;
  /** … and for those that have not, whose word counts for less. */
  readonly inboundUnproven: ReadonlyMap<string, Route>;
  /** By host, in lower case and without a port. */
  readonly outbound: ReadonlyMap<string, RouteTable>;
  /** For outbound requests whose host is no service of the mesh. */
  readonly unrouted: Route;
  /** For connections that are no HTTP, or not seen as such. */
  readonly tcp: TcpRoutes;
  /** To addresses outside of the mesh; null when nothing goes there. */
  readonly passthrough: Passthrough | null;
}

/** What a route is told apart by when its filters are built. */
export interface RouteProfile {
  readonly name: string;
  readonly direction: Direction;
  readonly service: string;
  readonly trustsPeer: boolean;
  /** SPIFFE id that the upstream must prove; empty without mTLS. */
  readonly upstreamIdentity: string;
  readonly policies: RoutePolicies;
  /** What guards the own service; null where nothing does, and for what it calls. */
  readonly access: ListenerAccess | null;
  /** Null where no rule of a route leads. */
  readonly rule: RuleProfile | null;
}

export interface SnapshotDeps extends UpstreamDeps {
  compileChain(profile: RouteProfile): Chain;
  compileMirrorChain(profile: RouteProfile, series: MirrorSeries): Chain;
  mirrorSeries(route: string, rule: string, backend: string): MirrorSeries;
  retrySeries(profile: RouteProfile): RetrySeries;
  hedgeSeries(profile: RouteProfile): HedgeSeries;
  connectionObserver(profile: RouteProfile): ConnectionObserver;
  dataStoreObserver(profile: RouteProfile, protocol: Protocol): DataStoreObserver | null;
  compileAccess(policy: Policy<AccessSpec> | null, scope: AccessScope): ListenerAccess | null;
}

const NEVER = Number.POSITIVE_INFINITY;

export function buildSnapshot(
  config: SidecarConfig,
  previous: Snapshot | null,
  deps: SnapshotDeps,
): Snapshot {
  const upstreams = new UpstreamsBuilder(config, previous, deps);
  const { timeouts, service } = config;

  const compile = (profile: RouteProfile) => {
    const traffic = profile.policies.traffic?.spec ?? DEFAULT_TRAFFIC;
    const common = {
      ...settingsOf(profile, timeouts),
      chain: deps.compileChain(profile),
      requestTimeoutMs: profile.rule?.config.requestTimeoutMs ?? traffic.timeouts.requestMs ?? NEVER,
      attemptTimeoutMs: profile.rule?.config.attemptTimeoutMs ?? traffic.timeouts.attemptMs ?? NEVER,
      retry: retryOf(profile, traffic, deps),
      hedge: hedgeOf(profile, traffic, deps),
    };
    return (balancer: Balancer | null, unreachable: FailureKind = Failure.noRoute): Route =>
      Object.freeze({ ...common, balancer, unreachable });
  };
  const compileMirror = (profile: RouteProfile, balancer: Balancer, series: MirrorSeries): Route =>
    Object.freeze({
      ...settingsOf(profile, timeouts),
      chain: deps.compileMirrorChain(profile, series),
      requestTimeoutMs: LIMITS.mirrorMs,
      attemptTimeoutMs: NEVER,
      retry: null,
      hedge: null,
      balancer,
      unreachable: Failure.noEndpoint,
    });
  const inbound = new Map<string, Route>();
  const inboundUnproven = new Map<string, Route>();
  const inboundAccess = new Map<string, ListenerAccess | null>();
  const policies = policiesFor(config.policies, {
    service: { namespace: config.namespace, name: service },
    rule: null,
  });
  for (const { name, protocol, target } of config.inbound) {
    const access = deps.compileAccess(policies.access, {
      port: target.port,
      ownTrustDomain: config.identity?.trustDomain ?? '',
      otherwise: config.accessDefault,
    });
    inboundAccess.set(name, access);
    const profile = { ...inboundProfile(name, service), policies, access };
    const balancer = upstreams.balancerTo(profile, protocol, [{ ...target, weight: 1, zone: '' }]);
    inbound.set(name, compile({ ...profile, trustsPeer: true })(balancer));
    inboundUnproven.set(name, compile(profile)(balancer));
  }
  const services: HttpService[] = [];
  for (const entry of config.outbound?.services ?? []) {
    const { host, identity, protocol, endpoints } = entry;
    // A host of a request leads to those alone that can answer one.
    if (HANDLING[protocol] === 'tcp') continue;
    const policies = policiesFor(config.policies, { service: entry, rule: null });
    const profile = { ...outboundProfile(host, service), upstreamIdentity: identity ?? '', policies };
    services.push({ service: entry, profile, balancer: upstreams.balancerTo(profile, protocol, endpoints) });
  }
  const outbound = buildRouteTables(config, services, {
    compile: (profile, balancer, unreachable) => compile(profile)(balancer, unreachable),
    compileMirror,
    mirrorSeries: deps.mirrorSeries,
  });
  const unrouted = compile(outboundProfile('unrouted', service))(null);
  const tcp = buildTcpRoutes(config, inboundAccess, deps);
  const passthroughProfile = outboundProfile('passthrough', service);
  const compiled = compile(passthroughProfile);
  const passTo = (address: Address): PassthroughRoute => {
    const transport = upstreams.createPool(passthroughProfile, 'auto', address);
    return { transport, route: compiled(new SoleEndpoint(loneEndpoint(formatAddress(address), transport))) };
  };
  const passthrough = config.outbound?.capture?.unknown === 'passthrough' ? new Passthrough(passTo) : null;
  const { pools, groups, tables, checkers, takeovers } = upstreams;
  return {
    inbound,
    inboundUnproven,
    outbound,
    unrouted,
    tcp,
    passthrough,
    pools,
    groups,
    tables,
    checkers,
    takeovers,
  };
}

/** The snapshot takes over from the one before, which lets go of what is not used any more. */
export function activateSnapshot(current: Snapshot, previous: Snapshot | null): void {
  for (const checker of previous?.checkers ?? []) checker.stop();
  for (const takeOver of current.takeovers) takeOver();
  for (const checker of current.checkers) checker.start();
  if (previous === null) return;
  for (const [key, pool] of previous.pools) if (!current.pools.has(key)) pool.close();
  previous.passthrough?.close();
}

/** The local service is on the other side of loopback: it is who it says it is. */
export function outboundProfile(name: string, service: string): RouteProfile {
  return {
    name,
    direction: 'outbound',
    service,
    trustsPeer: true,
    upstreamIdentity: '',
    policies: NO_POLICIES,
    access: null,
    rule: null,
  };
}

/** For peers that have not proved who they are. */
export function inboundProfile(name: string, service: string): RouteProfile {
  return { ...outboundProfile(name, service), direction: 'inbound', trustsPeer: false };
}

function settingsOf({ name, rule, direction, service, trustsPeer }: RouteProfile, timeouts: Timeouts) {
  return { name, rule: rule?.label ?? '', direction, service, trustsPeer, timeouts };
}

function retryOf(profile: RouteProfile, { retry }: TrafficSpec, deps: SnapshotDeps): RetryPolicy | null {
  if (retry === undefined || retry.mode === 'off') return null;
  return new Retry(retry, { random: deps.random, series: deps.retrySeries(profile) });
}

function hedgeOf(profile: RouteProfile, { hedge }: TrafficSpec, deps: SnapshotDeps): HedgePolicy | null {
  if (hedge === undefined || hedge.mode === 'off') return null;
  return new Hedging(hedge, deps.hedgeSeries(profile));
}
