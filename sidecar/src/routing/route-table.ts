/**
 * The routes to one service, and how a request finds its own.
 *
 * Invariants: a table never changes. A service that no route names costs one comparison; otherwise matches are asked in their order, on the
 * bytes of the request. A request to a port that no route is for goes to the service, as if there were none.
 */
import type { Route } from '../core/route.ts';
import type { RequestHead } from '../protocol/head.ts';
import { RequestMatcher } from './request-match.ts';
import type { RequestMatch } from './route-config.ts';

export type TableEntry = {
  readonly match: RequestMatch;
  /** Null for any. */
  readonly port: number | null;
  readonly route: Route;
};

const ANY_PORT = 0;
const DEFAULT_PORT = 80;

export class RouteTable {
  /** Without any rule; also for connections, and for requests that can't be read. */
  readonly fallback: Route;
  private readonly unmatched: Route;
  private readonly matchers: readonly RequestMatcher[];
  private readonly routes: readonly Route[];
  private readonly ports: readonly number[];
  private readonly byPort: boolean;

  /** `entries` in the order in which they are asked. `unmatched` is for requests that none of them applies to. */
  constructor(fallback: Route, unmatched: Route, entries: readonly TableEntry[]) {
    this.fallback = fallback;
    this.unmatched = unmatched;
    this.matchers = entries.map(({ match }) => new RequestMatcher(match));
    this.routes = entries.map(({ route }) => route);
    this.ports = entries.map(({ port }) => port ?? ANY_PORT);
    this.byPort = this.ports.some((port) => port !== ANY_PORT);
  }

  routeFor(request: RequestHead): Route {
    const { matchers, routes, ports, fallback } = this;
    if (matchers.length === 0) return fallback;
    const port = this.byPort ? portOf(request) : ANY_PORT;
    let routed = false;
    for (let i = 0; i < matchers.length; i++) {
      if (ports[i] !== ANY_PORT && ports[i] !== port) continue;
      routed = true;
      if ((matchers[i] as RequestMatcher).matches(request)) return routes[i] as Route;
    }
    return routed ? this.unmatched : fallback;
  }
}

/** The digits at the end of the authority. */
function portOf({ bytes, authorityStart, authorityEnd }: RequestHead): number {
  let port = 0;
  let scale = 1;
  for (let at = authorityEnd - 1; at >= authorityStart; at--) {
    const byte = bytes[at] as number;
    if (byte === 0x3a) return scale === 1 ? DEFAULT_PORT : port;
    if (byte < 0x30 || byte > 0x39) break;
    port += (byte - 0x30) * scale;
    scale *= 10;
  }
  return DEFAULT_PORT;
}
