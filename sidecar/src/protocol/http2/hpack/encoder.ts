/**
 * HPACK encoder (RFC 7541): writes header blocks from flat bytes.
 *
 * A field whose value was seen shortly before goes into the dynamic table and costs one byte from then on. What varies from message to
 * message is written as it is, so that it can't push out what repeats. Strings are not Huffman coded: between sidecars bytes are cheaper
 * than the time that coding them takes.
 *
 * Invariants
 * - Both tables stay the same only if every block that was written is sent, in the order of writing.
 * - The table is never larger than the peer allows, nor than our own bound. Nothing is allocated after the first entry.
 */
import { LIMITS } from '../../../core/limits.ts';
import { copyBytes } from '../../../transport/output.ts';
import { EncoderTable, hashField } from './encoder-table.ts';
import { ENTRY_BYTES } from './field.ts';
import {
  ADAPTIVE,
  AUTHORITY_NAME,
  findKnownName,
  KNOWN_NAMES,
  LOWER,
  METHOD_NAME,
  NATURE,
  PATH_NAME,
  PROTOCOL_NAME,
  SECRET,
  STATUS_NAME,
  VARYING,
} from './known-names.ts';
import { STATIC_ENTRIES, STATIC_FIELDS } from './static-table.ts';

/** Representations (section 6): the bits in front, and the largest value that fits behind them. */
const INDEXED = 0x80;
const INDEXED_MASK = 0x7f;
const WITH_INDEXING = 0x40;
const WITH_INDEXING_MASK = 0x3f;
const WITHOUT_INDEXING = 0x00;
const NEVER_INDEXED = 0x10;
const LITERAL_MASK = 0x0f;
const SIZE_UPDATE = 0x20;
const SIZE_UPDATE_MASK = 0x1f;
const LENGTH_MASK = 0x7f;

/** An integer of 32 bits with its prefix. */
const INTEGER_BYTES = 6;
/** Hashes of fields that were seen, each in its own place: how long one is remembered depends on how much varies. */
const SEEN = 256;
const SEEN_SHIFT = 24;
/** Insertions left out for each entry that left the table unused: where values churn, the table is left to those that repeat. */
const RESTRAINT = 8;
const MAX_RESTRAINT = 256;

const GET = Buffer.from('GET');
const POST = Buffer.from('POST');
const METHOD_GET = indexOf(':method', 'GET');
const METHOD_POST = indexOf(':method', 'POST');
const PATH_ROOT = indexOf(':path', '/');
const SCHEME_HTTP = indexOf(':scheme', 'http');
const SCHEME_HTTPS = indexOf(':scheme', 'https');
const SLASH = 0x2f;
const ZERO = 0x30;
const STATUS_DIGITS = 3;
const STATUS_INDEXES = new Uint8Array(1_000);
for (const [i, [name, value]] of STATIC_FIELDS.entries())
  if (name === ':status') STATUS_INDEXES[Number(value)] = i + 1;

export class HpackEncoder {
  /** What size updates at the beginning of a block take at most. */
  static readonly BEGIN_BYTES = 2 * INTEGER_BYTES;

  private readonly table = new EncoderTable(LIMITS.hpackTableBytes);
  private readonly seen = new Int32Array(SEEN);
  /** Insertions that are still left out. */
  private restraint = 0;
  /** The smallest and the last size that was asked for since the last block. */
  private smallestBytes: number = LIMITS.hpackTableBytes;
  private wantedBytes: number = LIMITS.hpackTableBytes;

  /** What a field takes at most. */
  static worstCase(nameLength: number, valueLength: number): number {
    return nameLength + valueLength + 3 * INTEGER_BYTES;
  }

  /** From the peer's SETTINGS_HEADER_TABLE_SIZE; told to its decoder at the beginning of the next block (section 4.2). */
  setMaxTableBytes(bytes: number): void {
    this.wantedBytes = Math.min(bytes, LIMITS.hpackTableBytes);
    this.smallestBytes = Math.min(this.smallestBytes, this.wantedBytes);
  }

