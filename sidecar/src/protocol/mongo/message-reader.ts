/**
 * Reads MongoDB wire messages of one direction: their headers, and the one document that tells what they are about.
 *
 * Invariants
 * - Documents of a sequence (what is inserted, updated, deleted) and compressed messages are skipped by counting.
 * - A message ends where its header says, and what is in it where the message ends; anything else is malformed.
 */
import { LIMITS } from '../../core/limits.ts';
import type { DesyncReason } from '../../observe/datastore.ts';
import { type BsonVisitor, BsonWalker, MALFORMED } from './bson-walker.ts';

export interface MessageSink {
  /** A message is complete; the reader's fields tell about it until this returns. */
  onMessage(): DesyncReason | null;
}

export const OP_REPLY = 1;
export const OP_QUERY = 2004;
export const OP_COMPRESSED = 2012;
const OP_MSG = 2013;

const CHECKSUM_PRESENT = 1;
export const MORE_TO_COME = 2;
/** Of these flags a reader must know all; those above may be ignored. */
const REQUIRED_FLAGS = 0xffff;

const HEADER_BYTES = 16;
const REPLY_HEAD_BYTES = 20;
const CHECKSUM_BYTES = 4;
const TLS_HANDSHAKE = 0x16;
const TLS_MAJOR = 3;

/** What is being read. */
const HEADER = 0;
const FLAGS = 1;
const KIND = 2;
const SEQUENCE_SIZE = 3;
const QUERY_FLAGS = 4;
const QUERY_NAME = 5;
const QUERY_COUNTS = 6;
const REPLY_HEAD = 7;
const BODY = 8;
const SKIPPED = 9;

export class MessageReader {
  requestId = 0;
  responseTo = 0;
  opCode = 0;
  flags = 0;
  bytes = 0;
  startedMs = 0;

  private readonly visitor: BsonVisitor;
  /** The one opcode besides those that both directions use. */
  private readonly legacyOpCode: number;
  private readonly walker = new BsonWalker();
  private state = HEADER;
  /** Bytes of the message that are still to come. */
  private left = 0;
  private trailing = 0;
  private hasBody = false;
  /** Collects what has a fixed length. */
  private readonly fixed = Buffer.alloc(REPLY_HEAD_BYTES);
  private kept = 0;
  private wanted = HEADER_BYTES;
  private toSkip = 0;

  constructor(legacyOpCode: number, visitor: BsonVisitor) {
    this.legacyOpCode = legacyOpCode;
    this.visitor = visitor;
  }

  read(bytes: Uint8Array, start: number, end: number, nowMs: number, sink: MessageSink): DesyncReason | null {
    let at = start;
    while (at < end) {
      const from = at;
      switch (this.state) {
        case BODY:
          at = this.walker.read(bytes, at, end, this.visitor);
          if (at === MALFORMED) return 'malformed';
          break;
        case QUERY_NAME:
          while (at < end && bytes[at] !== 0) at++;
          if (at < end) {
            at++;
            this.expect(QUERY_COUNTS, 8);
          }
          break;
        case SKIPPED: {
          const count = Math.min(this.toSkip, end - at);
          at += count;
          this.toSkip -= count;
          break;
        }
        default:
          if (this.state === HEADER && this.kept === 0) this.startedMs = nowMs;
          while (at < end && this.kept < this.wanted) this.fixed[this.kept++] = bytes[at++] as number;
      }
      this.left -= at - from;
      const reason = this.advance(sink);
      if (reason !== null) return reason;
    }
    return null;
  }

  private advance(sink: MessageSink): DesyncReason | null {
    const { state, fixed } = this;
    if (state === BODY) return this.walker.done ? this.endSection(sink) : null;
    if (state === SKIPPED) return this.toSkip === 0 ? this.endSection(sink) : null;
    if (state === QUERY_NAME) return this.left > 0 ? null : 'malformed';
    if (this.kept < this.wanted) return null;
    switch (state) {
      case HEADER:
        return this.beginMessage(sink);
      case FLAGS:
        this.flags = fixed.readUInt32LE(0);
        if ((this.flags & REQUIRED_FLAGS & ~(CHECKSUM_PRESENT | MORE_TO_COME)) !== 0) return 'malformed';
        this.trailing = (this.flags & CHECKSUM_PRESENT) === 0 ? 0 : CHECKSUM_BYTES;
        return this.expect(KIND, 1);
      case KIND:
        if (fixed[0] === 1) return this.expect(SEQUENCE_SIZE, 4);
        return fixed[0] === 0 && !this.hasBody ? this.beginBody() : 'malformed';
      case SEQUENCE_SIZE: {
        const size = fixed.readInt32LE(0) - 4;
        if (size < 0 || size > this.left - this.trailing) return 'malformed';
        this.toSkip = size;
        this.state = SKIPPED;
        return size === 0 ? this.endSection(sink) : null;
      }
      case QUERY_FLAGS:
        this.state = QUERY_NAME;
        return null;
      default:
        // What stands before the document of OP_QUERY or OP_REPLY.
        return this.left === 0 ? this.endMessage(sink) : this.beginBody();
    }
  }

  private beginMessage(sink: MessageSink): DesyncReason | null {
    const { fixed } = this;
    const length = fixed.readInt32LE(0);
    this.requestId = fixed.readInt32LE(4);
    this.responseTo = fixed.readInt32LE(8);
    this.opCode = fixed.readInt32LE(12);
    this.flags = 0;
    this.trailing = 0;
    this.hasBody = false;
    this.bytes = length;
    this.left = length - HEADER_BYTES;
    const { opCode } = this;
    if (opCode !== OP_MSG && opCode !== OP_COMPRESSED && opCode !== this.legacyOpCode) {
      return fixed[0] === TLS_HANDSHAKE && fixed[1] === TLS_MAJOR ? 'tls' : 'unsupported';
    }
    if (this.left <= 0 || length > LIMITS.mongoMessageBytes) return 'malformed';
    if (opCode === OP_MSG) return this.expect(FLAGS, 4);
    if (opCode === OP_QUERY) return this.expect(QUERY_FLAGS, 4);
    if (opCode === OP_REPLY) return this.expect(REPLY_HEAD, REPLY_HEAD_BYTES);
    return this.skipRest(sink);
  }

  private expect(state: number, count: number): DesyncReason | null {
    this.state = state;
    this.kept = 0;
    this.wanted = count;
    return count > this.left ? 'malformed' : null;
  }

  private beginBody(): DesyncReason | null {
    this.hasBody = true;
    this.walker.begin(this.left - this.trailing);
    this.state = BODY;
    return this.left > this.trailing ? null : 'malformed';
  }

  private endSection(sink: MessageSink): DesyncReason | null {
    if (this.left === 0) return this.endMessage(sink);
    if (this.opCode === OP_MSG && this.left > this.trailing) return this.expect(KIND, 1);
    // A checksum, or further documents of a legacy message.
    return this.skipRest(sink);
  }

  private skipRest(sink: MessageSink): DesyncReason | null {
    this.toSkip = this.left;
    this.state = SKIPPED;
    return this.left === 0 ? this.endMessage(sink) : null;
  }

  private endMessage(sink: MessageSink): DesyncReason | null {
    if (this.opCode === OP_MSG && !this.hasBody) return 'malformed';
    this.state = HEADER;
    this.kept = 0;
    this.wanted = HEADER_BYTES;
    return sink.onMessage();
  }
}
