/**
 * The path of a request as rules are asked about it: one that no server can read in two ways.
 *
 * What is sent on is what came, byte for byte, so a path that servers take for different ones is not repaired but refused (RFC 3986 section 6.2.2
 * says what is the same; servers do more). Refused: empty and dot segments, parameters behind a semicolon, backslashes, and escapes of
 * `/ \ ; ? #` and of control characters, of a per cent sign that makes another escape, and of what is no UTF-8. Every other escape is read.
 *
 * Two readings: `matches…` of an allow rule compares what is there. A deny rule compares what is left when letter case, compatibility forms of
 * Unicode (NFKC) and a slash at the end make no difference, since some servers make none.
 *
 * Invariant: nothing is allocated for a path of ASCII.
 */
import { isUtf8 } from 'node:buffer';
import { LIMITS } from '../../core/limits.ts';
import { pathEnd } from '../../observe/request-line.ts';
import type { RequestHead } from '../../protocol/head.ts';
import { HEX_VALUE } from '../../protocol/http1/bytes.ts';

const SLASH = 0x2f;
const DOT = 0x2e;
const PER_CENT = 0x25;
const SEMICOLON = 0x3b;
const BACKSLASH = 0x5c;
const QUESTION_MARK = 0x3f;
const NUMBER_SIGN = 0x23;
const DELETE = 0x7f;

/** What makes a difference to servers; Unicode has other characters that some read as these. */
const DELIMITERS = /[^/\\%;?#]/g;

export class RequestPath {
  /** What allow rules compare. */
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  /** What deny rules compare, letter case of ASCII aside; without a slash at its end. */
  folded: Buffer = this.bytes;
  foldedStart = 0;
  foldedEnd = 0;
  private readonly unescaped = Buffer.allocUnsafeSlow(LIMITS.targetBytes);

  /** False when the path has more than one reading. */
  read(request: RequestHead): boolean {
    this.bytes = request.bytes;
    this.start = request.pathStart;
    this.end = pathEnd(request);
    let foldable = true;
    if (hasEscape(this.bytes, this.start, this.end)) {
      const length = unescapePath(this.bytes, this.start, this.end, this.unescaped);
      if (length === -1) return false;
      this.bytes = this.unescaped;
      this.start = 0;
      this.end = length;
      foldable = isAscii(this.unescaped, length);
    }
    if (!isPlain(this.bytes, this.start, this.end)) return false;
    this.folded = this.bytes;
    this.foldedStart = this.start;
    this.foldedEnd = this.end;
    if (!foldable && !this.fold()) return false;
    if (this.foldedEnd - this.foldedStart > 1 && this.folded[this.foldedEnd - 1] === SLASH) this.foldedEnd--;
    return true;
  }

  private fold(): boolean {
    const bytes = this.bytes.subarray(this.start, this.end);
    if (!isUtf8(bytes)) return false;
    const text = bytes.toString();
    const folded = foldText(text);
    if (folded.replace(DELIMITERS, '') !== text.replace(DELIMITERS, '')) return false;
    this.folded = Buffer.from(folded);
    this.foldedStart = 0;
    this.foldedEnd = this.folded.length;
    return isPlain(this.folded, 0, this.folded.length);
  }
}

/** What is wrong with a path of config, or null. An empty one is that of `/*`. */
export function explainPath(value: string): string | null {
  if (value === '') return null;
  if (!value.startsWith('/')) return 'must begin with "/"';
  if (value.length > LIMITS.patternValueBytes)
    return `must be at most ${LIMITS.patternValueBytes} characters`;
  if (/[?#*\s]/.test(value)) return 'must be a path, without query, fragment, space or "*"';
  return readPathText(value) === null ? 'can be read in more than one way: no request could match it' : null;
}

/** A path of config as the bytes that requests are compared with; null when it has more than one reading. */
export function readPathText(value: string): Buffer | null {
  const bytes = Buffer.from(value);
  const target = Buffer.alloc(bytes.length);
  const length = unescapePath(bytes, 0, bytes.length, target);
  if (length === -1 || !isPlain(target, 0, length) || !isUtf8(target.subarray(0, length))) return null;
  return target.subarray(0, length);
}

/** Letter case and forms of Unicode that some servers take for the same. */
export function foldText(value: string): string {
  return value.normalize('NFKC').toLowerCase();
}

function hasEscape(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] === PER_CENT) return true;
  return false;
}

function isAscii(bytes: Buffer, length: number): boolean {
  for (let at = 0; at < length; at++) if ((bytes[at] as number) > DELETE) return false;
  return true;
}

/** Returns the length of what was written to `target`, or -1 when an escape must not be read. */
function unescapePath(bytes: Buffer, start: number, end: number, target: Buffer): number {
  let length = 0;
  for (let at = start; at < end; at++) {
    let byte = bytes[at] as number;
    if (byte === PER_CENT) {
      const high = HEX_VALUE[bytes[at + 1] as number] as number;
      const low = HEX_VALUE[bytes[at + 2] as number] as number;
      if (at + 2 >= end || high > 15 || low > 15) return -1;
      byte = high * 16 + low;
      at += 2;
      if (isDelimiter(byte)) return -1;
    }
    target[length++] = byte;
  }
  return length;
}

function isDelimiter(byte: number): boolean {
  return (
    byte === SLASH ||
    byte === BACKSLASH ||
    byte === SEMICOLON ||
    byte === QUESTION_MARK ||
    byte === NUMBER_SIGN ||
    byte < 0x20 ||
    byte === DELETE
  );
}

/** Whether an unescaped path has one reading. */
function isPlain(bytes: Buffer, start: number, end: number): boolean {
  let previous = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte === SEMICOLON || byte === BACKSLASH) return false;
    if (previous === SLASH) {
      if (byte === SLASH) return false;
      if (byte === DOT && isDotSegment(bytes, at, end)) return false;
    }
    if (byte === PER_CENT && at + 2 < end) {
      const high = HEX_VALUE[bytes[at + 1] as number] as number;
      const low = HEX_VALUE[bytes[at + 2] as number] as number;
      if (high < 16 && low < 16) return false;
    }
    previous = byte;
  }
  return true;
}

function isDotSegment(bytes: Buffer, at: number, end: number): boolean {
  const next = bytes[at + 1] === DOT ? at + 2 : at + 1;
  return next >= end || bytes[next] === SLASH;
}
