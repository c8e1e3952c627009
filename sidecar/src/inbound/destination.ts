/**
 * Connections from peers to the local service, through the listener of one inbound entry.
 */
import type { InboundConfig } from '../config/schema.ts';
import type { Snapshot } from '../config/snapshot.ts';
import type { FailureKind } from '../core/failure.ts';
import type { Route } from '../core/route.ts';
import type { Destination } from '../downstream/destination.ts';
import type { Protocol } from '../protocol/protocol.ts';
import type { TcpRoute } from '../protocol/tcp/tcp-route.ts';

export class InboundDestination implements Destination {
  readonly protocol: Protocol;
  readonly takesTcp = true;
  /** TLS of the service's own goes to the service, whatever it names. */
  readonly byServerName = false;
  readonly address = '';
  private readonly snapshot: () => Snapshot;
  private readonly name: string;
  private readonly proven: boolean;

  /** `proven`: for peers with an identity. */
  constructor(
    snapshot: () => Snapshot,
    { name, protocol }: Pick<InboundConfig, 'name' | 'protocol'>,
    proven: boolean,
  ) {
    this.snapshot = snapshot;
    this.name = name;
    this.protocol = protocol;
    this.proven = proven;
  }

  routeFor(): Route {
    const { inbound, inboundUnproven } = this.snapshot();
    return required((this.proven ? inbound : inboundUnproven).get(this.name), this.name);
  }

  fallback(): Route {
    return this.routeFor();
  }

  tcpRoute(): TcpRoute {
    return required(this.snapshot().tcp.inbound.get(this.name), this.name);
  }

  tlsRoute(): TcpRoute {
    return this.tcpRoute();
  }

  refusal(): FailureKind | null {
    return null;
  }
}

function required<R>(route: R | undefined, name: string): R {
  if (route === undefined) throw new Error(`no route for listener ${name}`);
  return route;
}
