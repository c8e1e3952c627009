/**
 * Compiles from a config where connections are passed on to that are not HTTP, or not seen as such.
 */
import type { ConnectionOptions } from 'node:tls';
import { RELAY_ALPN } from '../downstream/codecs.ts';
import type { ListenerAccess } from '../filters/access/access-control.ts';
import type { DataStoreObserver } from '../observe/datastore.ts';
import type { Protocol } from '../protocol/protocol.ts';
import { type ConnectionObserver, Targets, type TcpRoute } from '../protocol/tcp/tcp-route.ts';
import type { ConnectTarget } from '../upstream/connect.ts';
import type { PoolObserver } from '../upstream/pool.ts';
import { type Address, canonicalAddress, formatAddress } from './address.ts';
import type { SidecarConfig } from './schema.ts';
import { inboundProfile, outboundProfile, type RouteProfile } from './snapshot.ts';

export interface TcpRoutes {
  /** By name of the listener. */
  readonly inbound: ReadonlyMap<string, TcpRoute>;
  /** The name of the entry that captured connections to a port are for. */
  readonly entries: ReadonlyMap<number, string>;
  /** By host, in lower case. */
  readonly outbound: ReadonlyMap<string, TcpRoute>;
  /** The host of the service that an address means, by `host:port`. */
  readonly hosts: ReadonlyMap<string, string>;
  /** For connections that are for no service of the mesh. */
  readonly unroutedInbound: TcpRoute;
  readonly unroutedOutbound: TcpRoute;
  /** To an address outside of the mesh. */
  passthroughTo(address: Address): TcpRoute;
}

export interface TcpRouteDeps {
  clientTlsOptions(identity: string): ConnectionOptions;
  poolObserver(profile: RouteProfile): PoolObserver;
  connectionObserver(profile: RouteProfile): ConnectionObserver;
  dataStoreObserver(profile: RouteProfile, protocol: Protocol): DataStoreObserver | null;
}

export function buildTcpRoutes(
  config: SidecarConfig,
  access: ReadonlyMap<string, ListenerAccess | null>,
  deps: TcpRouteDeps,
): TcpRoutes {
  const { timeouts, service } = config;
  const routeTo = (profile: RouteProfile, protocol: Protocol, addresses: readonly Address[]): TcpRoute =>
    Object.freeze({
      name: profile.name,
      direction: profile.direction,
      protocol,
      targets: new Targets(addresses.map((address) => targetOf(address, profile.upstreamIdentity, deps))),
      timeouts,
      access: profile.access?.connections ?? null,
      observer: deps.connectionObserver(profile),
      dataStoreObserver: deps.dataStoreObserver(profile, protocol),
      keyPrefixes: config.telemetry.keyPrefixes,
      upstreamObserver: deps.poolObserver(profile),
    });

  const inbound = new Map<string, TcpRoute>();
  const entries = new Map<number, string>();
  for (const { name, protocol, target } of config.inbound) {
    const profile = { ...inboundProfile(name, service), access: access.get(name) ?? null };
    inbound.set(name, routeTo(profile, protocol, [target]));
    entries.set(target.port, name);
  }
  const outbound = new Map<string, TcpRoute>();
  const hosts = new Map<string, string>();
  for (const { host, identity, protocol, endpoints, addresses } of config.outbound?.services ?? []) {
    const profile = { ...outboundProfile(host, service), upstreamIdentity: identity ?? '' };
    outbound.set(host, routeTo(profile, protocol, endpoints));
    for (const address of addresses) hosts.set(formatAddress(canonicalAddress(address)), host);
  }
  const unrouted = outboundProfile('unrouted', service);
  const passthrough = outboundProfile('passthrough', service);
  return {
    inbound,
    entries,
    outbound,
    hosts,
    unroutedInbound: routeTo({ ...unrouted, direction: 'inbound' }, 'auto', []),
    unroutedOutbound: routeTo(unrouted, 'auto', []),
    passthroughTo: (address) => routeTo(passthrough, 'auto', [address]),
  };
}

function targetOf({ host, port }: Address, identity: string, deps: TcpRouteDeps): ConnectTarget {
  if (identity === '') return { host, port, identity, tlsOptions: null };
  return {
    host,
    port,
    identity,
    tlsOptions: () => deps.clientTlsOptions(identity),
    alpnProtocols: [RELAY_ALPN],
  };
}
