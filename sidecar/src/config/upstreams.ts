/**
 * Builds what the routes of a snapshot lead to: pools, what is known of endpoints, balancers, health checks.
 *
 * Invariants: pools and groups that both snapshots need are carried over, with their connections and what they have learnt. Nothing of the
 * snapshot before changes until the next takes over; then groups follow their new policy, and checks begin.
 */
import type { ConnectionOptions } from 'node:tls';
import type { Timeouts } from '../core/route.ts';
import type { RandomWords } from '../observe/random-words.ts';
import { HANDLING, type Protocol } from '../protocol/protocol.ts';
import type { TransportContext } from '../transport/transport.ts';
import type { Balancer } from '../upstream/balancer.ts';
import { createBalancer } from '../upstream/balancing/create-balancer.ts';
import type { HashTable } from '../upstream/balancing/hash-balancer.ts';
import type { ConnectTarget } from '../upstream/connect.ts';
import type { Endpoint, EndpointProtocol, UpstreamTransport } from '../upstream/endpoint.ts';
import { EndpointGroup, type GroupObserver } from '../upstream/endpoint-group.ts';
import type { EndpointRecord } from '../upstream/endpoint-record.ts';
import type { CheckSlots } from '../upstream/health/check-slots.ts';
import { type Check, HealthChecker } from '../upstream/health/checker.ts';
import type { HealthCheckSpec } from '../upstream/health/config.ts';
import { exchangeCheck } from '../upstream/health/exchange-check.ts';
import { grpcQuestion, httpQuestion } from '../upstream/health/questions.ts';
import { tcpCheck } from '../upstream/health/tcp-check.ts';
import type { PoolObserver } from '../upstream/pool.ts';
import { DEFAULT_TRAFFIC, type TrafficSpec } from '../upstream/traffic-policy.ts';
import { type Address, formatAddress } from './address.ts';
import type { EndpointConfig, SidecarConfig } from './schema.ts';
import type { RouteProfile } from './snapshot.ts';

export interface Upstreams {
  readonly pools: ReadonlyMap<string, UpstreamTransport>;
  readonly groups: ReadonlyMap<string, EndpointGroup>;
  /** Of consistent hashing. */
  readonly tables: ReadonlyMap<string, HashTable>;
  readonly checkers: readonly HealthChecker[];
  /** What groups that are carried over have to be told when the snapshot takes over. */
  readonly takeovers: readonly (() => void)[];
}

export interface UpstreamDeps {
  readonly context: TransportContext;
  readonly random: RandomWords;
  readonly checkSlots: CheckSlots;
  openTransport(
    target: ConnectTarget,
    protocol: EndpointProtocol,
    timeouts: Timeouts,
    observer: PoolObserver,
  ): UpstreamTransport;
  clientTlsOptions(identity: string): ConnectionOptions;
  poolObserver(profile: RouteProfile): PoolObserver;
  groupObserver(profile: RouteProfile): GroupObserver;
}

/** Checks are counted for themselves: they are no connections of callers. */
const UNOBSERVED: PoolObserver = { onConnected: () => {}, onConnectFailed: () => {} };

export class UpstreamsBuilder implements Upstreams {
  readonly pools = new Map<string, UpstreamTransport>();
  readonly groups = new Map<string, EndpointGroup>();
  readonly tables = new Map<string, HashTable>();
  readonly checkers: HealthChecker[] = [];
  readonly takeovers: (() => void)[] = [];
  private readonly config: SidecarConfig;
  private readonly previous: Upstreams | null;
  private readonly deps: UpstreamDeps;

  constructor(config: SidecarConfig, previous: Upstreams | null, deps: UpstreamDeps) {
    this.config = config;
    this.previous = previous;
    this.deps = deps;
  }

  balancerTo(profile: RouteProfile, protocol: Protocol, configured: readonly EndpointConfig[]): Balancer {
    const { deps, config } = this;
    const spec = profile.policies.traffic?.spec ?? DEFAULT_TRAFFIC;
    const group = this.groupOf(profile, protocol, configured, spec);
    const endpoints = configured.map((entry): Endpoint => {
      const address = formatAddress(entry);
      const { weight, zone } = entry;
      const transport = this.poolTo(profile, protocol, entry);
      return { address, weight, zone, transport, record: group.recordOf(address) };
    });
    return createBalancer(group, endpoints, spec.loadBalancer, {
      random: deps.random,
      zone: config.zone,
      keepTable: (key, create) => keep(this.tables, this.previous?.tables, key, create),
    });
  }

