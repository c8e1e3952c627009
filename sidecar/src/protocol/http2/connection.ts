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
  COMPRESSION_ERROR,
  DEFAULT_WINDOW,
  ENHANCE_YOUR_CALM,
  errorName,
  FLOW_CONTROL_ERROR,
  FRAME_RST_STREAM,
  FRAME_WINDOW_UPDATE,
  MAX_WINDOW,
  PROTOCOL_ERROR,
} from './frame.ts';
import { FrameReader } from './frame-reader.ts';
import { encodeTrailers } from './head-encoder.ts';
import type { BlockSink } from './header-block.ts';
import { type FieldSink, HPACK_FLOOD, HPACK_OK, HPACK_TOO_LARGE, HpackDecoder } from './hpack/decoder.ts';
import { HpackEncoder } from './hpack/encoder.ts';
import { IncomingFrames } from './incoming.ts';
import { NuisanceBudget } from './nuisance.ts';
import { PeerSettings } from './peer-settings.ts';
import { DISCARD, TrailerFields } from './response-fields.ts';
import { type Http2Stream, NEVER } from './stream.ts';

const ALWAYS_DUE = 0;
/** Updates of windows, pings and the like that a peer may send for each DATA frame or stream of ours that could have called for them. */
const CHATTER_PER_FRAME = 10;
/** Frames that may still come for a stream that we have given up: a head, trailers, a reset, and what we answer to. */
const LATE_FRAMES = 4;
/** A result of `decode`, beside those of HPACK. */
export const BLOCK_FATAL = -1;
const trailerFields = new TrailerFields();

