/**
 * What frames of the peer do to a connection (RFC 9113 sections 5 and 6): each is checked for where and when it may come, and then has its
 * effect on the connection or on one of its streams.
 *
 * Invariants: nothing is read behind an error of the connection; a frame for a stream that we gave up lately is no error.
 */
import { LIMITS } from '../../core/limits.ts';
import type { Http2Connection } from './connection.ts';
import {
  appendPing,
  appendSettingsAck,
  DEFAULT_FRAME_BYTES,
  ENHANCE_YOUR_CALM,
  FLAG_ACK,
  FLAG_END_STREAM,
  FLOW_CONTROL_ERROR,
  FRAME_CONTINUATION,
  FRAME_DATA,
  FRAME_GOAWAY,
  FRAME_HEADERS,
  FRAME_PING,
  FRAME_PRIORITY,
  FRAME_PUSH_PROMISE,
  FRAME_RST_STREAM,
  FRAME_SETTINGS,
  FRAME_SIZE_ERROR,
  FRAME_WINDOW_UPDATE,
  MAX_WINDOW,
  NO_ERROR,
  PING_BYTES,
  PROTOCOL_ERROR,
  readUint31,
  readUint32,
  SETTINGS_HEADER_TABLE_SIZE,
  STREAM_CLOSED,
} from './frame.ts';
import type { FrameSink } from './frame-reader.ts';
import { HeaderBlock, PRIORITY_BYTES } from './header-block.ts';
import type { Http2Stream } from './stream.ts';

const NUMBER_BYTES = 4;
const SETTING_BYTES = 6;
const GOAWAY_BYTES = 8;

export class IncomingFrames implements FrameSink {
  /** The peer's settings have come. */
  settled = false;
  private readonly connection: Http2Connection;
  private readonly block: HeaderBlock;
  private dataStream: Http2Stream | null = null;
  private dataLength = 0;
  private dataEndsStream = false;
  /** The DATA frame holds nothing, or nothing but padding. */
  private dataEmpty = false;

  constructor(connection: Http2Connection) {
    this.connection = connection;
    this.block = new HeaderBlock(connection);
  }

  /** What still comes of its DATA frame has nobody to go to. */
  forget(stream: Http2Stream): void {
    if (this.dataStream === stream) this.dataStream = null;
  }