  /** Begins a block. Returns where the first field goes. */
  begin(target: Buffer, at: number): number {
    const { table, smallestBytes, wantedBytes } = this;
    if (smallestBytes === table.maxBytes && wantedBytes === table.maxBytes) return at;
    let end = at;
    if (smallestBytes < wantedBytes && smallestBytes < table.maxBytes) {
      table.resize(smallestBytes);
      end = writeInteger(target, end, SIZE_UPDATE, SIZE_UPDATE_MASK, smallestBytes);
    }
    table.resize(wantedBytes);
    this.smallestBytes = wantedBytes;
    return writeInteger(target, end, SIZE_UPDATE, SIZE_UPDATE_MASK, wantedBytes);
  }

  /**
   * Writes a field. The name, in whatever case it is, is written in lower case; `id` is its field id. What was received as never
   * indexed is sent on as that. Returns the end.
   */
  field(
    source: Uint8Array,
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
    id: number,
    target: Buffer,
    at: number,
    neverIndexed = false,
  ): number {
    const known = findKnownName(source, nameStart, nameEnd, id);
    const nature = neverIndexed ? SECRET : NATURE[known];
    if (nature === ADAPTIVE)
      return this.adaptive(known, source, nameStart, nameEnd, valueStart, valueEnd, target, at);
    if (nature === VARYING) return this.varying(known, source, valueStart, valueEnd, target, at);
    const end = this.writeName(NEVER_INDEXED, LITERAL_MASK, known, source, nameStart, nameEnd, target, at);
    return writeValue(source, valueStart, valueEnd, target, end);
  }

  method(source: Uint8Array, start: number, end: number, target: Buffer, at: number): number {
    if (isWord(source, start, end, GET)) return writeIndexed(target, at, METHOD_GET);
    if (isWord(source, start, end, POST)) return writeIndexed(target, at, METHOD_POST);
    return this.pseudo(METHOD_NAME, source, start, end, target, at);
  }

  scheme(isHttps: boolean, target: Buffer, at: number): number {
    return writeIndexed(target, at, isHttps ? SCHEME_HTTPS : SCHEME_HTTP);
  }

  authority(source: Uint8Array, start: number, end: number, target: Buffer, at: number): number {
    return this.pseudo(AUTHORITY_NAME, source, start, end, target, at);
  }

  /** Paths of RPCs repeat. */
  path(source: Uint8Array, start: number, end: number, target: Buffer, at: number): number {
    if (end - start === 1 && source[start] === SLASH) return writeIndexed(target, at, PATH_ROOT);
    return this.pseudo(PATH_NAME, source, start, end, target, at);
  }

  /** Of an extended CONNECT (RFC 8441). */
  protocol(source: Uint8Array, start: number, end: number, target: Buffer, at: number): number {
    return this.pseudo(PROTOCOL_NAME, source, start, end, target, at);
  }

  status(status: number, target: Buffer, at: number): number {
    const index = STATUS_INDEXES[status] as number;
    if (index !== 0) return writeIndexed(target, at, index);
    target[at] = STATUS_NAME;
    target[at + 1] = STATUS_DIGITS;
    target[at + 2] = ZERO + Math.floor(status / 100);
    target[at + 3] = ZERO + (Math.floor(status / 10) % 10);
    target[at + 4] = ZERO + (status % 10);
    return at + 2 + STATUS_DIGITS;
  }

  private pseudo(
    known: number,
    source: Uint8Array,
    start: number,
    end: number,
    target: Buffer,
    at: number,
  ): number {
    return this.adaptive(known, source, 0, (KNOWN_NAMES[known] as Buffer).length, start, end, target, at);
  }

  /** By the table when it is there, into the table when it was seen before, else as it is. */
  private adaptive(
    known: number,
    source: Uint8Array,
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
    target: Buffer,
    at: number,
  ): number {
    const { table } = this;
    let isInserted = false;
    let hash = 0;
    if (valueEnd - valueStart <= LIMITS.hpackIndexedValueBytes) {
      const newest = known === 0 ? 0 : table.findNewest(known, source, valueStart, valueEnd);
      if (newest !== 0) return writeIndexed(target, at, STATIC_ENTRIES + newest);
      hash = hashField(known, source, nameStart, nameEnd, valueStart, valueEnd);
      const age = table.find(hash, known, source, nameStart, nameEnd, valueStart, valueEnd);
      if (age !== 0) return writeIndexed(target, at, STATIC_ENTRIES + age);
      const place = hash >>> SEEN_SHIFT;
      isInserted = this.seen[place] === hash && this.mayInsert(nameEnd - nameStart, valueEnd - valueStart);
      this.seen[place] = hash;
    }
    const pattern = isInserted ? WITH_INDEXING : WITHOUT_INDEXING;
    const mask = isInserted ? WITH_INDEXING_MASK : LITERAL_MASK;
    const end = this.writeName(pattern, mask, known, source, nameStart, nameEnd, target, at);
    if (isInserted) table.insert(hash, known, source, nameStart, nameEnd, valueStart, valueEnd);
    return writeValue(source, valueStart, valueEnd, target, end);
  }

