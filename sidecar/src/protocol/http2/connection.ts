/**
 * What the two ends of an HTTP/2 connection have in common (RFC 9113): frames in, frames out, settings, flow control of the connection,
 * header blocks, and the order in which it all ends. server.ts and client.ts add who opens streams and what a block means.
 *
 * Invariants
 * - Header blocks are decoded in the order in which they arrive, wanted or not: the compression state is shared by all streams.
 * - An error of a stream ends the stream, an error of the connection ends the connection with GOAWAY; nothing is read behind either.
 * - What the peer can make us keep is bounded: streams, one header block, one window for each stream, and what it owes of nuisance.ts.
 */
import type { Watched } from '../../core/deadlines.ts';
import { LIMITS } from '../../core/limits.ts';
import { Batch } from '../../transport/batch.ts';
import type { Transport, TransportHandler } from '../../transport/transport.ts';
import type { Head } from '../head.ts';
import {
  appendGoaway,
  appendNumberFrame,
  appendPing,
  appendSettingsAck,
  COMPRESSION_ERROR,
  DEFAULT_FRAME_BYTES,
  DEFAULT_WINDOW,
  ENHANCE_YOUR_CALM,
  errorName,
  FLAG_ACK,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FLAG_PADDED,
  FLAG_PRIORITY,
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
  MAX_FRAME_BYTES,
  MAX_WINDOW,
  NO_ERROR,
  PING_BYTES,
  PROTOCOL_ERROR,
  readUint31,
  readUint32,
  SETTINGS_ENABLE_CONNECT_PROTOCOL,
  SETTINGS_ENABLE_PUSH,
  SETTINGS_HEADER_TABLE_SIZE,
  SETTINGS_INITIAL_WINDOW_SIZE,
  SETTINGS_MAX_CONCURRENT_STREAMS,
  SETTINGS_MAX_FRAME_SIZE,
  STREAM_CLOSED,
} from './frame.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { encodeTrailers } from './head-encoder.ts';
import { type FieldSink, HPACK_FLOOD, HPACK_OK, HPACK_TOO_LARGE, HpackDecoder } from './hpack/decoder.ts';
import { HpackEncoder } from './hpack/encoder.ts';
import { NuisanceBudget } from './nuisance.ts';
import { DISCARD, TrailerFields } from './response-fields.ts';
import { type Http2Stream, NEVER } from './stream.ts';

const ALWAYS_DUE = 0;
const PRIORITY_BYTES = 5;
const SETTING_BYTES = 6;
/** Updates of windows, pings and the like that a peer may send for each DATA frame or stream of ours that could have called for them. */
const CHATTER_PER_FRAME = 10;
/** Frames that may still come for a stream that we have given up: a head, trailers, a reset, and what we answer to. */
const LATE_FRAMES = 4;
const NO_BYTES = Buffer.alloc(0);
/** A result of `decode`, beside those of HPACK. */
export const BLOCK_FATAL = -1;
const trailerFields = new TrailerFields();

