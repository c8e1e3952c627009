/**
 * What is known of a field beside its bytes, packed into one number so that a table look-up brings all of it: field id, kind of
 * pseudo-header, and whether name and value are well formed (RFC 9113 section 8.2.1).
 *
 * Invariant: a field is rendered as one line, `name: value\r\n`, as a Head holds it. The name of a pseudo-header keeps its colon.
 */
import { findFieldId, OTHER_FIELD } from '../../field-names.ts';
import { CLASS, COLON, CR, HTAB, LF, SP, TOKEN, VALUE } from '../../http1/bytes.ts';

export const PSEUDO_NONE = 0;
export const PSEUDO_METHOD = 1;
export const PSEUDO_PATH = 2;
export const PSEUDO_SCHEME = 3;
export const PSEUDO_AUTHORITY = 4;
export const PSEUDO_STATUS = 5;
export const PSEUDO_PROTOCOL = 6;
/** A name that starts with a colon and is none of those. */
export const PSEUDO_UNKNOWN = 7;

/** Bytes of a line that HPACK does not count (`: ` and CRLF), and what it counts for an entry beside its bytes. */
export const LINE_EXTRA_BYTES = 4;
export const ENTRY_BYTES = 32;

/** Layout of a kind: id in the low 8 bits, then the pseudo-header, then two bits for what is well formed. */
const ID_MASK = 0xff;
const PSEUDO_SHIFT = 8;
const PSEUDO_MASK = 0x7;
export const NAME_WELL_FORMED = 1 << 11;
export const VALUE_WELL_FORMED = 1 << 12;
const WELL_FORMED = NAME_WELL_FORMED | VALUE_WELL_FORMED;

const PSEUDO_NAMES = ['', ':method', ':path', ':scheme', ':authority', ':status', ':protocol'].map((name) =>
  Buffer.from(name),
);
/** Names are lower case in HTTP/2: a capital letter makes the message malformed. */
const NAME_BYTE = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const isCapital = byte >= 0x41 && byte <= 0x5a;
  if (((CLASS[byte] as number) & TOKEN) !== 0 && !isCapital) NAME_BYTE[byte] = 1;
}

export function idOf(kind: number): number {
  return kind & ID_MASK;
}

export function pseudoOf(kind: number): number {
  return (kind >>> PSEUDO_SHIFT) & PSEUDO_MASK;
}

export function isWellFormed(kind: number): boolean {
  return (kind & WELL_FORMED) === WELL_FORMED;
}

/** The kind of a name, VALUE_WELL_FORMED left open. */
export function kindOfName(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return OTHER_FIELD;
  if (bytes[start] === COLON) return (findPseudo(bytes, start, end) << PSEUDO_SHIFT) | NAME_WELL_FORMED;
  let good = 1;
  for (let i = start; i < end; i++) good &= NAME_BYTE[bytes[i] as number] as number;
  return good === 0 ? OTHER_FIELD : findFieldId(bytes, start, end) | NAME_WELL_FORMED;
}

/** VALUE_WELL_FORMED, or 0. */
export function kindOfValue(bytes: Uint8Array, start: number, end: number): number {
  let good = VALUE;
  for (let i = start; i < end; i++) good &= CLASS[bytes[i] as number] as number;
  return good === 0 || hasBlankEnd(bytes, start, end) ? 0 : VALUE_WELL_FORMED;
}

/** The same, and copies the value: one pass over the bytes instead of two. */
export function copyValue(bytes: Uint8Array, start: number, end: number, target: Buffer, at: number): number {
  let good = VALUE;
  for (let i = start, o = at; i < end; i++, o++) {
    const byte = bytes[i] as number;
    target[o] = byte;
    good &= CLASS[byte] as number;
  }
  return good === 0 || hasBlankEnd(bytes, start, end) ? 0 : VALUE_WELL_FORMED;
}

/** Writes what stands between name and value. Returns where the value starts. */
export function writeSeparator(target: Buffer, at: number): number {
  target[at] = COLON;
  target[at + 1] = SP;
  return at + 2;
}

export function writeLineEnd(target: Buffer, at: number): number {
  target[at] = CR;
  target[at + 1] = LF;
  return at + 2;
}

function hasBlankEnd(bytes: Uint8Array, start: number, end: number): boolean {
  return start < end && (isBlank(bytes[start] as number) || isBlank(bytes[end - 1] as number));
}

function isBlank(byte: number): boolean {
  return byte === SP || byte === HTAB;
}

function findPseudo(bytes: Uint8Array, start: number, end: number): number {
  for (let pseudo = PSEUDO_METHOD; pseudo < PSEUDO_UNKNOWN; pseudo++) {
    const name = PSEUDO_NAMES[pseudo] as Buffer;
    if (name.length !== end - start) continue;
    let i = 0;
    while (i < name.length && bytes[start + i] === name[i]) i++;
    if (i === name.length) return pseudo;
  }
  return PSEUDO_UNKNOWN;
}
