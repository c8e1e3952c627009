/**
 * What a listener and its connections know of each other, whatever protocol a connection speaks.
 */
import type { Route } from '../core/route.ts';
import type { RequestHead } from '../protocol/head.ts';

/** An accepted connection: implemented by each server codec. */
export interface DownstreamConnection {
  /** The connection is set up and reads; its first request is due, and what came of it follows through `onBytes`. */
  start(): void;
  /** Takes no further request; exchanges that are under way complete. */
  drain(): void;
  /** The drain deadline passed: ends at once. */
  cutOff(): void;
}

/** What a listener tells its connections. */
export interface ConnectionOwner {
  /** The route of a request whose head was read; for a request that could not be read, the listener's fallback. */
  routeFor(request: RequestHead): Route;
  /** No further request is taken on any connection. */
  readonly draining: boolean;
  onGone(connection: DownstreamConnection): void;
}
