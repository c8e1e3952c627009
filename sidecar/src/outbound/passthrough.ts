/**
 * HTTP routes to addresses outside of the mesh, made when something is sent there.
 *
 * Invariant: bounded. The oldest gives way; its connections complete what they carry and then close.
 */
import type { Address } from '../config/address.ts';
import { LIMITS } from '../core/limits.ts';
import type { Route } from '../core/route.ts';
import type { UpstreamTransport } from '../upstream/endpoint.ts';

export interface PassthroughRoute {
  readonly route: Route;
  readonly transport: UpstreamTransport;
}

export class Passthrough {
  private readonly create: (address: Address) => PassthroughRoute;
  private readonly routes = new Map<string, PassthroughRoute>();

  constructor(create: (address: Address) => PassthroughRoute) {
    this.create = create;
  }

  /** `key` is the address as text. */
  routeTo(address: Address, key: string): Route {
    const known = this.routes.get(key);
    if (known !== undefined) return known.route;
    if (this.routes.size >= LIMITS.passthroughDestinations) this.dropOldest();
    const created = this.create(address);
    this.routes.set(key, created);
    return created.route;
  }

  retireConnections(): void {
    for (const { transport } of this.routes.values()) transport.retireConnections();
  }

  close(): void {
    for (const { transport } of this.routes.values()) transport.close();
    this.routes.clear();
  }

  private dropOldest(): void {
    for (const [key, { transport }] of this.routes) {
      this.routes.delete(key);
      transport.close();
      return;
    }
  }
}
