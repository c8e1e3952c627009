/**
 * Undoes one layer of what hides an attack from who looks at bytes: percent escapes (also `%u0027`), escapes of JavaScript and CSS (`\u0027`, `\x27`),
 * character references of HTML, UTF-8 that is longer than needed, letters of full width, spaces of Unicode, characters without width, NUL.
 *
 * Invariants: what comes out is never longer than what went in; time is linear; bytes that encode nothing stay as they are.
 */
import { hexValue, isLetter } from '../character.ts';

/** Writes `text[start, end)` to `out` from its begin. Returns the length, or -1 if nothing was to be undone. */
export function decodeLayer(text: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let length = 0;
  let isChanged = false;
  let at = start;
  while (at < end) {
    const byte = text[at] as number;
    let used = 0;
    if (byte === 0x25) used = readPercent(text, at, end);
    else if (byte === 0x5c) used = readBackslash(text, at, end);
    else if (byte === 0x26) used = readReference(text, at, end);
    else if (byte >= 0xc0) used = readLookAlike(text, at, end);
    else if (byte === 0) used = drop(1);
    if (used === 0) {
      out[length++] = byte;
      at++;
    } else {
      isChanged = true;
      length = writeCode(out, length, code);
      at += used;
    }
  }
  return isChanged ? length : -1;
}

/** What the last reader read: a code point; less than 0 for nothing. */
let code = 0;

function take(value: number, used: number): number {
  code = value;
  return used;
}

function drop(used: number): number {
  return take(-1, used);
}

/** Escapes of bytes stay bytes: what they are together, UTF-8 or more escapes, is seen by the next layer. */
const BYTE = 0x1000000;

function writeCode(out: Uint8Array, length: number, value: number): number {
  let at = length;
  if (value < 0) return at;
  if (value >= BYTE || value < 0x80) {
    out[at++] = value & 0xff;
  } else if (value < 0x800) {
    out[at++] = 0xc0 | (value >> 6);
    out[at++] = 0x80 | (value & 0x3f);
  } else {
    out[at++] = 0xe0 | ((value >> 12) & 0xf);
    out[at++] = 0x80 | ((value >> 6) & 0x3f);
    out[at++] = 0x80 | (value & 0x3f);
  }
  return at;
}

function readPercent(text: Uint8Array, at: number, end: number): number {
  if (at + 2 < end) {
    const value = hexOf(text, at + 1, at + 3);
    if (value !== -1) return value === 0 ? drop(3) : take(BYTE | value, 3);
  }
  if (at + 5 < end && ((text[at + 1] as number) | 0x20) === 0x75) {
    const value = hexOf(text, at + 2, at + 6);
    if (value !== -1) return take(value, 6);
  }
  return 0;
}

function readBackslash(text: Uint8Array, at: number, end: number): number {
  const lower = at + 1 < end ? (text[at + 1] as number) | 0x20 : 0;
  if (lower === 0x78 && at + 3 < end) {
    const value = hexOf(text, at + 2, at + 4);
    if (value !== -1) return take(value, 4);
  }
  if (lower !== 0x75 || at + 5 >= end) return 0;
  if (text[at + 2] === 0x7b) {
    let value = 0;
    for (let i = at + 3; i < end && i < at + 10; i++) {
      if (text[i] === 0x7d && i > at + 3) return take(Math.min(value, 0xffff), i + 1 - at);
      const digit = hexValue(text[i] as number);
      if (digit === -1) return 0;
      value = value * 16 + digit;
    }
    return 0;
  }
  const value = hexOf(text, at + 2, at + 6);
  return value === -1 ? 0 : take(value, 6);
}

