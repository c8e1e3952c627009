/**
 * Parsers that watch the connections of a route, for the protocols that are understood.
 */
import type { Protocol } from '../protocol.ts';
import type { TcpRoute } from './tcp-route.ts';

/** Sees the bytes of a relayed connection as they pass; never changes or delays them. A tap that loses sync says so and is let go. */
export interface StreamTap {
  /** Bytes are only valid during the call. Returns false when the tap has turned itself off. */
  onClientBytes(bytes: Uint8Array, start: number, end: number, nowMs: number): boolean;
  onServerBytes(bytes: Uint8Array, start: number, end: number, nowMs: number): boolean;
  onClosed(nowMs: number): void;
}

/** By protocol, what makes a tap for one connection to `endpoint`, which is `host:port`. */
const TAPS: Partial<Record<Protocol, (route: TcpRoute, endpoint: string) => StreamTap>> = {};

export function tapFor(route: TcpRoute, endpoint: string): StreamTap | null {
  return TAPS[route.protocol]?.(route, endpoint) ?? null;
}
