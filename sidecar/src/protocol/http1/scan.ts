/**
 * The strict scanner: start lines and field lines of HTTP/1.1, byte by byte, into the table of a Head.
 *
 * Invariants
 * - A line is accepted only when it is well formed to its last byte; there is no lenient mode (RFC 9112 section 2.2 lets a recipient
 *   accept bare LF; two recipients that differ there are what smuggling lives on).
 * - Offsets are relative to `base`, the first byte of the head, so that they stay valid when the bytes are copied elsewhere.
 * - Nothing is allocated. A scan of a head that is not all there is resumed at the line that was incomplete.
 */
import { LIMITS } from '../../core/limits.ts';
import { findFieldId } from '../field-names.ts';
import type { Head } from '../head.ts';
import { CLASS, COLON, CR, HTAB, LF, SP, TOKEN, VALUE } from './bytes.ts';

/** Results of a scan, beside a positive end offset. */
export const INCOMPLETE = 0;
export const BAD_SYNTAX = -1;
export const TOO_LARGE = -2;

/**
 * Scans field lines from `base + head.length` until the empty line that ends them.
 *
 * Returns the offset behind the empty line, relative to `base`, or INCOMPLETE, BAD_SYNTAX, TOO_LARGE. `head.length` is left at the
 * start of the line to go on with; when complete, at the start of the empty line, so that added lines follow the received ones.
 */
export function scanFields(head: Head, bytes: Uint8Array, base: number, end: number): number {
  let lineStart = base + head.length;
  for (;;) {
    if (lineStart >= end) break;
    let at = lineStart;
    if (bytes[at] === CR) {
      if (at + 1 >= end) break;
      if (bytes[at + 1] !== LF) return BAD_SYNTAX;
      head.length = lineStart - base;
      return at + 2 - base;
    }
    while (at < end && ((CLASS[bytes[at] as number] as number) & TOKEN) !== 0) at++;
    if (at === end) break;
    // A name that is empty, or followed by a space (a fold or "Name :"), ends here.
    if (at === lineStart || bytes[at] !== COLON) return BAD_SYNTAX;
    const nameEnd = at++;
    while (at < end && (bytes[at] === SP || bytes[at] === HTAB)) at++;
    const valueStart = at;
    while (at < end && ((CLASS[bytes[at] as number] as number) & VALUE) !== 0) at++;
    if (at === end) break;
    if (bytes[at] !== CR) return BAD_SYNTAX;
    if (at + 1 >= end) break;
    if (bytes[at + 1] !== LF) return BAD_SYNTAX;
    if (at + 2 - lineStart > LIMITS.fieldLineBytes || head.rows >= LIMITS.fields) return TOO_LARGE;
    let valueEnd = at;
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HTAB)) valueEnd--;
    head.push(
      lineStart - base,
      nameEnd - base,
      valueStart - base,
      valueEnd - base,
      findFieldId(bytes, lineStart, nameEnd),
    );
    lineStart = at + 2;
    head.length = lineStart - base;
  }
  return end - lineStart > LIMITS.fieldLineBytes ? TOO_LARGE : INCOMPLETE;
}

/** Whether `bytes[start, end)` is the lower-case word, in whatever case it is written. */
export function equalsWord(bytes: Uint8Array, start: number, end: number, word: Uint8Array): boolean {
  if (end - start !== word.length) return false;
  for (let i = 0; i < word.length; i++) {
    const byte = bytes[start + i] as number;
    if ((byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte) !== word[i]) return false;
  }
  return true;
}
