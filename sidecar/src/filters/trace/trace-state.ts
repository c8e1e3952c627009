/**
 * Judges tracestate by the grammar of Trace Context level 2, section 3.3, which accepts every key of level 1 as well.
 *
 * Invariants: members are never changed nor moved; one that is malformed, or one too many, takes all of them with it, since a list with a gap
 * would lie about the way of a request. Nothing is allocated.
 */
import { LIMITS } from '../../core/limits.ts';
import { fieldId } from '../../protocol/field-names.ts';
import type { RequestHead } from '../../protocol/head.ts';
import { memberEndOf, skipSpace, trimSpace } from '../../protocol/list.ts';

const TRACESTATE = fieldId('tracestate');
const MALFORMED = -1;

const COMMA = 0x2c;
const EQUALS = 0x3d;

/** What a key begins with, what goes on in it, and what a value holds. */
const KEY_START = 1;
const KEY = 2;
const VALUE = 4;
const CLASS = new Uint8Array(256);
for (let byte = 0x20; byte < 0x7f; byte++) if (byte !== COMMA && byte !== EQUALS) CLASS[byte] = VALUE;
for (const byte of Buffer.from('abcdefghijklmnopqrstuvwxyz0123456789')) CLASS[byte] = KEY_START | KEY | VALUE;
for (const byte of Buffer.from('_-*/@')) CLASS[byte] = KEY | VALUE;

/** Drops all lines when they make no valid list together, and those that say nothing. */
export function checkTracestate(request: RequestHead): void {
  const first = request.firstRow[TRACESTATE] as number;
  if (first === -1) return;
  const { bytes, ids, rows } = request;
  let members = 0;
  for (let row = first; row < rows; row++) {
    if (ids[row] !== TRACESTATE) continue;
    const count = countMembers(bytes, request.valueStart(row), request.valueEnd(row));
    members += count;
    if (count === MALFORMED || members > LIMITS.tracestateMembers) {
      request.drop(TRACESTATE);
      return;
    }
    if (count === 0) request.dropRow(row);
  }
  if (members === 0) request.drop(TRACESTATE);
}

/** Of `bytes[start, end)`, those that are empty not counted; MALFORMED when one is no `key=value`. */
function countMembers(bytes: Uint8Array, start: number, end: number): number {
  let members = 0;
  for (let at = start; at < end; at++) {
    const memberEnd = memberEndOf(bytes, at, end);
    const from = skipSpace(bytes, at, memberEnd);
    const to = trimSpace(bytes, from, memberEnd);
    if (to > from) {
      if (!isMember(bytes, from, to)) return MALFORMED;
      members++;
    }
    at = memberEnd;
  }
  return members;
}

function isMember(bytes: Uint8Array, start: number, end: number): boolean {
  if (((CLASS[bytes[start] as number] as number) & KEY_START) === 0) return false;
  let at = start + 1;
  while (at < end && ((CLASS[bytes[at] as number] as number) & KEY) !== 0) at++;
  if (at === end || bytes[at] !== EQUALS || at - start > LIMITS.tracestateKeyBytes) return false;
  const valueStart = ++at;
  while (at < end && ((CLASS[bytes[at] as number] as number) & VALUE) !== 0) at++;
  return at === end && end > valueStart && end - valueStart <= LIMITS.tracestateValueBytes;
}
