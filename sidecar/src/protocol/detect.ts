/**
 * Tells from the first bytes of a connection what it speaks.
 *
 * Invariants
 * - A verdict is final: more bytes never change it, so how bytes are split into reads makes no difference.
 * - There is a verdict after at most `LIMITS.detectBytes` bytes; what is binary has one after its first byte.
 * - In doubt it is HTTP. A server that is lenient about a request line must not be reached around the filters by a line that
 *   is odd; such a line goes to the strict scanner, which refuses it.
 */
import { LIMITS } from '../core/limits.ts';
import { CLASS, CR, HTAB, LF, SP, TOKEN } from './http1/bytes.ts';

/** `incomplete` until the bytes can be one thing only. */
export type Verdict = 'incomplete' | 'http1' | 'http2' | 'tls' | 'tcp';

const TLS_HANDSHAKE = 0x16;
const TLS_MAJOR = 0x03;
const SLASH = 0x2f;
const ASTERISK = 0x2a;
/** RFC 9113 section 3.4. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export function detect(bytes: Uint8Array, start: number, end: number): Verdict {
  if (start === end) return 'incomplete';
  if (bytes[start] === TLS_HANDSHAKE) {
    if (end - start === 1) return 'incomplete';
    return bytes[start + 1] === TLS_MAJOR ? 'tls' : 'tcp';
  }
  const matched = matchPreface(bytes, start, end);
  if (matched === PREFACE.length) return 'http2';
  if (matched === end - start) return 'incomplete';
  return detectRequestLine(bytes, start, Math.min(end, start + LIMITS.detectBytes));
}

function matchPreface(bytes: Uint8Array, start: number, end: number): number {
  const count = Math.min(end - start, PREFACE.length);
  let i = 0;
  while (i < count && bytes[start + i] === PREFACE[i]) i++;
  return i;
}

/**
 * A request line starts with a method and a space. A method in capitals is enough: GET, CONNECT and whatever else is registered.
 * Any other word is a method only before a path, since words and spaces also begin SSH's and memcached's first line.
 */
function detectRequestLine(bytes: Uint8Array, start: number, end: number): Verdict {
  let at = start;
  while (at < end && isBlank(bytes[at] as number)) at++;
  const wordStart = at;
  let capitals = true;
  while (at < end && isToken(bytes[at] as number)) capitals = isCapital(bytes[at++] as number) && capitals;
  if (at === end) return undecided(start, end);
  if (at === wordStart || !isSpace(bytes[at] as number)) return 'tcp';
  if (capitals) return 'http1';
  while (at < end && isSpace(bytes[at] as number)) at++;
  if (at === end) return undecided(start, end);
  return bytes[at] === SLASH || bytes[at] === ASTERISK ? 'http1' : 'tcp';
}

function undecided(start: number, end: number): Verdict {
  return end - start < LIMITS.detectBytes ? 'incomplete' : 'tcp';
}

/** What servers are known to skip before a request line. */
function isBlank(byte: number): boolean {
  return byte === CR || byte === LF || isSpace(byte);
}

function isSpace(byte: number): boolean {
  return byte === SP || byte === HTAB;
}

function isToken(byte: number): boolean {
  return ((CLASS[byte] as number) & TOKEN) !== 0;
}

function isCapital(byte: number): boolean {
  return byte >= 0x41 && byte <= 0x5a;
}
