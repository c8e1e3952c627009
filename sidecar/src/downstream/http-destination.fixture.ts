/**
 * For tests of HTTP codecs behind a real listener: all requests have one route, and nothing but HTTP is taken.
 */
import type { FailureKind } from '../core/failure.ts';
import type { Route } from '../core/route.ts';
import type { TcpRoute } from '../protocol/tcp/tcp-route.ts';
import type { Destination } from './destination.ts';

export class HttpDestination implements Destination {
  readonly protocol = 'http';
  readonly takesTcp = false;
  readonly byServerName = false;
  readonly address = '';
  private readonly route: Route;

  constructor(route: Route) {
    this.route = route;
  }

  routeFor(): Route {
    return this.route;
  }

  fallback(): Route {
    return this.route;
  }

  tcpRoute(): TcpRoute {
    throw new Error('a connection was taken for TCP that can only be HTTP');
  }

  tlsRoute(): TcpRoute {
    return this.tcpRoute();
  }

  refusal(): FailureKind | null {
    return null;
  }
}