const NAMED: readonly (readonly [string, number])[] = [
  ['lt', 0x3c],
  ['gt', 0x3e],
  ['amp', 0x26],
  ['quot', 0x22],
  ['apos', 0x27],
  ['nbsp', 0x20],
  ['tab', 0x09],
  ['newline', 0x0a],
  ['colon', 0x3a],
  ['semi', 0x3b],
  ['sol', 0x2f],
  ['bsol', 0x5c],
  ['lpar', 0x28],
  ['rpar', 0x29],
  ['grave', 0x60],
  ['equals', 0x3d],
  ['period', 0x2e],
  ['comma', 0x2c],
  ['num', 0x23],
  ['dollar', 0x24],
];

function readReference(text: Uint8Array, at: number, end: number): number {
  if (at + 2 >= end) return 0;
  if (text[at + 1] === 0x23) return readNumericReference(text, at, end);
  if (!isLetter(text[at + 1] as number)) return 0;
  for (const [name, value] of NAMED) {
    const close = at + 1 + name.length;
    if (close < end && text[close] === 0x3b && isNamed(text, at + 1, name))
      return take(value, name.length + 2);
  }
  return 0;
}

function isNamed(text: Uint8Array, start: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    if (((text[start + i] as number) | 0x20) !== name.charCodeAt(i)) return false;
  }
  return true;
}

/** `&#39;`, `&#x27`; browsers need no semicolon and take any number of zeros, of which this takes some. */
function readNumericReference(text: Uint8Array, at: number, end: number): number {
  const isHex = ((text[at + 2] as number) | 0x20) === 0x78;
  const first = at + (isHex ? 3 : 2);
  let value = 0;
  let i = first;
  while (i < end && i < first + 8) {
    const digit = hexValue(text[i] as number);
    if (digit === -1 || (!isHex && digit > 9)) break;
    value = value * (isHex ? 16 : 10) + digit;
    i++;
  }
  if (i === first) return 0;
  if (i < end && text[i] === 0x3b) i++;
  return value === 0 || value > 0xffff ? drop(i - at) : take(value, i - at);
}

function hexOf(text: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = hexValue(text[i] as number);
    if (digit === -1) return -1;
    value = value * 16 + digit;
  }
  return value;
}

/** UTF-8 of what servers and databases take for an ASCII character. */
function readLookAlike(text: Uint8Array, at: number, end: number): number {
  const lead = text[at] as number;
  const second = at + 1 < end ? (text[at + 1] as number) : 0;
  // Of two bytes what needs one.
  if (lead === 0xc0 || lead === 0xc1) {
    return second >= 0x80 && second < 0xc0 ? take(((lead & 1) << 6) | (second & 0x3f), 2) : 0;
  }
  if (lead === 0xc2) return second === 0xa0 ? take(0x20, 2) : second === 0xad ? drop(2) : 0;
  // The modifier letter apostrophe, which SQL Server makes an apostrophe.
  if (lead === 0xca) return second === 0xbc ? take(0x27, 2) : 0;
  if (lead < 0xe0 || at + 2 >= end) return 0;
  const third = text[at + 2] as number;
  if (lead === 0xe0) {
    return second >= 0x80 && second < 0xa0 && third >= 0x80 && third < 0xc0
      ? take(((second & 0x3f) << 6) | (third & 0x3f), 3)
      : 0;
  }
  if (lead === 0xe2 && second === 0x80) {
    if (third <= 0x8a || third === 0xa8 || third === 0xa9 || third === 0xaf) return take(0x20, 3);
    return third <= 0x8f ? drop(3) : third === 0xb2 ? take(0x27, 3) : 0;
  }
  if (lead === 0xe3) return second === 0x80 && third === 0x80 ? take(0x20, 3) : 0;
  if (lead !== 0xef) return 0;
  if (second === 0xbb) return third === 0xbf ? drop(3) : 0;
  const wide = ((second & 0x3f) << 6) | (third & 0x3f);
  if (second !== 0xbc && second !== 0xbd) return 0;
  return wide >= 0xf01 && wide <= 0xf5e ? take(wide - 0xf00 + 0x20, 3) : 0;
}
