/**
 * A connection of the local service that was redirected to the sidecar on its way to an address.
 *
 * What it says goes first (the host of a request, the server name of TLS), then the address; what belongs to no service goes where it
 * was meant to go, or nowhere, as config has it.
 */
import { type Address, formatAddress } from '../config/address.ts';
import type { Snapshot } from '../config/snapshot.ts';
import { Failure, type FailureKind } from '../core/failure.ts';
import type { Route } from '../core/route.ts';
import type { Destination } from '../downstream/destination.ts';
import type { RequestHead } from '../protocol/head.ts';
import type { Protocol } from '../protocol/protocol.ts';
import type { TcpRoute } from '../protocol/tcp/tcp-route.ts';
import type { RouteTable } from '../routing/route-table.ts';
import type { HostRouter } from './host-router.ts';

export class CapturedDestination implements Destination {
  readonly protocol: Protocol;
  readonly takesTcp = true;
  readonly byServerName = true;
  readonly address: string;
  private readonly snapshot: () => Snapshot;
  private readonly router: HostRouter;
  private readonly original: Address;
  /** Whether the connection was made by this very sidecar. */
  private readonly isOwn: () => boolean;
  /** The service that the address means, by its host. */
  private readonly host: string | null;
  private readonly tcp: TcpRoute;

  constructor(snapshot: () => Snapshot, router: HostRouter, original: Address, isOwn: () => boolean) {
    this.snapshot = snapshot;
    this.router = router;
    this.original = original;
    this.isOwn = isOwn;
    this.address = formatAddress(original);
    const { tcp, passthrough } = snapshot();
    const host = tcp.hosts.get(this.address) ?? null;
    const unknown = passthrough === null ? tcp.unroutedOutbound : tcp.passthroughTo(original);
    this.host = host;
    this.tcp = host === null ? unknown : (tcp.outbound.get(host) ?? tcp.unroutedOutbound);
    this.protocol = this.tcp.protocol;
  }

  routeFor(request: RequestHead): Route {
    const snapshot = this.snapshot();
    const route = this.router.routeFor(request);
    if (route !== snapshot.unrouted) return route;
    return this.table(snapshot)?.routeFor(request) ?? this.routeOutside(snapshot);
  }

  fallback(): Route {
    const snapshot = this.snapshot();
    return this.table(snapshot)?.fallback ?? this.routeOutside(snapshot);
  }

  tcpRoute(): TcpRoute {
    return this.tcp;
  }

  tlsRoute(serverName: string): TcpRoute {
    return this.snapshot().tcp.outbound.get(serverName) ?? this.tcp;
  }

  refusal(): FailureKind | null {
    return this.isOwn() ? Failure.loopDetected : null;
  }

  /** Of the service that the address means. */
  private table({ outbound }: Snapshot): RouteTable | undefined {
    return this.host === null ? undefined : outbound.get(this.host);
  }

  private routeOutside({ passthrough, unrouted }: Snapshot): Route {
    if (this.host !== null) return unrouted;
    return passthrough?.routeTo(this.original, this.address) ?? unrouted;
  }
}
