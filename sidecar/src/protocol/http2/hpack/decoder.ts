/**
 * HPACK decoder (RFC 7541): turns header blocks into rendered lines, `name: value\r\n`. An indexed field costs a look-up and the call.
 *
 * Invariants
 * - A block is decoded to its end even when nobody wants its fields any more: the dynamic table is the connection's, not the message's.
 * - A block whose list grows past the limit is not shown further, and one that grows past a multiple of it ends the connection, so a
 *   few bytes that refer to a large entry again and again (HPACK bomb) buy little work.
 * - Nothing is kept of a message but dynamic-table entries. Nothing is allocated, except when a string is larger than any before.
 */
import { LIMITS } from '../../../core/limits.ts';
import { copyBytes } from '../../../transport/output.ts';
import { DecoderTable } from './decoder-table.ts';
import {
  copyValue,
  ENTRY_BYTES,
  idOf,
  isWellFormed,
  kindOfName,
  kindOfValue,
  LINE_EXTRA_BYTES,
  PSEUDO_NONE,
  pseudoOf,
  VALUE_WELL_FORMED,
  writeLineEnd,
  writeSeparator,
} from './field.ts';
import { decodeHuffman, huffmanBound } from './huffman.ts';
import { STATIC_BYTES, STATIC_ENTRIES, STATIC_KINDS, STATIC_NAMES, STATIC_STARTS } from './static-table.ts';

export interface FieldSink {
  /**
   * `line[start, end)` is `name: value\r\n`, valid only during the call. `nameLength` counts the bytes of the name, for a
   * pseudo-header with its colon. `pseudo` is one of the PSEUDO_ numbers. `wellFormed`: RFC 9113 section 8.2.1; when it is false the
   * message is malformed and nothing may be done with the line. `neverIndexed`: the sender wants it to stay out of every table on the
   * way (RFC 7541 section 6.2.3), so `HpackEncoder.field` must be told when the field is passed on.
   */
  onField(
    line: Uint8Array,
    start: number,
    end: number,
    nameLength: number,
    id: number,
    pseudo: number,
    wellFormed: boolean,
    neverIndexed: boolean,
  ): void;
}

export const HPACK_OK = 0;
/** The list is over the limit and was cut off. The message is to be refused; the connection goes on. */
export const HPACK_TOO_LARGE = 1;
/** The connection is over: COMPRESSION_ERROR. */
export const HPACK_ERROR = 2;
/** The list is so far over the limit that nobody means well: ENHANCE_YOUR_CALM. */
export const HPACK_FLOOD = 3;

/** A size update may go down and up again between two blocks (section 4.2); more make no sense. */
const MAX_SIZE_UPDATES = 2;
const INITIAL_SCRATCH_BYTES = 16_384;
/** Literals that are kept, and those that must not be (section 6.2). */
const WITH_INDEXING = 0x40;
const NEVER_INDEXED = 0x10;
const MALFORMED = -1;
const NOTHING = Buffer.alloc(0);

/** One literal is rendered at a time, and copied from here to where it is kept. Grows to the largest string that a block can hold. */
let scratch = Buffer.allocUnsafeSlow(INITIAL_SCRATCH_BYTES);

export class HpackDecoder {
  /** Size of the last block's list: name, value and 32 for each field, as SETTINGS_MAX_HEADER_LIST_SIZE counts. */
  listBytes = 0;
  private fields = 0;
  private readonly table: DecoderTable;
  private readonly maxListBytes: number;
  private bytes: Uint8Array = NOTHING;
  private at = 0;
  private end = 0;
  /** The string that is being read: where it starts (it ends at `at`), and how it is coded. */
  private stringStart = 0;
  private isHuffman = false;
  /** VALUE_WELL_FORMED or 0: what `readValue` found. */
  private valueKind = 0;

  /** `maxTableBytes` is what our SETTINGS allow; not below 4,096, which the peer may use before it has read them. */
  constructor(maxTableBytes: number = LIMITS.hpackTableBytes, maxListBytes: number = LIMITS.headBytes) {
    this.table = new DecoderTable(maxTableBytes);
    this.maxListBytes = maxListBytes;
    // A name from the table is copied without asking for room.
    if (maxTableBytes > scratch.length) growScratch(maxTableBytes);
  }

  /** Decodes one whole header block. Returns one of the HPACK_ numbers. */
  decode(bytes: Uint8Array, start: number, end: number, sink: FieldSink): number {
    this.listBytes = 0;
    this.fields = 0;
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    const result = this.readBlock(sink);
    this.bytes = NOTHING;
    return result;
  }

  private readBlock(sink: FieldSink): number {
    const { bytes, end } = this;
    const floodBytes = this.maxListBytes * LIMITS.hpackFloodFactor;
    if (!this.readSizeUpdates()) return HPACK_ERROR;
    while (this.at < end) {
      const first = bytes[this.at] as number;
      const isRead =
        first >= 0x80
          ? this.readIndexed(sink)
          : first >= 0x40
            ? this.readLiteral(sink, 0x3f, WITH_INDEXING)
            : first < 0x20 && this.readLiteral(sink, 0x0f, first & NEVER_INDEXED);
      if (!isRead) return HPACK_ERROR;
      if (this.listBytes > floodBytes) return HPACK_FLOOD;
    }
    return this.isTooLarge() ? HPACK_TOO_LARGE : HPACK_OK;
  }

