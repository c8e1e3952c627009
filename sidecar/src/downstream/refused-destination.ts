/**
 * For connections that were captured and lead nowhere: closed at once, and observed as any other.
 */
import type { Snapshot } from '../config/snapshot.ts';
import type { FailureKind } from '../core/failure.ts';
import type { Direction, Route } from '../core/route.ts';
import type { TcpRoute } from '../protocol/tcp/tcp-route.ts';
import type { Destination } from './destination.ts';

export class RefusedDestination implements Destination {
  readonly protocol = 'tcp';
  readonly takesTcp = true;
  readonly byServerName = false;
  readonly address: string;
  private readonly snapshot: () => Snapshot;
  private readonly direction: Direction;

  constructor(snapshot: () => Snapshot, direction: Direction, address: string) {
    this.snapshot = snapshot;
    this.direction = direction;
    this.address = address;
  }

  routeFor(): Route {
    return this.snapshot().unrouted;
  }

  fallback(): Route {
    return this.snapshot().unrouted;
  }

  tcpRoute(): TcpRoute {
    const { unroutedInbound, unroutedOutbound } = this.snapshot().tcp;
    return this.direction === 'inbound' ? unroutedInbound : unroutedOutbound;
  }

  tlsRoute(): TcpRoute {
    return this.tcpRoute();
  }

  refusal(): FailureKind | null {
    return null;
  }
}