  /** One that is not carried over. */
  createPool(profile: RouteProfile, protocol: Protocol, address: Address): UpstreamTransport {
    const { deps, config } = this;
    return this.transportTo(profile, protocol, address, config.timeouts, deps.poolObserver(profile));
  }

  private poolTo(profile: RouteProfile, protocol: Protocol, address: Address): UpstreamTransport {
    const { direction, name, upstreamIdentity } = profile;
    const { timeouts } = this.config;
    const key = JSON.stringify([
      direction,
      name,
      formatAddress(address),
      upstreamIdentity,
      protocol,
      timeouts,
    ]);
    return this.keepPool(key, () => this.createPool(profile, protocol, address));
  }

  private groupOf(
    profile: RouteProfile,
    protocol: Protocol,
    configured: readonly EndpointConfig[],
    spec: TrafficSpec,
  ): EndpointGroup {
    const { deps } = this;
    const key = JSON.stringify([profile.direction, profile.name]);
    const random = (): number => deps.random.nextFraction();
    const group =
      this.previous?.groups.get(key) ??
      new EndpointGroup(profile.name, { observer: deps.groupObserver(profile), random });
    group.prepare();
    this.groups.set(key, group);
    const addresses = configured.map(formatAddress);
    this.takeovers.push(() => group.follow(addresses, spec, deps.context.clock.monotonicMs()));
    const { healthCheck } = spec;
    if (healthCheck !== undefined && healthCheck.mode !== 'off') {
      const checks = configured.map((address): [EndpointRecord, Check] => [
        group.recordOf(formatAddress(address)),
        this.checkOf(profile, protocol, address, healthCheck),
      ]);
      const { context, checkSlots: slots } = deps;
      this.checkers.push(new HealthChecker(group, healthCheck, new Map(checks), { context, slots, random }));
    }
    return group;
  }

  private checkOf(
    profile: RouteProfile,
    protocol: Protocol,
    address: Address,
    { http, grpc, timeoutMs }: HealthCheckSpec,
  ): Check {
    const { context } = this.deps;
    const name = formatAddress(address);
    if (http === undefined && grpc === undefined) {
      return tcpCheck(context, this.targetOf(profile, address), timeoutMs);
    }
    const host = profile.direction === 'outbound' ? profile.name : name;
    const question =
      http === undefined ? grpcQuestion(grpc ?? { service: '' }, host) : httpQuestion(http, host);
    const timeouts = {
      ...this.config.timeouts,
      connectMs: timeoutMs,
      upstreamMs: timeoutMs,
      bodyIdleMs: timeoutMs,
    };
    const { direction, upstreamIdentity } = profile;
    // Not the pools of callers: what is asked is whether the endpoint is well, not whether they have a connection left.
    const key = JSON.stringify([
      'health',
      direction,
      profile.name,
      name,
      upstreamIdentity,
      protocol,
      timeouts,
    ]);
    const create = (): UpstreamTransport =>
      this.transportTo(profile, protocol, address, timeouts, UNOBSERVED);
    return exchangeCheck(context, name, this.keepPool(key, create), timeouts, timeoutMs, question);
  }

  private keepPool(key: string, create: () => UpstreamTransport): UpstreamTransport {
    return keep(this.pools, this.previous?.pools, key, create);
  }

  private transportTo(
    profile: RouteProfile,
    protocol: Protocol,
    address: Address,
    timeouts: Timeouts,
    observer: PoolObserver,
  ): UpstreamTransport {
    const spoken = HANDLING[protocol] === 'http2' ? 'http2' : 'auto';
    return this.deps.openTransport(this.targetOf(profile, address), spoken, timeouts, observer);
  }

  private targetOf({ upstreamIdentity: identity }: RouteProfile, { host, port }: Address): ConnectTarget {
    if (identity === '') return { host, port, identity, tlsOptions: null };
    return { host, port, identity, tlsOptions: () => this.deps.clientTlsOptions(identity) };
  }
}

/** What the former snapshot or this one has under a key, or a new one; it is this one's from here on. */
function keep<V>(
  own: Map<string, V>,
  former: ReadonlyMap<string, V> | undefined,
  key: string,
  create: () => V,
): V {
  const value = former?.get(key) ?? own.get(key) ?? create();
  own.set(key, value);
  return value;
}
