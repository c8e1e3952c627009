/**
 * Connections of the local service to the listeners that it is told to use: the proxy for all services, and the listener of one.
 */
import type { Snapshot } from '../config/snapshot.ts';
import type { FailureKind } from '../core/failure.ts';
import type { Route } from '../core/route.ts';
import type { Destination } from '../downstream/destination.ts';
import type { RequestHead } from '../protocol/head.ts';
import type { Protocol } from '../protocol/protocol.ts';
import type { TcpRoute } from '../protocol/tcp/tcp-route.ts';
import type { HostRouter } from './host-router.ts';

/** Requests go by their host, TLS by its server name; nothing else says where it wants to go. */
export class ProxyDestination implements Destination {
  readonly protocol = 'auto';
  readonly takesTcp = false;
  readonly byServerName = true;
  readonly address = '';
  private readonly snapshot: () => Snapshot;
  private readonly router: HostRouter;

  constructor(snapshot: () => Snapshot, router: HostRouter) {
    this.snapshot = snapshot;
    this.router = router;
  }

  routeFor(request: RequestHead): Route {
    return this.router.routeFor(request);
  }

  fallback(): Route {
    return this.snapshot().unrouted;
  }

  tcpRoute(): TcpRoute {
    return this.snapshot().tcp.unroutedOutbound;
  }

  tlsRoute(serverName: string): TcpRoute {
    return this.snapshot().tcp.outbound.get(serverName) ?? this.tcpRoute();
  }

  refusal(): FailureKind | null {
    return null;
  }
}

/** Whatever is said to the listener of a service is for that service. */
export class ServiceDestination implements Destination {
  readonly takesTcp = true;
  readonly byServerName = false;
  readonly address = '';
  private readonly snapshot: () => Snapshot;
  private readonly host: string;

  constructor(snapshot: () => Snapshot, host: string) {
    this.snapshot = snapshot;
    this.host = host;
  }

  get protocol(): Protocol {
    return this.tcpRoute().protocol;
  }

  routeFor(request: RequestHead): Route {
    const { outbound, unrouted } = this.snapshot();
    return outbound.get(this.host)?.routeFor(request) ?? unrouted;
  }

  fallback(): Route {
    const { outbound, unrouted } = this.snapshot();
    return outbound.get(this.host)?.fallback ?? unrouted;
  }

  tcpRoute(): TcpRoute {
    const { tcp } = this.snapshot();
    return tcp.outbound.get(this.host) ?? tcp.unroutedOutbound;
  }

  tlsRoute(): TcpRoute {
    return this.tcpRoute();
  }

  refusal(): FailureKind | null {
    return null;
  }
}
