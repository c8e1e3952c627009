/**
 * What a request's method says about the request (RFC 9110 section 9.2).
 */
import type { RequestHead } from './head.ts';

const SAFE_METHODS = 4;
/** The safe ones first. */
const IDEMPOTENT = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'].map((name) => Buffer.from(name));
const METHOD_HEAD = Buffer.from('HEAD');

/** Methods are case-sensitive. */
export function noteMethod(head: RequestHead): void {
  const { bytes, start, methodEnd } = head;
  head.isHead = equalsBytes(bytes, start, methodEnd, METHOD_HEAD);
  for (let i = 0; i < IDEMPOTENT.length; i++) {
    if (!equalsBytes(bytes, start, methodEnd, IDEMPOTENT[i] as Buffer)) continue;
    head.isIdempotent = true;
    head.isSafe = i < SAFE_METHODS;
    return;
  }
}

export function equalsBytes(bytes: Uint8Array, start: number, end: number, word: Uint8Array): boolean {
  if (end - start !== word.length) return false;
  for (let i = 0; i < word.length; i++) if (bytes[start + i] !== word[i]) return false;
  return true;
}
