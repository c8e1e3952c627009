/**
 * Puts a header block together that came in HEADERS and CONTINUATION frames (RFC 9113 sections 6.2 and 6.10).
 *
 * Invariants: most blocks come in one frame and are handed on where they lie; what is collected is bounded in bytes and in frames. Priorities
 * are ignored (RFC 9113 section 5.3), but not what can't be meant.
 */
import { LIMITS } from '../../core/limits.ts';
import {
  ENHANCE_YOUR_CALM,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FLAG_PADDED,
  FLAG_PRIORITY,
  FRAME_SIZE_ERROR,
  PROTOCOL_ERROR,
  readUint31,
} from './frame.ts';

export const PRIORITY_BYTES = 5;
const NO_BYTES = Buffer.alloc(0);

export interface BlockSink {
  /** The block is whole. */
  onBlock(streamId: number, endStream: boolean, bytes: Buffer, start: number, end: number): void;
  /** Ends the connection; always false. */
  fail(code: number, detail: string): false;
}

export class HeaderBlock {
  /** Whose block must go on with the next frame; 0 when there is none. */
  streamId = 0;
  private readonly sink: BlockSink;
  private endsStream = false;
  private bytes = NO_BYTES;
  private length = 0;
  private continuations = 0;

  constructor(sink: BlockSink) {
    this.sink = sink;
  }

  readHeaders(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    const { sink } = this;
    if (streamId === 0) {
      sink.fail(PROTOCOL_ERROR, 'HEADERS on stream 0');
      return;
    }
    let from = start;
    let to = end;
    if ((flags & FLAG_PADDED) !== 0) {
      if (from === to) {
        sink.fail(FRAME_SIZE_ERROR, 'HEADERS too short');
        return;
      }
      to -= bytes[from++] as number;
    }
    let dependsOnItself = false;
    if ((flags & FLAG_PRIORITY) !== 0) {
      if (to - from < PRIORITY_BYTES) {
        sink.fail(to < from ? PROTOCOL_ERROR : FRAME_SIZE_ERROR, 'HEADERS too short');
        return;
      }
      dependsOnItself = readUint31(bytes, from) === streamId;
      from += PRIORITY_BYTES;
    }
    if (to < from) {
      sink.fail(PROTOCOL_ERROR, 'padding longer than its frame');
    } else if (dependsOnItself) {
      sink.fail(PROTOCOL_ERROR, 'a stream that depends on itself');
    } else if ((flags & FLAG_END_HEADERS) !== 0) {
      sink.onBlock(streamId, (flags & FLAG_END_STREAM) !== 0, bytes, from, to);
    } else {
      this.streamId = streamId;
      this.endsStream = (flags & FLAG_END_STREAM) !== 0;
      this.length = 0;
      this.continuations = 0;
      this.collect(bytes, from, to);
    }
  }

  readContinuation(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    const { sink } = this;
    if (this.streamId === 0) {
      sink.fail(PROTOCOL_ERROR, 'CONTINUATION without HEADERS');
      return;
    }
    if (++this.continuations > LIMITS.http2Continuations) {
      sink.fail(ENHANCE_YOUR_CALM, 'too many CONTINUATION frames');
      return;
    }
    if (!this.collect(bytes, start, end) || (flags & FLAG_END_HEADERS) === 0) return;
    const { bytes: block, length } = this;
    this.streamId = 0;
    this.bytes = NO_BYTES;
    sink.onBlock(streamId, this.endsStream, block, 0, length);
  }

  private collect(bytes: Buffer, start: number, end: number): boolean {
    const need = this.length + end - start;
    if (need > LIMITS.headBytes) {
      return this.sink.fail(ENHANCE_YOUR_CALM, 'header block larger than allowed');
    }
    if (need > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(LIMITS.headBytes, need * 2));
      this.bytes.copy(grown, 0, 0, this.length);
      this.bytes = grown;
    }
    bytes.copy(this.bytes, this.length, start, end);
    this.length = need;
    return true;
  }
}
