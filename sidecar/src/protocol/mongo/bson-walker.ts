/**
 * Walks the elements of a BSON document as its bytes come, over any split, without making anything of them.
 *
 * Invariants
 * - A visitor is asked about every element of the documents that it entered; everything else is skipped by its length, unseen.
 * - Lengths are checked against the document around them, so a walk ends with its document or is malformed.
 * - Memory is fixed.
 */
import { LIMITS } from '../../core/limits.ts';

/** What to do with an element. */
export const SKIP = 0;
/** Read its value; `onValue` follows if it is a string, a number or a boolean. */
export const TAKE = 1;
/** Ask about the elements of this document or array too; `onLeave` follows. Others are skipped. */
export const ENTER = 2;

export interface BsonVisitor {
  /** `walker.key` and `walker.type` tell about the element; `depth` is 0 in the outermost document. */
  onElement(walker: BsonWalker, depth: number): number;
  onValue(walker: BsonWalker, depth: number): void;
  /** The document or array at this depth is over. */
  onLeave(depth: number): void;
}

export const MALFORMED = -2;

const MAX_DEPTH = 4;
const KEY_BYTES = 48;

const DOUBLE = 0x01;
export const STRING = 0x02;
export const DOCUMENT = 0x03;
export const ARRAY = 0x04;
const BINARY = 0x05;
const UNDEFINED = 0x06;
const OBJECT_ID = 0x07;
const BOOLEAN = 0x08;
const DATE = 0x09;
const NULL = 0x0a;
const REGEX = 0x0b;
const DB_POINTER = 0x0c;
const CODE = 0x0d;
const SYMBOL = 0x0e;
const CODE_WITH_SCOPE = 0x0f;
const INT32 = 0x10;
const TIMESTAMP = 0x11;
const INT64 = 0x12;
const DECIMAL = 0x13;
const MAX_KEY = 0x7f;
const MIN_KEY = 0xff;

/** Bytes of a value whose type fixes them. */
const FIXED = new Map([
  [DOUBLE, 8],
  [UNDEFINED, 0],
  [OBJECT_ID, 12],
  [BOOLEAN, 1],
  [DATE, 8],
  [NULL, 0],
  [INT32, 4],
  [TIMESTAMP, 8],
  [INT64, 8],
  [DECIMAL, 16],
  [MAX_KEY, 0],
  [MIN_KEY, 0],
]);
const UNKNOWN = -1;
const SIZED = -2;
/** By type: the bytes, SIZED when a length comes first, or UNKNOWN. */
const SIZES = new Int8Array(256).fill(UNKNOWN);
for (const [type, size] of FIXED) SIZES[type] = size;
for (const type of [STRING, DOCUMENT, ARRAY, BINARY, DB_POINTER, CODE, SYMBOL, CODE_WITH_SCOPE])
  SIZES[type] = SIZED;
/** What follows the length of such a value, on top of what the length says. */
const BEYOND: Readonly<Record<number, number>> = { [BINARY]: 1, [DB_POINTER]: 12 };

/** What is being read. */
const DOCUMENT_SIZE = 0;
const TYPE = 1;
const KEY = 2;
const VALUE_SIZE = 3;
const VALUE = 4;
const PATTERN = 5;
const OVER = 6;
/** A key is over. */
const VALUE_NEXT = 7;

export class BsonWalker {
  type = 0;
  readonly key = new Uint8Array(KEY_BYTES);
  /** May be more than there is room for; such a key equals nothing. */
  keyLength = 0;
  /** Of a string: its beginning, without the terminator, and the length of the whole. */
  readonly text = new Uint8Array(LIMITS.mongoNameBytes);
  textLength = 0;
  number = 0;

  private state = OVER;
  /** Bytes of the outermost document so far, and where the open ones end. */
  private position = 0;
  private readonly ends = new Float64Array(MAX_DEPTH);
  private depth = 0;
  private verdict = SKIP;
  private left = 0;
  private kept = 0;
  /** A length or a number. */
  private readonly small = Buffer.alloc(8);
  private patterns = 0;

  get done(): boolean {
    return this.state === OVER;
  }

  /** For a document that takes at most `limit` bytes. */
  begin(limit: number): void {
    this.position = 0;
    this.depth = 0;
    this.ends[0] = limit;
    this.kept = 0;
    this.state = DOCUMENT_SIZE;
  }

