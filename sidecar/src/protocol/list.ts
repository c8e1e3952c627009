/**
 * Walks over comma-separated lists in field values (RFC 9110 section 5.6.1), byte by byte and without a copy.
 */
const COMMA = 0x2c;
const SP = 0x20;
const HTAB = 0x09;

/** Where the member that begins at `start` ends: at a comma or at `end`. */
export function memberEndOf(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== COMMA) at++;
  return at;
}

/** The first of `bytes[start, end)` that is no optional whitespace, or `end`. */
export function skipSpace(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && isSpace(bytes[at] as number)) at++;
  return at;
}

/** Behind the last of `bytes[start, end)` that is no optional whitespace, or `start`. */
export function trimSpace(bytes: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && isSpace(bytes[at - 1] as number)) at--;
  return at;
}

function isSpace(byte: number): boolean {
  return byte === SP || byte === HTAB;
}
