/**
 * Reads a message body off the wire, whatever its framing, and hands on what is inside: data in place, then the end.
 *
 * Invariants
 * - Chunk sizes, extensions and line ends are checked to the byte (RFC 9112 section 7.1); extensions are dropped.
 * - Data is never copied or collected; only trailer lines are, within `LIMITS.trailerBytes`.
 * - Any split of the bytes into reads gives the same data, the same end and the same verdict.
 */
import { LIMITS } from '../../core/limits.ts';
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_CLOSE, Head } from '../head.ts';
import { cleanTrailers } from '../trailers.ts';
import { CR, HEX_VALUE, LF } from './bytes.ts';
import { ChunkExtension, EXTENSION_BAD, EXTENSION_DONE, EXTENSION_MORE } from './chunk-extension.ts';
import { INCOMPLETE, scanFields } from './scan.ts';

export interface BodySink {
  onBodyData(bytes: Buffer, start: number, end: number): void;
  /** `trailers` is null when there are none. */
  onBodyEnd(trailers: Head | null): void;
}

export const BODY_MALFORMED = -1;

const SIZE_FIRST = 0;
const SIZE = 1;
const EXTENSION = 2;
const SIZE_LF = 3;
const DATA = 4;
const DATA_CR = 5;
const DATA_LF = 6;
const TRAILER_FIRST = 7;
const TRAILER_LF = 8;
const TRAILER = 9;
const DONE = 10;

/** 16^8: a chunk of four gigabytes is as long as anybody needs, and far from where doubles lose integers. */
const MAX_SIZE_DIGITS = 8;

export class BodyReader {
  private kind: number = BODY_NONE;
  private state = DONE;
  /** Bytes left of the body (BODY_LENGTH) or of the chunk (BODY_CHUNKED). */
  private remaining = 0;
  private digits = 0;
  private readonly extension = new ChunkExtension();
  private trailerBytes = 0;
  private trailers: Head | null = null;

  get done(): boolean {
    return this.state === DONE;
  }

  /** For a body whose end is the end of the connection. */
  get endsWithConnection(): boolean {
    return this.kind === BODY_UNTIL_CLOSE && this.state !== DONE;
  }

  begin(head: Head): void {
    this.kind = head.bodyKind;
    this.remaining = head.bodyKind === BODY_LENGTH ? head.contentLength : 0;
    this.state = head.bodyKind === BODY_NONE ? DONE : head.bodyKind === BODY_CHUNKED ? SIZE_FIRST : DATA;
  }

  /** Reads from `bytes[start, end)`. Returns where it stopped: at `end`, or earlier behind the body; or BODY_MALFORMED. */
  read(sink: BodySink, bytes: Buffer, start: number, end: number): number {
    if (this.state === DONE) return start;
    if (this.kind === BODY_CHUNKED) return this.readChunks(sink, bytes, start, end);
    if (this.kind === BODY_UNTIL_CLOSE) {
      if (end > start) sink.onBodyData(bytes, start, end);
      return end;
    }
    const count = Math.min(this.remaining, end - start);
    if (count > 0) {
      this.remaining -= count;
      sink.onBodyData(bytes, start, start + count);
    }
    if (this.remaining === 0) this.finish(sink, null);
    return start + count;
  }

  /** The connection ended; only a body that lasts until then is complete. */
  endWithConnection(sink: BodySink): void {
    if (this.endsWithConnection) this.finish(sink, null);
  }

  private finish(sink: BodySink, trailers: Head | null): void {
    this.state = DONE;
    sink.onBodyEnd(trailers);
  }

  private readChunks(sink: BodySink, bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end) {
      const byte = bytes[at] as number;
      switch (this.state) {
        case SIZE_FIRST:
          if (HEX_VALUE[byte] === 255) return BODY_MALFORMED;
          this.remaining = HEX_VALUE[byte] as number;
          this.digits = 1;
          this.state = SIZE;
          at++;
          break;
        case SIZE: {
          const value = HEX_VALUE[byte] as number;
          if (value !== 255) {
            if (++this.digits > MAX_SIZE_DIGITS) return BODY_MALFORMED;
            this.remaining = this.remaining * 16 + value;
          } else if (!this.leaveSize(byte)) {
            return BODY_MALFORMED;
          }
          at++;
          break;
        }
        case EXTENSION: {
          const result = this.extension.read(byte);
          if (result === EXTENSION_BAD) return BODY_MALFORMED;
          if (result === EXTENSION_DONE) this.state = SIZE_LF;
          at++;
          break;
        }
        case SIZE_LF:
          if (byte !== LF) return BODY_MALFORMED;
          this.state = this.remaining === 0 ? TRAILER_FIRST : DATA;
          at++;
          break;
        case DATA: {
          const count = Math.min(this.remaining, end - at);
          this.remaining -= count;
          if (this.remaining === 0) this.state = DATA_CR;
          sink.onBodyData(bytes, at, at + count);
          at += count;
          break;
        }
        case DATA_CR:
          if (byte !== CR) return BODY_MALFORMED;
          this.state = DATA_LF;
          at++;
          break;
        case DATA_LF:
          if (byte !== LF) return BODY_MALFORMED;
          this.state = SIZE_FIRST;
          at++;
          break;
        case TRAILER_FIRST:
          if (byte === CR) {
            this.state = TRAILER_LF;
            at++;
          } else {
            this.trailers ??= new Head();
            this.trailers.reset();
            this.trailerBytes = 0;
            this.state = TRAILER;
          }
          break;
        case TRAILER_LF:
          if (byte !== LF) return BODY_MALFORMED;
          this.finish(sink, null);
          return at + 1;
        case TRAILER: {
          at = this.readTrailers(sink, bytes, at, end);
          if (at < 0 || this.done) return at;
          break;
        }
        default:
          return at;
      }
    }
    return at;
  }

  /** The first byte behind the size. */
  private leaveSize(byte: number): boolean {
    if (byte === CR) {
      this.state = SIZE_LF;
      return true;
    }
    this.state = EXTENSION;
    this.extension.begin();
    return this.extension.read(byte) === EXTENSION_MORE;
  }

  /** Collects the section in the trailer head's own buffer and scans it there, so that a split can't lose a line. */
  private readTrailers(sink: BodySink, bytes: Buffer, start: number, end: number): number {
    const trailers = this.trailers as Head;
    const before = this.trailerBytes;
    const count = Math.min(end - start, LIMITS.trailerBytes - before);
    if (before + count > trailers.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(LIMITS.trailerBytes);
      trailers.bytes.copy(grown, 0, 0, before);
      trailers.bytes = grown;
    }
    bytes.copy(trailers.bytes, before, start, start + count);
    this.trailerBytes = before + count;
    const consumed = scanFields(trailers, trailers.bytes, 0, this.trailerBytes);
    if (consumed === INCOMPLETE) return this.trailerBytes === LIMITS.trailerBytes ? BODY_MALFORMED : end;
    if (consumed < 0) return BODY_MALFORMED;
    if (!cleanTrailers(trailers)) return BODY_MALFORMED;
    this.finish(sink, trailers);
    return start + consumed - before;
  }
}