export abstract class Http2Connection<S extends Http2Stream = Http2Stream>
  implements TransportHandler, FrameSink
{
  readonly transport: Transport;
  readonly batch: Batch;
  readonly encoder = new HpackEncoder();
  readonly streams = new Map<number, S>();
  /** Streams with something to send that the windows don't allow. */
  readonly blocked = new Set<Http2Stream>();
  /** What the peer allows us to send on all streams together, in bytes. */
  sendWindow = DEFAULT_WINDOW;
  /** The largest payload that we send in one frame. */
  peerFrameBytes = DEFAULT_FRAME_BYTES;
  /** RFC 8441. */
  peerTakesTunnels = false;
  protected readonly reader: FrameReader;
  /** Streams that are over, for the next to use. */
  protected readonly spare: S[] = [];
  /** Streams that ended lately; who ended them may still be at work with them until the next read. */
  private readonly resting: S[] = [];
  /** The highest id that was opened, by whichever side opens streams. */
  protected lastStreamId = 0;
  protected peerWindow = DEFAULT_WINDOW;
  /** Until its settings say less. */
  protected peerStreams: number = LIMITS.http2StreamsPerConnection;
  /** A connection error was sent or the transport is gone: nothing is read or opened any more. */
  protected ended = false;
  private readonly decoder = new HpackDecoder();
  private readonly nuisances = new NuisanceBudget();
  private readonly chatter = new NuisanceBudget(LIMITS.http2ChatterBurst);
  private receiveWindow: number = LIMITS.http2ConnectionWindowBytes;
  private receivedBytes = 0;
  /** Of what was received, what waits for its upstream. */
  private heldBytes = 0;
  /** The peer's settings have come. */
  protected settled = false;
  /** Stream of the header block that CONTINUATION must go on with; 0 when there is none. */
  private blockStreamId = 0;
  private blockEndsStream = false;
  private block = NO_BYTES;
  private blockLength = 0;
  private continuations = 0;
  private dataStream: S | null = null;
  private dataLength = 0;
  private dataEndsStream = false;
  /** Looks at the deadlines of all streams at every tick: cheaper than watching each for as long as it lives. */
  private readonly streamWatch: Watched = { deadlineMs: NEVER, onDeadline: () => this.checkDeadlines() };
  /** The DATA frame holds nothing, or nothing but padding. */
  private dataEmpty = false;
  /** Made when it is needed: most connections reset nothing. */
  private resetIds: Int32Array | null = null;
  private resetCount = 0;

  constructor(transport: Transport) {
    this.transport = transport;
    this.batch = new Batch(transport);
    this.reader = new FrameReader(this);
    transport.handler = this;
    transport.context.deadlines.watch(this.streamWatch);
  }

  /** A block that opens a stream or goes on with one; `sink` and meaning are the role's. Decode it whatever it is. */
  protected abstract onBlock(
    streamId: number,
    endStream: boolean,
    bytes: Buffer,
    start: number,
    end: number,
  ): void;
  protected abstract onGoaway(lastStreamId: number, code: number, reason: string): void;
  protected abstract onStreamClosed(stream: S): void;
  protected abstract onPingAck(): void;
  /** The peer's settings have changed. */
  protected abstract onSettings(): void;
  /** Whether the stream was opened before, by whoever opens streams with such ids. */
  protected abstract wasOpened(streamId: number): boolean;
  protected abstract readonly isServer: boolean;
  /** Nothing can be read any more. */
  protected abstract onEnded(detail: string): void;
  abstract onPeerEnd(): void;
  abstract onDeadline(): void;

  onBytes(bytes: Buffer, start: number, end: number): void {
    while (this.resting.length > 0 && this.spare.length < LIMITS.http2SpareStreams) {
      const stream = this.resting.pop() as S;
      // The other direction of a tunnel may still hold on to it.
      if (!stream.occupied) this.spare.push(stream);
    }
    this.resting.length = 0;
    if (!this.ended) this.reader.read(bytes, start, end);
  }

  onDrained(): void {
    for (const stream of this.streams.values()) stream.tellDrained();
  }

  onClosed(error: Error | null): void {
    this.end(error === null ? 'the connection was closed' : error.message);
    this.batch.discard();
    this.transport.context.deadlines.unwatch(this.streamWatch);
  }

  onFrameHeader(type: number, flags: number, streamId: number, length: number): boolean {
    if (this.ended) return false;
    if (!this.settled && (type !== FRAME_SETTINGS || (flags & FLAG_ACK) !== 0)) {
      return this.fail(PROTOCOL_ERROR, 'the first frame is not SETTINGS');
    }
    if (this.blockStreamId !== 0 && (type !== FRAME_CONTINUATION || streamId !== this.blockStreamId)) {
      return this.fail(PROTOCOL_ERROR, 'a header block was interrupted');
    }
    if (length > DEFAULT_FRAME_BYTES) return this.fail(FRAME_SIZE_ERROR, 'frame longer than allowed');
    if (type === FRAME_DATA) return this.beginData(flags, streamId, length);
    return true;
  }

  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): boolean {
    switch (type) {
      case FRAME_HEADERS:
        this.readHeaders(flags, streamId, bytes, start, end);
        break;
      case FRAME_CONTINUATION:
        this.readContinuation(flags, streamId, bytes, start, end);
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
        this.fail(PROTOCOL_ERROR, 'push is not allowed');
        break;
      default:
        // Unknown types are extensions, to be ignored (RFC 9113 section 5.5).
        this.tolerateChatter();
    }
    return !this.ended;
  }

  onDataBytes(bytes: Buffer, start: number, end: number): boolean {
    this.dataEmpty = false;
    const stream = this.dataStream;
    if (stream === null) return !this.ended;
    if (stream.bodyRemaining !== -1) {
      stream.bodyRemaining -= end - start;
      if (stream.bodyRemaining < 0) {
        this.violate(stream, PROTOCOL_ERROR, 'more body than content-length says');
        return !this.ended;
      }
    }
    stream.onBody(bytes, start, end);
    return !this.ended;
  }

  onDataEnd(): boolean {
    const stream = this.dataStream;
    this.dataStream = null;
    this.receivedBytes += this.dataLength;
    if (this.dataEmpty && !this.dataEndsStream) this.tolerate();
    this.grant();
    if (stream === null || stream.remoteEnded) return !this.ended;
    if (this.dataEndsStream) this.endRemote(stream, null);
    else stream.receive(this.dataLength);
    return !this.ended;
  }

  onBadPadding(): void {
    this.fail(PROTOCOL_ERROR, 'padding longer than its frame');
  }

  /**
   * So many more bytes of bodies wait, or fewer. A stream that is held up does not hold up others; but when all of them together keep a
   * whole window, the peer has to wait.
   */
  noteHeld(change: number): void {
    this.heldBytes += change;
    if (change < 0 && !this.ended) this.grant();
  }

  /** A DATA frame was written. */
  onDataSent(): void {
    this.chatter.earn(CHATTER_PER_FRAME);
  }

  writeTrailers(stream: Http2Stream, trailers: Head): void {
    encodeTrailers(this, stream, trailers);
  }

  /** Ends the stream from our side, now, for a reason that is not the peer's fault: what it has sent already may still come. */
  abandonStream(stream: Http2Stream, code: number): void {
    this.nuisances.earn(LATE_FRAMES);
    this.resetStream(stream, code);
  }

  /** Ends the stream from our side, now. */
  resetStream(stream: Http2Stream, code: number): void {
    if (!this.streams.has(stream.id)) return;
    appendNumberFrame(this.batch, FRAME_RST_STREAM, stream.id, code);
    this.rememberReset(stream.id);
    this.closeStream(stream);
  }

  /** Both sides have ended. */
  closeStream(stream: Http2Stream): void {
    if (!this.streams.delete(stream.id)) return;
    this.resting.push(stream as S);
    stream.localEnded = true;
    stream.remoteEnded = true;
    stream.dropPending();
    if (this.dataStream === stream) this.dataStream = null;
    this.onStreamClosed(stream as S);
  }

  /** An error of the connection (RFC 9113 section 5.4.1). Always false, for callers that are to stop. */
  protected fail(code: number, detail: string): false {
    if (this.ended) return false;
    appendGoaway(this.batch, this.isServer ? this.lastStreamId : 0, code, detail);
    this.batch.flush();
    this.end(`${errorName(code)}: ${detail}`);
    this.transport.deadlineMs = this.transport.context.nowMs + LIMITS.lingerMs;
    this.transport.end();
    return false;
  }

  /** Nothing more is expected of the connection. */
  protected end(detail: string): void {
    if (this.ended) return;
    this.ended = true;
    this.reader.stop();
    const lost = [...this.streams.values()];
    for (const stream of lost) {
      this.closeStream(stream);
      stream.onLost(detail, false);
    }
    this.onEnded(detail);
  }

  protected addStream(stream: S, id: number): void {
    this.lastStreamId = id;
    stream.open(id, this.peerWindow);
    this.streams.set(id, stream);
    this.streamWatch.deadlineMs = ALWAYS_DUE;
    this.chatter.earn(CHATTER_PER_FRAME);
  }

  /** Returns HPACK_OK, or HPACK_TOO_LARGE when the message is to be refused, or BLOCK_FATAL when the connection is over. */
  protected decode(sink: FieldSink, bytes: Buffer, start: number, end: number): number {
    const result = this.decoder.decode(bytes, start, end, sink);
    if (result === HPACK_OK || result === HPACK_TOO_LARGE) return result;
    if (result === HPACK_FLOOD) this.fail(ENHANCE_YOUR_CALM, 'header list far larger than allowed');
    else this.fail(COMPRESSION_ERROR, 'malformed header block');
    return BLOCK_FATAL;
  }

  /** A block behind a body. */
  protected readTrailers(
    stream: Http2Stream,
    endStream: boolean,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    trailerFields.begin();
    const result = this.decode(trailerFields, bytes, start, end);
    if (result === BLOCK_FATAL) return;
    const trailers = result === HPACK_OK ? trailerFields.end() : null;
    if (!endStream) this.violate(stream, PROTOCOL_ERROR, 'trailers that do not end the stream');
    else if (trailers === null) this.violate(stream, PROTOCOL_ERROR, 'malformed trailers');
    else this.endRemote(stream, trailers);
  }

  /** A block for a stream that is no more. */
  protected discardBlock(bytes: Buffer, start: number, end: number): void {
    if (this.decode(DISCARD, bytes, start, end) !== BLOCK_FATAL) this.tolerate();
  }

  /** The peer ended its side of the stream. */
  protected endRemote(stream: Http2Stream, trailers: Head | null): void {
    if (stream.bodyRemaining > 0) {
      this.violate(stream, PROTOCOL_ERROR, 'less body than content-length says');
      return;
    }
    stream.remoteEnded = true;
    stream.onEnd(trailers);
    if (stream.localEnded) this.closeStream(stream);
  }

  /** An error of a stream (RFC 9113 section 5.4.2) that the peer made. */
  protected violate(stream: Http2Stream, code: number, detail: string): void {
    this.resetStream(stream, code);
    stream.onViolation(detail);
    this.tolerate();
  }

  /** For an error of a stream that we don't have. */
  protected refuseStream(streamId: number, code: number): void {
    appendNumberFrame(this.batch, FRAME_RST_STREAM, streamId, code);
    this.rememberReset(streamId);
    this.tolerate();
  }

  /** Takes note of something that costs us and should be rare. */
  protected tolerate(): void {
    if (!this.nuisances.spend(this.transport.context.nowMs)) {
      this.fail(ENHANCE_YOUR_CALM, 'too many resets, settings or empty frames');
    }
  }

  /** The same for what goes with traffic. False when the connection is over. */
  private tolerateChatter(): boolean {
    if (this.chatter.spend(this.transport.context.nowMs)) return true;
    return this.fail(ENHANCE_YOUR_CALM, 'too many pings, window updates, priorities or extensions');
  }

  /** We reset it lately: what is still on its way for it is no error. */
  protected wasReset(streamId: number): boolean {
    return this.resetIds !== null && this.resetIds.indexOf(streamId) !== -1;
  }

  private grant(): void {
    const half = LIMITS.http2ConnectionWindowBytes / 2;
    if (this.receivedBytes < half || this.heldBytes > LIMITS.http2ConnectionWindowBytes) return;
    appendNumberFrame(this.batch, FRAME_WINDOW_UPDATE, 0, this.receivedBytes);
    this.receiveWindow += this.receivedBytes;
    this.receivedBytes = 0;
  }

  private checkDeadlines(): void {
    const { nowMs } = this.transport.context;
    for (const stream of this.streams.values()) {
      if (stream.deadlineMs > nowMs) continue;
      stream.deadlineMs = NEVER;
      stream.onDeadline();
    }
    if (this.streams.size > 0) this.streamWatch.deadlineMs = ALWAYS_DUE;
  }

  private rememberReset(streamId: number): void {
    this.resetIds ??= new Int32Array(LIMITS.http2RememberedResets);
    this.resetIds[this.resetCount++ % this.resetIds.length] = streamId;
  }

  private beginData(flags: number, streamId: number, length: number): boolean {
    this.dataLength = length;
    this.dataEndsStream = (flags & FLAG_END_STREAM) !== 0;
    this.dataStream = null;
    if (streamId === 0 || !this.wasOpened(streamId)) {
      return this.fail(PROTOCOL_ERROR, 'DATA on a stream that was not opened');
    }
    this.receiveWindow -= length;
    if (this.receiveWindow < 0) return this.fail(FLOW_CONTROL_ERROR, 'more DATA than the connection allows');
    this.dataEmpty = true;
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (!this.wasReset(streamId)) this.refuseStream(streamId, STREAM_CLOSED);
    } else if (stream.remoteEnded) {
      this.violate(stream, STREAM_CLOSED, 'DATA behind the end of the stream');
    } else {
      stream.receiveWindow -= length;
      if (stream.receiveWindow < 0) {
        this.violate(stream, FLOW_CONTROL_ERROR, 'more DATA than the stream allows');
      } else {
        this.dataStream = stream;
      }
    }
    return !this.ended;
  }

  private readHeaders(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId === 0) {
      this.fail(PROTOCOL_ERROR, 'HEADERS on stream 0');
      return;
    }
    let from = start;
    let to = end;
    if ((flags & FLAG_PADDED) !== 0) {
      if (from === to) {
        this.fail(FRAME_SIZE_ERROR, 'HEADERS too short');
        return;
      }
      to -= bytes[from++] as number;
    }
    let dependsOnItself = false;
    if ((flags & FLAG_PRIORITY) !== 0) {
      if (to - from < PRIORITY_BYTES) {
        this.fail(to < from ? PROTOCOL_ERROR : FRAME_SIZE_ERROR, 'HEADERS too short');
        return;
      }
      dependsOnItself = readUint31(bytes, from) === streamId;
      from += PRIORITY_BYTES;
    }
    if (to < from) {
      this.fail(PROTOCOL_ERROR, 'padding longer than its frame');
      return;
    }
    const endStream = (flags & FLAG_END_STREAM) !== 0;
    if (dependsOnItself) {
      // Priorities are ignored (RFC 9113 section 5.3), but not what can't be meant.
      this.fail(PROTOCOL_ERROR, 'a stream that depends on itself');
    } else if ((flags & FLAG_END_HEADERS) !== 0) {
      this.onBlock(streamId, endStream, bytes, from, to);
    } else {
      this.blockStreamId = streamId;
      this.blockEndsStream = endStream;
      this.blockLength = 0;
      this.continuations = 0;
      this.collectBlock(bytes, from, to);
    }
  }

  private readContinuation(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (this.blockStreamId === 0) {
      this.fail(PROTOCOL_ERROR, 'CONTINUATION without HEADERS');
      return;
    }
    if (++this.continuations > LIMITS.http2Continuations) {
      this.fail(ENHANCE_YOUR_CALM, 'too many CONTINUATION frames');
      return;
    }
    if (!this.collectBlock(bytes, start, end) || (flags & FLAG_END_HEADERS) === 0) return;
    const { block, blockLength } = this;
    this.blockStreamId = 0;
    this.block = NO_BYTES;
    this.onBlock(streamId, this.blockEndsStream, block, 0, blockLength);
  }

  private collectBlock(bytes: Buffer, start: number, end: number): boolean {
    const need = this.blockLength + end - start;
    if (need > LIMITS.headBytes) return this.fail(ENHANCE_YOUR_CALM, 'header block larger than allowed');
    if (need > this.block.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(LIMITS.headBytes, need * 2));
      this.block.copy(grown, 0, 0, this.blockLength);
      this.block = grown;
    }
    bytes.copy(this.block, this.blockLength, start, end);
    this.blockLength = need;
    return true;
  }

  private readWindowUpdate(streamId: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) {
      this.fail(FRAME_SIZE_ERROR, 'WINDOW_UPDATE of a wrong length');
      return;
    }
    if (!this.tolerateChatter()) return;
    const increment = readUint31(bytes, start);
    if (streamId === 0) {
      if (increment === 0) this.fail(PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
      else if (this.sendWindow + increment > MAX_WINDOW) this.fail(FLOW_CONTROL_ERROR, 'window too large');
      else {
        this.sendWindow += increment;
        this.sendBlocked();
      }
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (!this.wasOpened(streamId))
        this.fail(PROTOCOL_ERROR, 'WINDOW_UPDATE on a stream that was not opened');
    } else if (increment === 0) {
      this.violate(stream, PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
    } else if (stream.sendWindow + increment > MAX_WINDOW) {
      this.violate(stream, FLOW_CONTROL_ERROR, 'window too large');
    } else {
      stream.sendWindow += increment;
      if (stream.blocked) stream.sendPending();
    }
  }

  /** In turn: who was served goes to the end of the queue, if it is not done. */
  private sendBlocked(): void {
    for (const stream of [...this.blocked]) {
      if (this.sendWindow <= 0) return;
      this.blocked.delete(stream);
      this.blocked.add(stream);
      stream.sendPending();
    }
  }

  private readSettings(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    if (streamId !== 0) {
      this.fail(PROTOCOL_ERROR, 'SETTINGS on a stream');
    } else if ((flags & FLAG_ACK) !== 0) {
      if (length !== 0) this.fail(FRAME_SIZE_ERROR, 'SETTINGS acknowledgement with a payload');
    } else if (length % SETTING_BYTES !== 0) {
      this.fail(FRAME_SIZE_ERROR, 'SETTINGS of a wrong length');
    } else if (length > LIMITS.http2SettingsPerFrame * SETTING_BYTES) {
      // Each may change the windows of all streams.
      this.fail(ENHANCE_YOUR_CALM, 'too many settings in one frame');
    } else {
      // The first are due; more of them are not.
      if (this.settled) this.tolerate();
      this.settled = true;
      for (let at = start; at < end && !this.ended; at += SETTING_BYTES) {
        const identifier = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
        this.applySetting(identifier, readUint32(bytes, at + 2));
      }
      if (this.ended) return;
      appendSettingsAck(this.batch);
      this.onSettings();
    }
  }

  private applySetting(identifier: number, value: number): void {
    switch (identifier) {
      case SETTINGS_HEADER_TABLE_SIZE:
        this.encoder.setMaxTableBytes(value);
        break;
      case SETTINGS_ENABLE_PUSH:
        if (value > (this.isServer ? 1 : 0)) this.fail(PROTOCOL_ERROR, 'SETTINGS_ENABLE_PUSH out of range');
        break;
      case SETTINGS_MAX_CONCURRENT_STREAMS:
        this.peerStreams = Math.min(value, LIMITS.http2StreamsPerConnection);
        break;
      case SETTINGS_INITIAL_WINDOW_SIZE:
        if (value > MAX_WINDOW) this.fail(FLOW_CONTROL_ERROR, 'SETTINGS_INITIAL_WINDOW_SIZE out of range');
        else this.changeWindows(value);
        break;
      case SETTINGS_MAX_FRAME_SIZE:
        if (value < DEFAULT_FRAME_BYTES || value > MAX_FRAME_BYTES) {
          this.fail(PROTOCOL_ERROR, 'SETTINGS_MAX_FRAME_SIZE out of range');
        } else {
          this.peerFrameBytes = Math.min(value, LIMITS.http2FrameBytes);
        }
        break;
      case SETTINGS_ENABLE_CONNECT_PROTOCOL:
        if (value > 1) this.fail(PROTOCOL_ERROR, 'SETTINGS_ENABLE_CONNECT_PROTOCOL out of range');
        else this.peerTakesTunnels = value === 1;
        break;
    }
  }

  /** New windows hold for open streams too, and may go below 0 (RFC 9113 section 6.9.2). */
  private changeWindows(value: number): void {
    const change = value - this.peerWindow;
    this.peerWindow = value;
    for (const stream of [...this.streams.values()]) {
      if (stream.sendWindow + change > MAX_WINDOW) {
        this.fail(FLOW_CONTROL_ERROR, 'window too large');
        return;
      }
      stream.sendWindow += change;
      if (change > 0 && stream.blocked) stream.sendPending();
    }
  }

  private readReset(streamId: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) {
      this.fail(FRAME_SIZE_ERROR, 'RST_STREAM of a wrong length');
      return;
    }
    if (streamId === 0 || !this.wasOpened(streamId)) {
      this.fail(PROTOCOL_ERROR, 'RST_STREAM on a stream that was not opened');
      return;
    }
    const stream = this.streams.get(streamId);
    const code = readUint32(bytes, start);
    if (stream === undefined) {
      // A server that answered before it had the whole request says in this way that it does not want the rest (RFC 9113 section 8.1).
      if (this.isServer || code !== NO_ERROR) this.tolerate();
      return;
    }
    const { nowMs } = this.transport.context;
    this.closeStream(stream);
    stream.onReset(code);
    if (this.isServer && nowMs - stream.openedMs < LIMITS.http2PrematureResetMs) this.tolerate();
  }

  private readPing(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId !== 0) {
      this.fail(PROTOCOL_ERROR, 'PING on a stream');
    } else if (end - start !== PING_BYTES) {
      this.fail(FRAME_SIZE_ERROR, 'PING of a wrong length');
    } else if ((flags & FLAG_ACK) !== 0) {
      this.onPingAck();
    } else {
      if (this.tolerateChatter()) appendPing(this.batch, FLAG_ACK, bytes, start);
    }
  }

  private readGoaway(streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId !== 0) {
      this.fail(PROTOCOL_ERROR, 'GOAWAY on a stream');
    } else if (end - start < 8) {
      this.fail(FRAME_SIZE_ERROR, 'GOAWAY too short');
    } else {
      const reason = bytes.toString('latin1', start + 8, Math.min(end, start + 8 + LIMITS.http2ReasonBytes));
      this.onGoaway(readUint31(bytes, start), readUint32(bytes, start + 4), reason);
    }
  }

  private readPriority(streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId === 0) {
      this.fail(PROTOCOL_ERROR, 'PRIORITY on stream 0');
      return;
    }
    const stream = this.streams.get(streamId);
    const isShort = end - start !== PRIORITY_BYTES;
    if (!isShort && readUint31(bytes, start) !== streamId) {
      this.tolerateChatter();
    } else if (stream !== undefined) {
      this.violate(stream, isShort ? FRAME_SIZE_ERROR : PROTOCOL_ERROR, 'malformed PRIORITY');
    } else {
      this.refuseStream(streamId, isShort ? FRAME_SIZE_ERROR : PROTOCOL_ERROR);
    }
  }
}
