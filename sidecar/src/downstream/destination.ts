/**
 * What the connections of a listener may become. Most listeners have one destination for all; where connections are captured, each
 * has its own, made from the address that it was meant for.
 */
import type { FailureKind } from '../core/failure.ts';
import type { Route } from '../core/route.ts';
import type { RequestHead } from '../protocol/head.ts';
import type { Protocol } from '../protocol/protocol.ts';
import type { TcpRoute } from '../protocol/tcp/tcp-route.ts';

export interface Destination {
  /** What config says that is spoken; with `auto` the first bytes tell. */
  readonly protocol: Protocol;
  /** Whether what is no HTTP can go somewhere. If not, it is for HTTP/1.1 to refuse. */
  readonly takesTcp: boolean;
  /** TLS that is not ours goes where its server name says, so that the ClientHello has to be read first. */
  readonly byServerName: boolean;
  /** Where the connection was meant to go when it was captured, as `host:port`; else empty. */
  readonly address: string;
  routeFor(request: RequestHead): Route;
  /** For requests whose head can't be read, and for timeouts between requests. */
  fallback(): Route;
  /** Without targets where no service matches. */
  tcpRoute(): TcpRoute;
  /** As `tcpRoute`, for TLS that is not ours. `serverName` is empty when there is none. */
  tlsRoute(serverName: string): TcpRoute;
  /** Why the connection must not be served, whatever it speaks; asked once its client has spoken, or has been silent for long. */
  refusal(): FailureKind | null;
}

/** Whether `route` leads somewhere: a connection that it leads nowhere is refused. */
export function leadsSomewhere(route: TcpRoute): boolean {
  return !route.targets.none;
}
