/**
 * The members of a baggage list (W3C Baggage, section 3.3.1), byte by byte.
 *
 * Invariant: nothing is decoded, since what two recipients decode in two ways would be two keys.
 */
import { CLASS, TOKEN } from '../../protocol/http1/bytes.ts';
import { skipSpace } from '../../protocol/list.ts';

const EQUALS = 0x3d;
const SEMICOLON = 0x3b;

/** What a value is made of: baggage-octet. */
const OCTET = new Uint8Array(256);
for (let byte = 0x21; byte < 0x7f; byte++) OCTET[byte] = 1;
for (const byte of Buffer.from('",;\\')) OCTET[byte] = 0;

/** Where the key of the member `bytes[start, end)`, which begins and ends with no whitespace, ends; -1 when it is no member. */
export function keyEndOf(bytes: Uint8Array, start: number, end: number): number {
  const keyEnd = skipToken(bytes, start, end);
  if (keyEnd === start) return -1;
  const equalsAt = skipSpace(bytes, keyEnd, end);
  if (equalsAt === end || bytes[equalsAt] !== EQUALS) return -1;
  let at = skipValue(bytes, equalsAt + 1, end);
  while (at < end) {
    if (bytes[at] !== SEMICOLON) return -1;
    const propertyAt = skipSpace(bytes, at + 1, end);
    at = skipToken(bytes, propertyAt, end);
    if (at === propertyAt) return -1;
    at = skipSpace(bytes, at, end);
    if (at < end && bytes[at] === EQUALS) at = skipValue(bytes, at + 1, end);
  }
  return keyEnd;
}

function skipToken(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && ((CLASS[bytes[at] as number] as number) & TOKEN) !== 0) at++;
  return at;
}

/** With the whitespace around it; it may be empty. */
function skipValue(bytes: Uint8Array, start: number, end: number): number {
  let at = skipSpace(bytes, start, end);
  while (at < end && OCTET[bytes[at] as number] === 1) at++;
  return skipSpace(bytes, at, end);
}
