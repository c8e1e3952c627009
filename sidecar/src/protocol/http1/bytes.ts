/**
 * Character classes of HTTP/1.1 (RFC 9110 section 5.6.2, RFC 9112 section 3) as bits of one table.
 */

/** tchar: what names and methods are made of. */
export const TOKEN = 1;
/** What a field value may hold: VCHAR, SP, HTAB and obs-text. */
export const VALUE = 2;
/** What a request target may hold: printable ASCII without space, `#`, quotes and what RFC 3986 never allows unescaped. */
export const TARGET = 4;
export const HEX = 8;
export const DIGIT = 16;
/** What a host may hold: unreserved, sub-delims, `%`, and `:[]` for ports and IPv6 (RFC 3986 section 3.2.2). */
export const AUTHORITY = 32;

export const CLASS = new Uint8Array(256);

mark(TOKEN | VALUE | TARGET | AUTHORITY, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ');
mark(TOKEN | VALUE | TARGET | HEX | DIGIT | AUTHORITY, '0123456789');
mark(HEX, 'abcdefABCDEF');
mark(TOKEN, "!#$%&'*+-.^_`|~");
mark(TARGET, "-._~:/?[]@!$&'()*+,;=%|");
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

export const CR = 0x0d;
export const LF = 0x0a;
export const SP = 0x20;
export const HTAB = 0x09;
export const COLON = 0x3a;

function mark(bits: number, characters: string): void {
  for (const character of characters) {
    const byte = character.charCodeAt(0);
    CLASS[byte] = (CLASS[byte] as number) | bits;
  }
}
