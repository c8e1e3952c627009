/**
 * Cuts the bytes of a connection into frames, however they are split into reads. DATA is handed on piece by piece as it arrives; other
 * frames are handed on whole.
 *
 * Invariants: a frame longer than we allow ends the connection before its payload is looked at; nothing larger than one frame is kept. The sink
 * is asked after each call whether to go on, so that nothing is read behind an error.
 */
import { DEFAULT_FRAME_BYTES, FLAG_PADDED, FRAME_DATA, FRAME_HEADER_BYTES } from './frame.ts';

export interface FrameSink {
  /** A frame header is there. False ends reading: the sink has ended the connection. */
  onFrameHeader(type: number, flags: number, streamId: number, length: number): boolean;
  /** The payload of a frame other than DATA, valid during the call. */
  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): boolean;
  /** Payload bytes of the DATA frame whose header was last, padding left out. */
  onDataBytes(bytes: Buffer, start: number, end: number): boolean;
  /** The DATA frame is over. */
  onDataEnd(): boolean;
  /** Padding of the DATA frame is longer than its payload. */
  onBadPadding(): void;
}

const READ_HEADER = 0;
const READ_PAYLOAD = 1;
const READ_PAD_LENGTH = 2;
const READ_DATA = 3;
const READ_PADDING = 4;
const STOPPED = 5;

const NO_BYTES = Buffer.alloc(0);

export class FrameReader {
  private readonly sink: FrameSink;
  private state = READ_HEADER;
  private readonly header = Buffer.alloc(FRAME_HEADER_BYTES);
  /** Bytes of `header`, or of `payload`, that are there. */
  private filled = 0;
  private payload = NO_BYTES;
  private type = 0;
  private flags = 0;
  private streamId = 0;
  private remaining = 0;
  private padding = 0;

  constructor(sink: FrameSink) {
    this.sink = sink;
  }

  read(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (this.state !== STOPPED) {
      // DATA and padding of no length are over without a further byte.
      if (at === end && this.remaining > 0) return;
      switch (this.state) {
        case READ_HEADER:
          if (at === end) return;
          at = this.readHeader(bytes, at, end);
          break;
        case READ_PAYLOAD:
          at = this.readPayload(bytes, at, end);
          break;
        case READ_PAD_LENGTH:
          this.padding = bytes[at++] as number;
          this.remaining--;
          if (this.padding > this.remaining) {
            this.state = STOPPED;
            this.sink.onBadPadding();
            return;
          }
          this.remaining -= this.padding;
          this.state = READ_DATA;
          break;
        case READ_DATA: {
          const count = Math.min(this.remaining, end - at);
          this.remaining -= count;
          if (count > 0 && !this.sink.onDataBytes(bytes, at, at + count)) this.state = STOPPED;
          else if (this.remaining === 0) this.leaveData();
          at += count;
          break;
        }
        default: {
          const count = Math.min(this.remaining, end - at);
          this.remaining -= count;
          at += count;
          if (this.remaining === 0) this.endData();
        }
      }
    }
  }

  /** Nothing further is read. */
  stop(): void {
    this.state = STOPPED;
    this.payload = NO_BYTES;
  }

  private readHeader(bytes: Buffer, start: number, end: number): number {
    if (this.filled === 0 && end - start >= FRAME_HEADER_BYTES) {
      this.beginFrame(bytes, start);
      return start + FRAME_HEADER_BYTES;
    }
    const count = Math.min(FRAME_HEADER_BYTES - this.filled, end - start);
    bytes.copy(this.header, this.filled, start, start + count);
    this.filled += count;
    if (this.filled === FRAME_HEADER_BYTES) {
      this.filled = 0;
      this.beginFrame(this.header, 0);
    }
    return start + count;
  }

  private beginFrame(bytes: Buffer, at: number): void {
    const length =
      ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    this.type = bytes[at + 3] as number;
    this.flags = bytes[at + 4] as number;
    this.streamId =
      (((bytes[at + 5] as number) & 0x7f) << 24) |
      ((bytes[at + 6] as number) << 16) |
      ((bytes[at + 7] as number) << 8) |
      (bytes[at + 8] as number);
    this.remaining = length;
    if (!this.sink.onFrameHeader(this.type, this.flags, this.streamId, length)) {
      this.state = STOPPED;
    } else if (this.type !== FRAME_DATA) {
      this.state = READ_PAYLOAD;
    } else if ((this.flags & FLAG_PADDED) === 0) {
      this.padding = 0;
      this.state = READ_DATA;
    } else if (length === 0) {
      this.state = STOPPED;
      this.sink.onBadPadding();
    } else {
      this.state = READ_PAD_LENGTH;
    }
  }

  private readPayload(bytes: Buffer, start: number, end: number): number {
    const available = end - start;
    if (this.filled === 0 && available >= this.remaining) {
      const payloadEnd = start + this.remaining;
      this.endPayload(bytes, start, payloadEnd);
      return payloadEnd;
    }
    // Frames are bounded by what we announced, which is the default.
    if (this.payload.length === 0) this.payload = Buffer.allocUnsafeSlow(DEFAULT_FRAME_BYTES);
    const count = Math.min(this.remaining, available);
    bytes.copy(this.payload, this.filled, start, start + count);
    this.filled += count;
    this.remaining -= count;
    if (this.remaining === 0) {
      const length = this.filled;
      this.filled = 0;
      this.endPayload(this.payload, 0, length);
      // Rarely needed again soon, and there may be thousands of connections.
      this.payload = NO_BYTES;
    }
    return start + count;
  }

  private endPayload(bytes: Buffer, start: number, end: number): void {
    this.remaining = 0;
    const goOn = this.sink.onFrame(this.type, this.flags, this.streamId, bytes, start, end);
    if (this.state !== STOPPED) this.state = goOn ? READ_HEADER : STOPPED;
  }

  private leaveData(): void {
    if (this.padding > 0) {
      this.remaining = this.padding;
      this.state = READ_PADDING;
    } else {
      this.endData();
    }
  }

  private endData(): void {
    const goOn = this.sink.onDataEnd();
    if (this.state !== STOPPED) this.state = goOn ? READ_HEADER : STOPPED;
  }
}