export abstract class Http2Connection<S extends Http2Stream = Http2Stream>
  implements TransportHandler, BlockSink
{
  readonly transport: Transport;
  readonly isServer: boolean;
  readonly batch: Batch;
  readonly encoder = new HpackEncoder();
  readonly streams = new Map<number, S>();
  /** Streams with something to send that the windows don't allow. */
  readonly blocked = new Set<Http2Stream>();
  /** What the peer allows us to send on all streams together, in bytes. */
  sendWindow = DEFAULT_WINDOW;
  readonly peer: PeerSettings;
  private readonly incoming: IncomingFrames;
  private readonly reader: FrameReader;
  /** Streams that are over, for the next to use. */
  protected readonly spare: S[] = [];
  /** Streams that ended lately; who ended them may still be at work with them until the next read. */
  private readonly resting: S[] = [];
  /** The highest id that was opened, by whichever side opens streams. */
  protected lastStreamId = 0;
  /** A connection error was sent or the transport is gone: nothing is read or opened any more. */
  ended = false;
  private readonly decoder = new HpackDecoder();
  private readonly nuisances = new NuisanceBudget();
  private readonly chatter = new NuisanceBudget(LIMITS.http2ChatterBurst);
  private receiveWindow: number = LIMITS.http2ConnectionWindowBytes;
  private receivedBytes = 0;
  /** Of what was received, what waits for its upstream. */
  private heldBytes = 0;
  /** Looks at the deadlines of all streams at every tick: cheaper than watching each for as long as it lives. */
  private readonly streamWatch: Watched = { deadlineMs: NEVER, onDeadline: () => this.checkDeadlines() };
  /** Made when it is needed: most connections reset nothing. */
  private resetIds: Int32Array | null = null;
  private resetCount = 0;

  constructor(transport: Transport, isServer: boolean) {
    this.transport = transport;
    this.isServer = isServer;
    this.peer = new PeerSettings(isServer);
    this.batch = new Batch(transport);
    this.incoming = new IncomingFrames(this as unknown as Http2Connection);
    this.reader = new FrameReader(this.incoming);
    transport.handler = this;
    transport.context.deadlines.watch(this.streamWatch);
  }

  /** A block that opens a stream or goes on with one; `sink` and meaning are the role's. Decode it whatever it is. */
  abstract onBlock(streamId: number, endStream: boolean, bytes: Buffer, start: number, end: number): void;
  abstract onGoaway(lastStreamId: number, code: number, reason: string): void;
  protected abstract onStreamClosed(stream: S): void;
  abstract onPingAck(): void;
  /** The peer's settings have changed. */
  abstract onSettings(): void;
  /** Whether the stream was opened before, by whoever opens streams with such ids. */
  abstract wasOpened(streamId: number): boolean;
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

  /**
   * So many more bytes of bodies wait, or fewer. A stream that is held up does not hold up others; but when all of them together keep a
   * whole window, the peer has to wait.
   */
  noteHeld(change: number): void {
    this.heldBytes += change;
    if (change < 0 && !this.ended) this.grant();
  }

  /** Whether the window of the connection has room for a DATA frame; if so, it is taken. */
  mayReceive(length: number): boolean {
    this.receiveWindow -= length;
    return this.receiveWindow >= 0;
  }

  /** A DATA frame, padding and all, is over. */
  noteReceived(length: number): void {
    this.receivedBytes += length;
    this.grant();
  }

  /** The peer lets us send more on all streams together. */
  openWindow(increment: number): void {
    if (this.sendWindow + increment > MAX_WINDOW) {
      this.fail(FLOW_CONTROL_ERROR, 'window too large');
      return;
    }
    this.sendWindow += increment;
    this.sendBlocked();
  }

  /** The peer's settings have come. */
  protected get settled(): boolean {
    return this.incoming.settled;
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
    this.incoming.forget(stream);
    this.onStreamClosed(stream as S);
  }

  /** An error of the connection (RFC 9113 section 5.4.1). Always false, for callers that are to stop. */
  fail(code: number, detail: string): false {
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
    stream.open(id, this.peer.windowBytes);
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
  endRemote(stream: Http2Stream, trailers: Head | null): void {
    if (stream.bodyRemaining > 0) {
      this.violate(stream, PROTOCOL_ERROR, 'less body than content-length says');
      return;
    }
    stream.remoteEnded = true;
    stream.onEnd(trailers);
    if (stream.localEnded) this.closeStream(stream);
  }

  /** An error of a stream (RFC 9113 section 5.4.2) that the peer made. */
  violate(stream: Http2Stream, code: number, detail: string): void {
    this.resetStream(stream, code);
    stream.onViolation(detail);
    this.tolerate();
  }

  /** For an error of a stream that we don't have. */
  refuseStream(streamId: number, code: number): void {
    appendNumberFrame(this.batch, FRAME_RST_STREAM, streamId, code);
    this.rememberReset(streamId);
    this.tolerate();
  }

  /** Takes note of something that costs us and should be rare. */
  tolerate(): void {
    if (!this.nuisances.spend(this.transport.context.nowMs)) {
      this.fail(ENHANCE_YOUR_CALM, 'too many resets, settings or empty frames');
    }
  }

  /** The same for what goes with traffic. False when the connection is over. */
  tolerateChatter(): boolean {
    if (this.chatter.spend(this.transport.context.nowMs)) return true;
    return this.fail(ENHANCE_YOUR_CALM, 'too many pings, window updates, priorities or extensions');
  }

  /** We reset it lately: what is still on its way for it is no error. */
  wasReset(streamId: number): boolean {
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

  /** In turn: who was served goes to the end of the queue, if it is not done. */
  private sendBlocked(): void {
    for (const stream of [...this.blocked]) {
      if (this.sendWindow <= 0) return;
      this.blocked.delete(stream);
      this.blocked.add(stream);
      stream.sendPending();
    }
  }

  /** New windows hold for open streams too, and may go below 0 (RFC 9113 section 6.9.2). */
  changeWindows(change: number): void {
    for (const stream of [...this.streams.values()]) {
      if (stream.sendWindow + change > MAX_WINDOW) {
        this.fail(FLOW_CONTROL_ERROR, 'window too large');
        return;
      }
      stream.sendWindow += change;
      if (change > 0 && stream.blocked) stream.sendPending();
    }
  }
}