  /** The index after what was read, which is `end` unless the document is over; or MALFORMED. */
  read(bytes: Uint8Array, start: number, end: number, visitor: BsonVisitor): number {
    let at = start;
    while (at < end && this.state !== OVER) {
      const from = at;
      switch (this.state) {
        case DOCUMENT_SIZE:
        case VALUE_SIZE:
          while (at < end && this.kept < 4) this.small[this.kept++] = bytes[at++] as number;
          break;
        case TYPE:
          this.type = bytes[at++] as number;
          break;
        case KEY:
          at = this.readKey(bytes, at, end);
          break;
        case VALUE: {
          const count = Math.min(this.left, end - at);
          if (this.verdict === TAKE) this.keep(bytes, at, at + count);
          at += count;
          this.left -= count;
          break;
        }
        default:
          while (at < end && this.patterns > 0) if (bytes[at++] === 0) this.patterns--;
      }
      this.position += at - from;
      if (!this.advance(visitor)) return MALFORMED;
      // A terminator must follow whatever stands in a document.
      if (this.state !== OVER && this.position >= (this.ends[this.depth] as number)) return MALFORMED;
    }
    return at;
  }

  /** Goes on to what comes next, if all that was being read is there. */
  private advance(visitor: BsonVisitor): boolean {
    switch (this.state) {
      case DOCUMENT_SIZE:
        return this.kept < 4 || this.beginDocument(this.small.readInt32LE(0));
      case TYPE:
        this.keyLength = 0;
        this.state = KEY;
        return this.type !== 0 || this.endDocument(visitor);
      case VALUE_SIZE:
        return this.kept < 4 || this.beginSized(this.small.readInt32LE(0));
      case VALUE:
        if (this.left === 0) this.endValue(visitor);
        return true;
      case VALUE_NEXT:
        return this.beginValue(visitor);
      case PATTERN:
        if (this.patterns === 0) this.state = TYPE;
        return true;
      default:
        return true;
    }
  }

  private beginDocument(size: number): boolean {
    const { depth, ends } = this;
    const documentEnd = this.position - 4 + size;
    // A nested one leaves room for the terminator around it.
    const limit = depth === 0 ? (ends[0] as number) : (ends[depth - 1] as number) - 1;
    if (size < 5 || documentEnd > limit) return false;
    ends[depth] = documentEnd;
    this.state = TYPE;
    return true;
  }

  private endDocument(visitor: BsonVisitor): boolean {
    if (this.position !== this.ends[this.depth]) return false;
    visitor.onLeave(this.depth);
    if (this.depth === 0) {
      this.state = OVER;
    } else {
      this.depth--;
      this.state = TYPE;
    }
    return true;
  }

  private readKey(bytes: Uint8Array, start: number, end: number): number {
    for (let at = start; at < end; at++) {
      const byte = bytes[at] as number;
      if (byte === 0) {
        this.state = VALUE_NEXT;
        return at + 1;
      }
      if (this.keyLength < KEY_BYTES) this.key[this.keyLength] = byte;
      this.keyLength++;
    }
    return end;
  }

  private beginValue(visitor: BsonVisitor): boolean {
    const { type } = this;
    const size = SIZES[type] as number;
    this.verdict = visitor.onElement(this, this.depth);
    this.kept = 0;
    if (type === REGEX) {
      this.patterns = 2;
      this.state = PATTERN;
    } else if (size === SIZED) {
      this.state = VALUE_SIZE;
      if (this.verdict === ENTER && (type === DOCUMENT || type === ARRAY) && this.depth + 1 < MAX_DEPTH) {
        this.ends[this.depth + 1] = this.ends[this.depth] as number;
        this.depth++;
        this.state = DOCUMENT_SIZE;
      }
    } else if (size === UNKNOWN) {
      return false;
    } else {
      this.left = size;
      this.state = VALUE;
      if (size === 0) this.endValue(visitor);
    }
    return true;
  }

  private beginSized(size: number): boolean {
    const { type } = this;
    const counted = type === DOCUMENT || type === ARRAY || type === CODE_WITH_SCOPE;
    if (size < (counted ? 5 : type === BINARY ? 0 : 1)) return false;
    this.left = counted ? size - 4 : size + (BEYOND[type] ?? 0);
    this.textLength = size - 1;
    this.kept = 0;
    this.state = VALUE;
    return this.position + this.left < (this.ends[this.depth] as number);
  }

  private keep(bytes: Uint8Array, start: number, end: number): void {
    const target = this.type === STRING ? this.text : this.small;
    for (let at = start; at < end && this.kept < target.length; at++)
      target[this.kept++] = bytes[at] as number;
  }

  private endValue(visitor: BsonVisitor): void {
    this.state = TYPE;
    if (this.verdict !== TAKE) return;
    const { small } = this;
    switch (this.type) {
      case STRING:
        break;
      case DOUBLE:
        this.number = small.readDoubleLE(0);
        break;
      case INT32:
        this.number = small.readInt32LE(0);
        break;
      case INT64:
        this.number = small.readInt32LE(4) * 0x1_0000_0000 + small.readUInt32LE(0);
        break;
      case BOOLEAN:
        this.number = small[0] as number;
        break;
      default:
        return;
    }
    visitor.onValue(this, this.depth);
  }
}