  onFrameHeader(type: number, flags: number, streamId: number, length: number): boolean {
    const { connection } = this;
    if (connection.ended) return false;
    if (!this.settled && (type !== FRAME_SETTINGS || (flags & FLAG_ACK) !== 0)) {
      return connection.fail(PROTOCOL_ERROR, 'the first frame is not SETTINGS');
    }
    const blockId = this.block.streamId;
    if (blockId !== 0 && (type !== FRAME_CONTINUATION || streamId !== blockId)) {
      return connection.fail(PROTOCOL_ERROR, 'a header block was interrupted');
    }
    if (length > DEFAULT_FRAME_BYTES) return connection.fail(FRAME_SIZE_ERROR, 'frame longer than allowed');
    if (type === FRAME_DATA) return this.beginData(flags, streamId, length);
    return true;
  }

  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): boolean {
    const { connection } = this;
    switch (type) {
      case FRAME_HEADERS:
        this.block.readHeaders(flags, streamId, bytes, start, end);
        break;
      case FRAME_CONTINUATION:
        this.block.readContinuation(flags, streamId, bytes, start, end);
        break;
      case FRAME_WINDOW_UPDATE:
        this.readWindowUpdate(streamId, bytes, start, end);
        break;
      case FRAME_SETTINGS:
        this.readSettings(flags, streamId, bytes, start, end);
        break;
      case FRAME_RST_STREAM:
        this.readReset(streamId, bytes, start, end);
        break;
      case FRAME_PING:
        this.readPing(flags, streamId, bytes, start, end);
        break;
      case FRAME_GOAWAY:
        this.readGoaway(streamId, bytes, start, end);
        break;
      case FRAME_PRIORITY:
        this.readPriority(streamId, bytes, start, end);
        break;
      case FRAME_PUSH_PROMISE:
        connection.fail(PROTOCOL_ERROR, 'push is not allowed');
        break;
      default:
        // Unknown types are extensions, to be ignored (RFC 9113 section 5.5).
        connection.tolerateChatter();
    }
    return !connection.ended;
  }

  onDataBytes(bytes: Buffer, start: number, end: number): boolean {
    const { connection, dataStream: stream } = this;
    this.dataEmpty = false;
    if (stream === null) return !connection.ended;
    if (stream.bodyRemaining !== -1) {
      stream.bodyRemaining -= end - start;
      if (stream.bodyRemaining < 0) {
        connection.violate(stream, PROTOCOL_ERROR, 'more body than content-length says');
        return !connection.ended;
      }
    }
    stream.onBody(bytes, start, end);
    return !connection.ended;
  }

  onDataEnd(): boolean {
    const { connection, dataStream: stream } = this;
    this.dataStream = null;
    if (this.dataEmpty && !this.dataEndsStream) connection.tolerate();
    connection.noteReceived(this.dataLength);
    if (stream === null || stream.remoteEnded) return !connection.ended;
    if (this.dataEndsStream) connection.endRemote(stream, null);
    else stream.receive(this.dataLength);
    return !connection.ended;
  }

  onBadPadding(): void {
    this.connection.fail(PROTOCOL_ERROR, 'padding longer than its frame');
  }

  private beginData(flags: number, streamId: number, length: number): boolean {
    const { connection } = this;
    this.dataLength = length;
    this.dataEndsStream = (flags & FLAG_END_STREAM) !== 0;
    this.dataStream = null;
    if (streamId === 0 || !connection.wasOpened(streamId)) {
      return connection.fail(PROTOCOL_ERROR, 'DATA on a stream that was not opened');
    }
    if (!connection.mayReceive(length)) {
      return connection.fail(FLOW_CONTROL_ERROR, 'more DATA than the connection allows');
    }
    this.dataEmpty = true;
    const stream = connection.streams.get(streamId);
    if (stream === undefined) {
      if (!connection.wasReset(streamId)) connection.refuseStream(streamId, STREAM_CLOSED);
    } else if (stream.remoteEnded) {
      connection.violate(stream, STREAM_CLOSED, 'DATA behind the end of the stream');
    } else {
      stream.receiveWindow -= length;
      if (stream.receiveWindow < 0) {
        connection.violate(stream, FLOW_CONTROL_ERROR, 'more DATA than the stream allows');
      } else {
        this.dataStream = stream;
      }
    }
    return !connection.ended;
  }

  private readWindowUpdate(streamId: number, bytes: Buffer, start: number, end: number): void {
    const { connection } = this;
    if (end - start !== NUMBER_BYTES) {
      connection.fail(FRAME_SIZE_ERROR, 'WINDOW_UPDATE of a wrong length');
      return;
    }
    if (!connection.tolerateChatter()) return;
    const increment = readUint31(bytes, start);
    if (streamId === 0) {
      if (increment === 0) connection.fail(PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
      else connection.openWindow(increment);
      return;
    }
    const stream = connection.streams.get(streamId);
    if (stream === undefined) {
      if (!connection.wasOpened(streamId)) {
        connection.fail(PROTOCOL_ERROR, 'WINDOW_UPDATE on a stream that was not opened');
      }
    } else if (increment === 0) {
      connection.violate(stream, PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
    } else if (stream.sendWindow + increment > MAX_WINDOW) {
      connection.violate(stream, FLOW_CONTROL_ERROR, 'window too large');
    } else {
      stream.sendWindow += increment;
      if (stream.blocked) stream.sendPending();
    }
  }

  private readSettings(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    const { connection } = this;
    const length = end - start;
    if (streamId !== 0) {
      connection.fail(PROTOCOL_ERROR, 'SETTINGS on a stream');
    } else if ((flags & FLAG_ACK) !== 0) {
      if (length !== 0) connection.fail(FRAME_SIZE_ERROR, 'SETTINGS acknowledgement with a payload');
    } else if (length % SETTING_BYTES !== 0) {
      connection.fail(FRAME_SIZE_ERROR, 'SETTINGS of a wrong length');
    } else if (length > LIMITS.http2SettingsPerFrame * SETTING_BYTES) {
      // Each may change the windows of all streams.
      connection.fail(ENHANCE_YOUR_CALM, 'too many settings in one frame');
    } else {
      // The first are due; more of them are not.
      if (this.settled) connection.tolerate();
      this.settled = true;
      for (let at = start; at < end && !connection.ended; at += SETTING_BYTES) {
        const identifier = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
        this.applySetting(identifier, readUint32(bytes, at + 2));
      }
      if (connection.ended) return;
      appendSettingsAck(connection.batch);
      connection.onSettings();
    }
  }

  private applySetting(identifier: number, value: number): void {
    const { connection } = this;
    if (identifier === SETTINGS_HEADER_TABLE_SIZE) connection.encoder.setMaxTableBytes(value);
    const { windowBytes } = connection.peer;
    const error = connection.peer.apply(identifier, value);
    if (error !== NO_ERROR) connection.fail(error, `setting ${identifier} out of range`);
    else if (connection.peer.windowBytes !== windowBytes) {
      connection.changeWindows(connection.peer.windowBytes - windowBytes);
    }
  }

  private readReset(streamId: number, bytes: Buffer, start: number, end: number): void {
    const { connection } = this;
    if (end - start !== NUMBER_BYTES) {
      connection.fail(FRAME_SIZE_ERROR, 'RST_STREAM of a wrong length');
      return;
    }
    if (streamId === 0 || !connection.wasOpened(streamId)) {
      connection.fail(PROTOCOL_ERROR, 'RST_STREAM on a stream that was not opened');
      return;
    }
    const { isServer } = connection;
    const stream = connection.streams.get(streamId);
    const code = readUint32(bytes, start);
    if (stream === undefined) {
      // A server that answered before it had the whole request says in this way that it does not want the rest (RFC 9113 section 8.1).
      if (isServer || code !== NO_ERROR) connection.tolerate();
      return;
    }
    const { nowMs } = connection.transport.context;
    connection.closeStream(stream);
    stream.onReset(code);
    if (isServer && nowMs - stream.openedMs < LIMITS.http2PrematureResetMs) connection.tolerate();
  }

  private readPing(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    const { connection } = this;
    if (streamId !== 0) {
      connection.fail(PROTOCOL_ERROR, 'PING on a stream');
    } else if (end - start !== PING_BYTES) {
      connection.fail(FRAME_SIZE_ERROR, 'PING of a wrong length');
    } else if ((flags & FLAG_ACK) !== 0) {
      connection.onPingAck();
    } else if (connection.tolerateChatter()) {
      appendPing(connection.batch, FLAG_ACK, bytes, start);
    }
  }

  private readGoaway(streamId: number, bytes: Buffer, start: number, end: number): void {
    const { connection } = this;
    if (streamId !== 0) {
      connection.fail(PROTOCOL_ERROR, 'GOAWAY on a stream');
    } else if (end - start < GOAWAY_BYTES) {
      connection.fail(FRAME_SIZE_ERROR, 'GOAWAY too short');
    } else {
      const reasonAt = start + GOAWAY_BYTES;
      const reason = bytes.toString('latin1', reasonAt, Math.min(end, reasonAt + LIMITS.http2ReasonBytes));
      connection.onGoaway(readUint31(bytes, start), readUint32(bytes, start + NUMBER_BYTES), reason);
    }
  }

  private readPriority(streamId: number, bytes: Buffer, start: number, end: number): void {
    const { connection } = this;
    if (streamId === 0) {
      connection.fail(PROTOCOL_ERROR, 'PRIORITY on stream 0');
      return;
    }
    const stream = connection.streams.get(streamId);
    const isMisshapen = end - start !== PRIORITY_BYTES;
    const error = isMisshapen ? FRAME_SIZE_ERROR : PROTOCOL_ERROR;
    if (!isMisshapen && readUint31(bytes, start) !== streamId) connection.tolerateChatter();
    else if (stream !== undefined) connection.violate(stream, error, 'malformed PRIORITY');
    else connection.refuseStream(streamId, error);
  }
}
