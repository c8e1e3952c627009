/**
 * Reads what a Redis server sends: every type of RESP2 and RESP3, nested and streamed, over any split.
 *
 * Invariants
 * - Values are skipped by counting. What is kept, to tell replies apart and never to show it, is the beginning of a status, of an error,
 *   and of the first element of a push or, on demand, of an array.
 * - Attributes belong to the reply that they precede. Pushes are reported apart from replies. Memory is fixed.
 */
import { LIMITS } from '../../core/limits.ts';
import type { DesyncReason } from '../../observe/datastore.ts';
import { INVALID, MORE, NumberLine } from './number-line.ts';
import { RESP } from './resp-types.ts';

export interface ReplySink {
  /** A top-level reply or push is complete; the reader's fields tell about it until this returns. */
  onReply(): DesyncReason | null;
  onPush(): DesyncReason | null;
}

/** What is being read. */
const TYPE = 0;
const LINE = 1;
const SIZE = 2;
const BULK = 3;
const BULK_CR = 4;
const ITEM_LF = 5;
/** Behind the question mark that stands for an unknown size. */
const STREAM_CR = 6;
const STREAM_LF = 7;
/** Behind the dot that ends an aggregate of unknown size. */
const STOP_CR = 8;
const STOP_LF = 9;

/** What is kept of the item. */
const KEEP_NOTHING = 0;
const KEEP_WORD = 1;
const KEEP_ERROR = 2;
const KEEP_THIRD = 3;

const LF = 0x0a;
const CR = 0x0d;
const TLS_ALERT = 0x15;
const TLS_HANDSHAKE = 0x16;
const ZERO = 0x30;
const QUESTION = 0x3f;

const UNTIL_STOP = Number.POSITIVE_INFINITY;
const MAX_THIRD = 1e9;

export class ReplyReader {
  /** First byte of the top-level reply. */
  type = 0;
  firstByteMs = 0;
  bytes = 0;
  /** Beginning of a top-level status, or of the first element of a push (or array, while `watchesArrays`). */
  readonly word = new Uint8Array(LIMITS.redisWordBytes);
  wordLength = 0;
  /** Beginning of the first error in the reply, wherever it stands. */
  readonly error = new Uint8Array(LIMITS.redisWordBytes);
  errorLength = 0;
  errorCount = 0;
  /** The integer that stands third in such a push or array: how many subscriptions there are. */
  third = 0;
  watchesArrays = false;

  private readonly number = new NumberLine();
  private state = TYPE;
  private begun = false;
  private itemType = 0;
  private keeps = KEEP_NOTHING;
  private left = 0;
  /** Between the chunks of a streamed string. */
  private streaming = false;
  /** The aggregates that are open: items that are still to come, and the type of each. */
  private depth = 0;
  private readonly remaining = new Float64Array(LIMITS.redisDepth);
  private readonly types = new Uint8Array(LIMITS.redisDepth);
  /** Place of the current item in the outermost aggregate. */
  private place = 0;
  private itemIsOver = false;

  read(bytes: Uint8Array, start: number, end: number, nowMs: number, sink: ReplySink): DesyncReason | null {
    let at = start;
    while (at < end) {
      const from = at;
      let reason: DesyncReason | null = null;
      this.itemIsOver = false;
      switch (this.state) {
        case TYPE:
          if (!this.begun) this.beginReply(nowMs);
          reason = this.beginItem(bytes[at++] as number);
          break;
        case LINE:
          at = this.readLine(bytes, at, end);
          break;
        case SIZE:
          if (bytes[at] === QUESTION && this.number.untouched) {
            at++;
            this.state = STREAM_CR;
            break;
          }
          at = this.number.read(bytes, at, end);
          if (at === INVALID) return 'malformed';
          if (at === MORE) at = end;
          else reason = this.beginSized(this.number.value);
          break;
        case BULK: {
          const count = Math.min(this.left, end - at);
          if (this.keeps !== KEEP_NOTHING) this.keep(bytes, at, at + count);
          at += count;
          this.left -= count;
          if (this.left === 0 && at < end) this.state = BULK_CR;
          break;
        }
        case BULK_CR:
        case STREAM_CR:
        case STOP_CR:
          if (bytes[at++] !== CR) return 'malformed';
          this.state = this.state === BULK_CR ? ITEM_LF : this.state === STREAM_CR ? STREAM_LF : STOP_LF;
          break;
        default:
          if (bytes[at++] !== LF) return 'malformed';
          reason = this.endLine();
      }
      this.bytes += at - from;
      if (this.itemIsOver) reason = this.endItem(sink);
      if (reason !== null) return reason;
    }
    return null;
  }

  private beginReply(nowMs: number): void {
    this.begun = true;
    this.firstByteMs = nowMs;
    this.bytes = 0;
    this.type = 0;
    this.wordLength = 0;
    this.errorLength = 0;
    this.errorCount = 0;
    this.third = 0;
  }

