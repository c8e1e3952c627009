/**
 * Compiles a config into what the data path reads: routes with their chains and pools.
 *
 * Invariants: a snapshot is built whole before it replaces the one before; exchanges keep the routes they began with. Pools that both
 * snapshots need are carried over with their connections; the others close their idle connections and let busy ones complete.
 */
import type { ConnectionOptions } from 'node:tls';
import type { Chain } from '../core/chain.ts';
import type { Direction, Route, Timeouts } from '../core/route.ts';
import type { TransportContext } from '../transport/transport.ts';
import { RoundRobin } from '../upstream/balancer.ts';
import { type Endpoint, EndpointTransport, type UpstreamTransport } from '../upstream/endpoint.ts';
import type { PoolObserver } from '../upstream/pool.ts';
import { type Address, formatAddress } from './address.ts';
import type { SidecarConfig } from './schema.ts';

export interface Snapshot {
  /** By name of the listener. */
  readonly inbound: ReadonlyMap<string, Route>;
  /** By host, in lower case and without a port. */
  readonly outbound: ReadonlyMap<string, Route>;
  /** For outbound requests whose host is no service of the mesh. */
  readonly unrouted: Route;
  readonly pools: ReadonlyMap<string, UpstreamTransport>;
}

/** What a route is told apart by when its filters are built. */
export interface RouteProfile {
  readonly name: string;
  readonly direction: Direction;
  readonly service: string;
  readonly trustsPeer: boolean;
  /** SPIFFE id that the upstream must prove; empty without mTLS. */
  readonly upstreamIdentity: string;
}

export interface SnapshotDeps {
  readonly context: TransportContext;
  compileChain(profile: RouteProfile): Chain;
  clientTlsOptions(identity: string): ConnectionOptions;
  poolObserver(profile: RouteProfile): PoolObserver;
}

export function buildSnapshot(
  config: SidecarConfig,
  previous: Snapshot | null,
  deps: SnapshotDeps,
): Snapshot {
  const pools = new Map<string, UpstreamTransport>();
  const { timeouts, service } = config;

  const endpointOf = (profile: RouteProfile, address: Address): Endpoint => {
    const target = formatAddress(address);
    const key = JSON.stringify([profile.direction, profile.name, target, profile.upstreamIdentity, timeouts]);
    const pool = previous?.pools.get(key) ?? pools.get(key) ?? createPool(profile, address, timeouts, deps);
    pools.set(key, pool);
    return { address: target, transport: pool };
  };
  const routeTo = (profile: RouteProfile, addresses: readonly Address[] | null): Route =>
    Object.freeze({
      name: profile.name,
      direction: profile.direction,
      service,
      trustsPeer: profile.trustsPeer,
      balancer:
        addresses === null ? null : new RoundRobin(addresses.map((address) => endpointOf(profile, address))),
      chain: deps.compileChain(profile),
      timeouts,
    });

  const inbound = new Map<string, Route>();
  for (const { name, mtls, target } of config.inbound) {
    const trustsPeer = mtls === 'strict';
    inbound.set(
      name,
      routeTo({ name, direction: 'inbound', service, trustsPeer, upstreamIdentity: '' }, [target]),
    );
  }
  const outbound = new Map<string, Route>();
  for (const { host, identity, endpoints } of config.outbound?.services ?? []) {
    outbound.set(
      host,
      routeTo({ ...outboundProfile(host, service), upstreamIdentity: identity ?? '' }, endpoints),
    );
  }
  const unrouted = routeTo(outboundProfile('unrouted', service), null);
  return { inbound, outbound, unrouted, pools };
}

/** Lets go of what the snapshot that took over does not use. */
export function retireSnapshot(previous: Snapshot, current: Snapshot): void {
  for (const [key, pool] of previous.pools) if (!current.pools.has(key)) pool.close();
}

/** The local service is on the other side of loopback: it is who it says it is. */
function outboundProfile(name: string, service: string): RouteProfile {
  return { name, direction: 'outbound', service, trustsPeer: true, upstreamIdentity: '' };
}

function createPool(
  profile: RouteProfile,
  address: Address,
  timeouts: Timeouts,
  deps: SnapshotDeps,
): UpstreamTransport {
  const { upstreamIdentity } = profile;
  const target = {
    host: address.host,
    port: address.port,
    identity: upstreamIdentity,
    tlsOptions: upstreamIdentity === '' ? null : () => deps.clientTlsOptions(upstreamIdentity),
  };
  return new EndpointTransport(deps.context, target, 'auto', timeouts, deps.poolObserver(profile));
}
