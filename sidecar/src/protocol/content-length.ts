/**
 * The value of a Content-Length field (RFC 9110 section 8.6), in whatever protocol it came.
 */
import { CLASS, DIGIT } from './http1/bytes.ts';

/** Content lengths stay exact integers below 10^15. */
const MAX_DIGITS = 15;

/** Digits only, at most 15; -1 otherwise. */
export function readContentLength(bytes: Uint8Array, start: number, end: number): number {
  if (start === end || end - start > MAX_DIGITS) return -1;
  let length = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (((CLASS[byte] as number) & DIGIT) === 0) return -1;
    length = length * 10 + byte - 0x30;
  }
  return length;
}
