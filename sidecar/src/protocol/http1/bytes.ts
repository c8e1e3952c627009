/**
 * Character classes of HTTP/1.1 (RFC 9110 section 5.6.2, RFC 9112 section 3) as bits of one table.
 */

/** tchar: what names and methods are made of. */
export const TOKEN = 1;
/** What a field value may hold: VCHAR, SP, HTAB and obs-text. */
export const VALUE = 2;
/** What a request target may hold in front of its query: see `skipTarget`. */
const TARGET = 4;
export const HEX = 8;
export const DIGIT = 16;
/** What the query of a request target may hold. */
const QUERY = 64;
/** What a host may hold: unreserved, sub-delims, `%`, and `:[]` for ports and IPv6 (RFC 3986 section 3.2.2). */
export const AUTHORITY = 32;

export const CLASS = new Uint8Array(256);

mark(TOKEN | VALUE | TARGET | QUERY | AUTHORITY, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ');
mark(TOKEN | VALUE | TARGET | QUERY | HEX | DIGIT | AUTHORITY, '0123456789');
mark(HEX, 'abcdefABCDEF');
mark(TOKEN, "!#$%&'*+-.^_`|~");
mark(TARGET | QUERY, "-._~:/[]@!$&'()*+,;=%|{}^`");
mark(QUERY, '?\\"<>');
mark(AUTHORITY, "-._~!$&'()*+,;=%:[]");
for (let byte = 0x20; byte < 0x100; byte++) if (byte !== 0x7f) CLASS[byte] = (CLASS[byte] as number) | VALUE;
CLASS[0x09] = VALUE;

/** Value of a hexadecimal digit, 255 for any other byte. */
export const HEX_VALUE = new Uint8Array(256).fill(255);
for (let value = 0; value < 16; value++) {
  const digit = value.toString(16);
  HEX_VALUE[digit.charCodeAt(0)] = value;
  HEX_VALUE[digit.toUpperCase().charCodeAt(0)] = value;
}

/**
 * Returns where the target that begins at `start` ends: at the first byte that can't be part of it, or at `end`.
 *
 * Beyond RFC 3986 a target may hold what browsers and other common clients send raw and what nginx, Envoy, HAProxy and Node pass on as it is:
 * `[ ] | { } ^` and backtick, and in the query `\ " < >` as well. No recipient takes them for a delimiter. In a path some take a backslash
 * for a slash, so that policy and service would see two paths; `#` begins a fragment for some (CVE-2023-45539).
 */
export function skipTarget(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && ((CLASS[bytes[at] as number] as number) & TARGET) !== 0) at++;
  if (at === end || bytes[at] !== QUESTION_MARK) return at;
  while (at < end && ((CLASS[bytes[at] as number] as number) & QUERY) !== 0) at++;
  return at;
}

export const CR = 0x0d;
export const LF = 0x0a;
export const SP = 0x20;
export const HTAB = 0x09;
export const COLON = 0x3a;
const QUESTION_MARK = 0x3f;

function mark(bits: number, characters: string): void {
  for (const character of characters) {
    const byte = character.charCodeAt(0);
    CLASS[byte] = (CLASS[byte] as number) | bits;
  }
}
