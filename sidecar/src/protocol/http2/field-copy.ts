/**
 * Field lines of HTTP/2 on their way into a head (RFC 9113 section 8.2).
 *
 * Invariants: a head holds HTTP/1.1-shaped lines whatever it was decoded from, so that filters and codecs need to know one form.
 */
import { LIMITS } from '../../core/limits.ts';
import { copyBytes } from '../../transport/output.ts';
import { fieldId } from '../field-names.ts';
import type { Head } from '../head.ts';

/** `: ` between name and value. */
export const SEPARATOR_BYTES = 2;
/** `\r\n` behind the value. */
export const LINE_END_BYTES = 2;

/** Fields that speak of one connection of HTTP/1.1: no message of HTTP/2 may hold them. */
const CONNECTION_FIELD = new Uint8Array(256);
for (const name of [
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
] as const) {
  CONNECTION_FIELD[fieldId(name)] = 1;
}

export function isConnectionField(id: number): boolean {
  return CONNECTION_FIELD[id] === 1;
}

/** Appends `line[start, end)` to the head and its table. False when the head would become too large. */
export function copyField(
  head: Head,
  line: Uint8Array,
  start: number,
  end: number,
  nameLength: number,
  id: number,
  neverIndexed: boolean,
): boolean {
  const at = head.length;
  const length = end - start;
  if (at + length > LIMITS.headBytes || head.rows >= LIMITS.fields) return false;
  head.reserve(length);
  copyBytes(line, start, end, head.bytes, at);
  head.length = at + length;
  head.push(at, at + nameLength, at + nameLength + SEPARATOR_BYTES, at + length - LINE_END_BYTES, id);
  if (neverIndexed) head.markSecret();
  return true;
}