  /** Dynamic-table size updates: only here, at the beginning of a block. */
  private readSizeUpdates(): boolean {
    for (
      let updates = 0;
      this.at < this.end && ((this.bytes[this.at] as number) & 0xe0) === 0x20;
      updates++
    ) {
      const size = this.readInteger(0x1f);
      if (size === MALFORMED || updates === MAX_SIZE_UPDATES || !this.table.resize(size)) return false;
    }
    return true;
  }

  private readIndexed(sink: FieldSink): boolean {
    const index = this.readInteger(0x7f);
    if (index <= 0) return false;
    if (index <= STATIC_ENTRIES) {
      const start = STATIC_STARTS[index] as number;
      const end = STATIC_STARTS[index + 1] as number;
      const name = STATIC_NAMES[index] as number;
      this.show(sink, STATIC_BYTES, start, end, name, STATIC_KINDS[index] as number, false);
      return true;
    }
    const { table } = this;
    const slot = table.slotOf(index - STATIC_ENTRIES);
    if (slot === -1) return false;
    this.show(
      sink,
      table.bytes,
      table.starts[slot] as number,
      table.ends[slot] as number,
      table.names[slot] as number,
      table.kinds[slot] as number,
      false,
    );
    return true;
  }

  private readLiteral(sink: FieldSink, prefixMask: number, representation: number): boolean {
    const index = this.readInteger(prefixMask);
    if (index === MALFORMED) return false;
    let nameLength: number;
    let kind: number;
    if (index === 0) {
      nameLength = this.readName();
      if (nameLength === MALFORMED) return false;
      kind = kindOfName(scratch, 0, nameLength);
    } else if (index <= STATIC_ENTRIES) {
      nameLength = STATIC_NAMES[index] as number;
      kind = STATIC_KINDS[index] as number;
      const start = STATIC_STARTS[index] as number;
      copyBytes(STATIC_BYTES, start, start + nameLength, scratch, 0);
    } else {
      const { table } = this;
      const slot = table.slotOf(index - STATIC_ENTRIES);
      if (slot === -1) return false;
      nameLength = table.names[slot] as number;
      kind = table.kinds[slot] as number;
      const start = table.starts[slot] as number;
      copyBytes(table.bytes, start, start + nameLength, scratch, 0);
    }
    const valueStart = writeSeparator(scratch, nameLength);
    const valueEnd = this.readValue(valueStart);
    if (valueEnd === MALFORMED) return false;
    const lineEnd = writeLineEnd(scratch, valueEnd);
    kind = (kind & ~VALUE_WELL_FORMED) | this.valueKind;
    if (representation === WITH_INDEXING) this.table.insert(scratch, 0, lineEnd, nameLength, kind);
    this.show(sink, scratch, 0, lineEnd, nameLength, kind, representation === NEVER_INDEXED);
    return true;
  }

  /** Reads a string to the start of `scratch`. Returns its end. */
  private readName(): number {
    if (!this.readLength(0)) return MALFORMED;
    const { stringStart, at } = this;
    if (this.isHuffman) return decodeHuffman(this.bytes, stringStart, at, scratch, 0);
    copyBytes(this.bytes, stringStart, at, scratch, 0);
    return at - stringStart;
  }

  /** Reads a string to `scratch[to...]` and judges it. Returns its end. */
  private readValue(to: number): number {
    if (!this.readLength(to)) return MALFORMED;
    const { stringStart, at } = this;
    if (this.isHuffman) {
      const end = decodeHuffman(this.bytes, stringStart, at, scratch, to);
      if (end !== MALFORMED) this.valueKind = kindOfValue(scratch, to, end);
      return end;
    }
    this.valueKind = copyValue(this.bytes, stringStart, at, scratch, to);
    return to + at - stringStart;
  }

  /** Reads the length of a string, steps over the string and makes room for it in `scratch[to...]`, and for the rest of the line. */
  private readLength(to: number): boolean {
    if (this.at >= this.end) return false;
    this.isHuffman = (this.bytes[this.at] as number) >= 0x80;
    const length = this.readInteger(0x7f);
    if (length === MALFORMED || length > this.end - this.at) return false;
    this.stringStart = this.at;
    this.at += length;
    const need = to + (this.isHuffman ? huffmanBound(length) : length) + LINE_EXTRA_BYTES;
    if (need > scratch.length) growScratch(need);
    return true;
  }

  /** An integer with this prefix (section 5.1), at most four bytes behind the prefix. */
  private readInteger(prefixMask: number): number {
    const { bytes, end } = this;
    let at = this.at;
    let value = (bytes[at++] as number) & prefixMask;
    if (value === prefixMask) {
      for (let shift = 0; ; shift += 7) {
        if (at >= end || shift > 21) return MALFORMED;
        const byte = bytes[at++] as number;
        value += (byte & 0x7f) << shift;
        if (byte < 0x80) break;
      }
    }
    this.at = at;
    return value;
  }

  private show(
    sink: FieldSink,
    line: Buffer,
    start: number,
    end: number,
    nameLength: number,
    kind: number,
    neverIndexed: boolean,
  ): void {
    this.listBytes += end - start - LINE_EXTRA_BYTES + ENTRY_BYTES;
    const pseudo = pseudoOf(kind);
    if (pseudo === PSEUDO_NONE) this.fields++;
    if (this.isTooLarge()) return;
    sink.onField(line, start, end, nameLength, idOf(kind), pseudo, isWellFormed(kind), neverIndexed);
  }

  private isTooLarge(): boolean {
    return this.listBytes > this.maxListBytes || this.fields > LIMITS.fields;
  }
}

function growScratch(count: number): void {
  const grown = Buffer.allocUnsafeSlow(count * 2);
  scratch.copy(grown);
  scratch = grown;
}
