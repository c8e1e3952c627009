/**
 * Hashes of bytes and text for consistent hashing: FNV-1a (RFC 9923), mixed at the end as MurmurHash3 does so that the high bits are as good as the low.
 *
 * Invariant: unsigned 32-bit, and the same on every sidecar and in every version, because callers have to agree on endpoints.
 */
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

export function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = FNV_OFFSET;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), FNV_PRIME);
  return mix(hash);
}

/** The same for Latin-1 text. */
export function hashText(text: string): number {
  let hash = FNV_OFFSET;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
  return mix(hash);
}

/** Any number of hashes from one. */
export function rehash(hash: number, salt: number): number {
  return mix(hash + Math.imul(salt + 1, 0x9e3779b9));
}

function mix(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
