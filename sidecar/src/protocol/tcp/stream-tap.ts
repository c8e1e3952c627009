/**
 * Parsers that watch a relayed connection, one for each protocol that is understood.
 */

/** Sees the bytes of a relayed connection as they pass; never changes or delays them. A tap that loses sync says so and is let go. */
export interface StreamTap {
  /** Bytes are only valid during the call. Returns false when the tap has turned itself off. */
  onClientBytes(bytes: Uint8Array, start: number, end: number, nowMs: number): boolean;
  onServerBytes(bytes: Uint8Array, start: number, end: number, nowMs: number): boolean;
  onClosed(nowMs: number): void;
}
