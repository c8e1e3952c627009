/**
 * What keeps requests together: reads the hash of a header, a cookie or the caller's address off an exchange, without making a string.
 */
import type { Exchange } from '../../core/exchange.ts';
import { fieldId } from '../../protocol/field-names.ts';
import type { RequestHead } from '../../protocol/head.ts';
import { equalsWord } from '../../protocol/http1/scan.ts';
import type { HashSource } from './config.ts';
import { hashBytes, hashText } from './hash-words.ts';

/** The exchange has nothing to hash. */
export const NO_KEY = -1;

export type HashKey = (exchange: Exchange) => number;

const COOKIE = fieldId('cookie');
const EQUALS = 0x3d;
const SEMICOLON = 0x3b;
const SPACE = 0x20;
const QUOTE = 0x22;

export function compileHashKey(source: HashSource): HashKey {
  if ('source' in source) return ({ peerAddress }) => (peerAddress === '' ? NO_KEY : hashText(peerAddress));
  if ('cookie' in source) {
    const name = Buffer.from(source.cookie, 'latin1');
    return ({ request }) => hashOfCookie(request, name);
  }
  const name = Buffer.from(source.header, 'latin1');
  return ({ request }) => hashOfField(request, name);
}

function hashOfField(head: RequestHead, name: Buffer): number {
  const { bytes } = head;
  for (let row = 0; row < head.rows; row++) {
    if (head.dropped[row] === 1 || !equalsWord(bytes, head.lineStart(row), head.nameEnd(row), name)) continue;
    const start = head.valueStart(row);
    const end = head.valueEnd(row);
    return start === end ? NO_KEY : hashBytes(bytes, start, end);
  }
  return NO_KEY;
}

function hashOfCookie(head: RequestHead, name: Buffer): number {
  for (let row = 0; row < head.rows; row++) {
    if (head.ids[row] !== COOKIE || head.dropped[row] === 1) continue;
    const hash = hashOfPair(head.bytes, head.valueStart(row), head.valueEnd(row), name);
    if (hash !== NO_KEY) return hash;
  }
  return NO_KEY;
}

/** Of the value of the first pair with that name in `name=value; name=value` (RFC 6265 section 4.2.1). */
function hashOfPair(bytes: Uint8Array, from: number, to: number, name: Buffer): number {
  for (let at = from; at < to; ) {
    while (at < to && bytes[at] === SPACE) at++;
    let end = at;
    while (end < to && bytes[end] !== SEMICOLON) end++;
    if (startsWith(bytes, at, end, name)) {
      let start = at + name.length + 1;
      let stop = end;
      while (stop > start && bytes[stop - 1] === SPACE) stop--;
      // Quotes are part of the value on the wire, but clients differ in whether they send them back.
      if (stop - start >= 2 && bytes[start] === QUOTE && bytes[stop - 1] === QUOTE) {
        start++;
        stop--;
      }
      return start === stop ? NO_KEY : hashBytes(bytes, start, stop);
    }
    at = end + 1;
  }
  return NO_KEY;
}

function startsWith(bytes: Uint8Array, start: number, end: number, name: Buffer): boolean {
  if (end - start <= name.length || bytes[start + name.length] !== EQUALS) return false;
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) return false;
  return true;
}