  /** As it is; but a name that the static table lacks is put into the dynamic one, with this value, so that it costs a byte or two. */
  private varying(
    known: number,
    source: Uint8Array,
    valueStart: number,
    valueEnd: number,
    target: Buffer,
    at: number,
  ): number {
    const { table } = this;
    const nameLength = (KNOWN_NAMES[known] as Buffer).length;
    const isInserted =
      known > STATIC_ENTRIES &&
      table.findName(known) === 0 &&
      valueEnd - valueStart <= LIMITS.hpackIndexedValueBytes &&
      this.mayInsert(nameLength, valueEnd - valueStart);
    const pattern = isInserted ? WITH_INDEXING : WITHOUT_INDEXING;
    const mask = isInserted ? WITH_INDEXING_MASK : LITERAL_MASK;
    const end = this.writeName(pattern, mask, known, source, 0, nameLength, target, at);
    if (isInserted) table.insert(known, known, source, 0, nameLength, valueStart, valueEnd);
    return writeValue(source, valueStart, valueEnd, target, end);
  }

  private mayInsert(nameLength: number, valueLength: number): boolean {
    const { table } = this;
    if (nameLength + valueLength + ENTRY_BYTES > table.maxBytes) return false;
    this.restraint = Math.min(this.restraint + table.takeWasted() * RESTRAINT, MAX_RESTRAINT);
    if (this.restraint === 0) return true;
    this.restraint--;
    return false;
  }

  /** The representation's first byte with the name, which is an index when a table has the name. */
  private writeName(
    pattern: number,
    mask: number,
    known: number,
    source: Uint8Array,
    nameStart: number,
    nameEnd: number,
    target: Buffer,
    at: number,
  ): number {
    let index = known;
    if (known > STATIC_ENTRIES) {
      const age = this.table.findName(known);
      index = age === 0 ? 0 : STATIC_ENTRIES + age;
    }
    let end = writeInteger(target, at, pattern, mask, index);
    if (index !== 0) return end;
    if (known !== 0) {
      const name = KNOWN_NAMES[known] as Buffer;
      return writeValue(name, 0, name.length, target, end);
    }
    end = writeInteger(target, end, 0, LENGTH_MASK, nameEnd - nameStart);
    for (let i = nameStart; i < nameEnd; i++) target[end++] = LOWER[source[i] as number] as number;
    return end;
  }
}

function writeIndexed(target: Buffer, at: number, index: number): number {
  return writeInteger(target, at, INDEXED, INDEXED_MASK, index);
}

function writeValue(source: Uint8Array, start: number, end: number, target: Buffer, at: number): number {
  const valueAt = writeInteger(target, at, 0, LENGTH_MASK, end - start);
  copyBytes(source, start, end, target, valueAt);
  return valueAt + end - start;
}

function writeInteger(target: Buffer, at: number, pattern: number, mask: number, value: number): number {
  if (value < mask) {
    target[at] = pattern | value;
    return at + 1;
  }
  target[at] = pattern | mask;
  let end = at + 1;
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) target[end++] = (rest & 0x7f) | 0x80;
  target[end] = rest;
  return end + 1;
}

function isWord(source: Uint8Array, start: number, end: number, word: Buffer): boolean {
  if (end - start !== word.length) return false;
  for (let i = 0; i < word.length; i++) if (source[start + i] !== word[i]) return false;
  return true;
}

function indexOf(name: string, value: string): number {
  return STATIC_FIELDS.findIndex((field) => field[0] === name && field[1] === value) + 1;
}