  private beginItem(type: number): DesyncReason | null {
    if (this.streaming && type !== RESP.chunk) return 'malformed';
    if (this.depth === 0 && type !== RESP.attribute && type !== RESP.chunk) this.type = type;
    this.itemType = type;
    this.keeps = this.keepsOf(type);
    switch (type) {
      case RESP.status:
      case RESP.error:
      case RESP.integer:
      case RESP.double:
      case RESP.bigNumber:
      case RESP.boolean:
      case RESP.null:
        this.state = LINE;
        return null;
      case RESP.blobError:
      case RESP.blob:
      case RESP.verbatim:
      case RESP.array:
      case RESP.map:
      case RESP.set:
      case RESP.attribute:
        break;
      case RESP.push:
        if (this.depth > 0) return 'malformed';
        break;
      case RESP.chunk:
        if (!this.streaming) return 'malformed';
        break;
      case RESP.stop:
        this.state = STOP_CR;
        return this.depth > 0 && this.remaining[this.depth - 1] === UNTIL_STOP ? null : 'malformed';
      case TLS_ALERT:
      case TLS_HANDSHAKE:
        return this.depth === 0 ? 'tls' : 'malformed';
      default:
        return 'malformed';
    }
    this.number.begin();
    this.state = SIZE;
    return null;
  }

  private keepsOf(type: number): number {
    if (type === RESP.error || type === RESP.blobError)
      return this.errorCount++ === 0 ? KEEP_ERROR : KEEP_NOTHING;
    if (this.depth === 0) return type === RESP.status ? KEEP_WORD : KEEP_NOTHING;
    if (this.depth > 1 || this.place > 2) return KEEP_NOTHING;
    const outermost = this.types[0];
    if (outermost !== RESP.push && (outermost !== RESP.array || !this.watchesArrays)) return KEEP_NOTHING;
    if (type === RESP.integer) return this.place === 2 ? KEEP_THIRD : KEEP_NOTHING;
    return this.place === 0 && (type === RESP.blob || type === RESP.status) ? KEEP_WORD : KEEP_NOTHING;
  }

  private readLine(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && bytes[at] !== CR) at++;
    if (this.keeps !== KEEP_NOTHING) this.keep(bytes, start, at);
    if (at === end) return end;
    this.state = ITEM_LF;
    return at + 1;
  }

  private beginSized(size: number): DesyncReason | null {
    this.state = TYPE;
    switch (this.itemType) {
      case RESP.blob:
      case RESP.blobError:
      case RESP.verbatim:
      case RESP.chunk:
        if (size > 0 || (size === 0 && this.itemType !== RESP.chunk)) {
          this.left = size;
          this.state = BULK;
          return null;
        }
        // A null, or the last chunk of a streamed string.
        if (size < 0 && (size !== -1 || this.itemType !== RESP.blob)) return 'malformed';
        this.streaming = false;
        this.itemIsOver = true;
        return null;
      default:
        return this.beginAggregate(size);
    }
  }

  private beginAggregate(size: number): DesyncReason | null {
    if (size > 0)
      return this.open(this.itemType === RESP.map || this.itemType === RESP.attribute ? size * 2 : size);
    if (size < 0 && (size !== -1 || this.itemType !== RESP.array)) return 'malformed';
    // Attributes precede an item, they are none.
    this.itemIsOver = this.itemType !== RESP.attribute;
    return null;
  }

  private open(items: number): DesyncReason | null {
    const { depth } = this;
    if (depth === LIMITS.redisDepth) return 'too_deep';
    this.remaining[depth] = items;
    this.types[depth] = this.itemType;
    this.depth++;
    if (depth === 0) this.place = 0;
    return null;
  }

  private endLine(): DesyncReason | null {
    const ended = this.state;
    this.state = TYPE;
    switch (ended) {
      case STREAM_LF:
        if (this.itemType === RESP.blob) {
          this.streaming = true;
          return null;
        }
        return this.itemType === RESP.array || this.itemType === RESP.map || this.itemType === RESP.set
          ? this.open(UNTIL_STOP)
          : 'malformed';
      case STOP_LF:
        this.depth--;
        break;
      default:
    }
    this.itemIsOver = !this.streaming;
    return null;
  }

  private endItem(sink: ReplySink): DesyncReason | null {
    while (this.depth > 0) {
      const top = this.depth - 1;
      const left = (this.remaining[top] as number) - 1;
      this.remaining[top] = left;
      if (top === 0) this.place++;
      if (left > 0) return null;
      this.depth = top;
      if (this.types[top] === RESP.attribute) return null;
    }
    this.begun = false;
    return this.type === RESP.push ? sink.onPush() : sink.onReply();
  }

  private keep(bytes: Uint8Array, start: number, end: number): void {
    if (this.keeps === KEEP_WORD) {
      this.wordLength = append(this.word, this.wordLength, bytes, start, end);
    } else if (this.keeps === KEEP_ERROR) {
      this.errorLength = append(this.error, this.errorLength, bytes, start, end);
    } else {
      for (let at = start; at < end && this.third < MAX_THIRD; at++) {
        this.third = this.third * 10 + ((bytes[at] as number) - ZERO);
      }
    }
  }
}

/** Returns how much is there then; what does not fit is left out. */
function append(target: Uint8Array, length: number, bytes: Uint8Array, start: number, end: number): number {
  const count = Math.min(end - start, target.length - length);
  for (let i = 0; i < count; i++) target[length + i] = bytes[start + i] as number;
  return length + count;
}
