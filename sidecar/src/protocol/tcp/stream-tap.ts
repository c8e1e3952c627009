/**
 * Parsers that watch the connections of a route, for the protocols that are understood.
 */
import { isDataStore } from '../../observe/datastore.ts';
import { createDataStoreTap } from '../datastore/create-tap.ts';
import type { TcpRoute } from './tcp-route.ts';

/** Sees the bytes of a relayed connection as they pass; never changes or delays them. A tap that loses sync says so and is let go. */
export interface StreamTap {
  /** Bytes are only valid during the call. Returns false when the tap has turned itself off. */
  onClientBytes(bytes: Uint8Array, start: number, end: number, nowMs: number): boolean;
  onServerBytes(bytes: Uint8Array, start: number, end: number, nowMs: number): boolean;
  onClosed(nowMs: number): void;
}

/** A tap for one connection of a route to `endpoint`, which is `host:port`; null when nothing of the route is understood. */
export function tapFor(
  { protocol, dataStoreObserver, keyPrefixes }: TcpRoute,
  endpoint: string,
): StreamTap | null {
  if (dataStoreObserver === null || !isDataStore(protocol)) return null;
  return createDataStoreTap(protocol, dataStoreObserver, { endpoint, keyPrefixes });
}
