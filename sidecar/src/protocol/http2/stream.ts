/**
 * One exchange on a connection of HTTP/2: its flow control, what waits for it, and how it ends. server.ts and client.ts say what the
 * bytes mean.
 *
 * Invariants
 * - Nothing is sent beyond the windows of stream and connection; what they don't allow waits in order, END_STREAM and trailers behind it.
 * - The peer is granted room again only while who reads the body has room, so what waits for a slow reader is bounded by one window.
 * - A stream leaves its connection exactly once.
 */
import { LIMITS } from '../../core/limits.ts';
import { ByteQueue } from '../../transport/byte-queue.ts';
import type { Head } from '../head.ts';
import { copyHead } from '../head-copy.ts';
import type { Http2Connection } from './connection.ts';
import {
  appendNumberFrame,
  FLAG_END_STREAM,
  FRAME_DATA,
  FRAME_HEADER_BYTES,
  FRAME_WINDOW_UPDATE,
  writeFrameHeader,
} from './frame.ts';

export const NEVER = Number.POSITIVE_INFINITY;

export abstract class Http2Stream {
  readonly connection: Http2Connection;
  id = 0;
  /** Monotonic milliseconds; Infinity while there is nothing to wait for. */
  deadlineMs = NEVER;
  openedMs = 0;
  /** END_STREAM was written, or the stream was reset. */
  localEnded = false;
  /** END_STREAM was received, or the stream was reset. */
  remoteEnded = false;
  /** What the peer allows us to send, in bytes; below 0 when its settings took some back. */
  sendWindow = 0;
  /** What we allow the peer to send, in bytes. */
  receiveWindow = 0;
  /** Declared bytes of the body that are still to come; -1 when nothing was declared. */
  bodyRemaining = -1;
  private receivedBytes = 0;
  private receivePaused = false;
  private readonly pending: ByteQueue;
  private readonly writePending: (bytes: Buffer, start: number, end: number) => number;
  private endPending = false;
  private pendingTrailers: Head | null = null;
  private awaitsDrain = false;
  private lastFrameAt = 0;
  private lastGeneration = -1;

  constructor(connection: Http2Connection) {
    this.connection = connection;
    this.pending = new ByteQueue(connection.transport.context.buffers);
    this.writePending = (bytes, start, end) => this.writeBody(bytes, start, end);
  }

  /** Body bytes from the peer. */
  abstract onBody(bytes: Buffer, start: number, end: number): void;
  /** The peer ended its side. */
  abstract onEnd(trailers: Head | null): void;
  /** The connection of the stream is over. `unprocessed`: the peer did nothing for it. */
  abstract onLost(detail: string, unprocessed: boolean): void;
  /** The peer reset the stream. */
  abstract onReset(code: number): void;
  /** The peer broke a rule of the stream, which is reset. */
  abstract onViolation(detail: string): void;
  /** There is room again for what `congested` kept waiting. */
  abstract onDrained(): void;
  /** Some of what waited for the peer's window was sent. */
  abstract onProgress(): void;
  /** END_STREAM was written while the peer's side is still open. */
  abstract onLocalEnd(): void;
  abstract onDeadline(): void;
  /** An exchange still refers to the stream. */
  abstract readonly occupied: boolean;

  open(id: number, sendWindow: number): void {
    this.id = id;
    this.openedMs = this.connection.transport.context.nowMs;
    this.deadlineMs = NEVER;
    this.localEnded = false;
    this.remoteEnded = false;
    this.sendWindow = sendWindow;
    this.receiveWindow = LIMITS.http2StreamWindowBytes;
    this.bodyRemaining = -1;
    this.receivedBytes = 0;
    this.receivePaused = false;
    this.pending.clear();
    this.endPending = false;
    this.pendingTrailers = null;
    this.awaitsDrain = false;
    this.lastGeneration = -1;
  }

  /** More waits to be sent than one stream should hold; `onDrained` tells when it does no more. */
  get congested(): boolean {
    const congested = this.stalled || this.connection.transport.congested;
    if (congested) this.awaitsDrain = true;
    return congested;
  }

  /** The peer's window keeps more back than one stream should hold. */
  get stalled(): boolean {
    return this.pending.length > LIMITS.http2StreamPendingBytes;
  }

  /** Something waits for the peer's window. */
  get blocked(): boolean {
    return this.pending.length > 0;
  }

  /** The frame header at `at` of the batch is the stream's last one so far. */
  noteFrame(at: number): void {
    this.lastFrameAt = at;
    this.lastGeneration = this.connection.batch.generation;
  }

  sendBody(bytes: Uint8Array, start: number, end: number): void {
    if (this.localEnded) return;
    const at = this.pending.length > 0 ? start : this.writeBody(bytes, start, end);
    if (at === end) return;
    this.pending.push(bytes, at, end);
    this.connection.blocked.add(this);
  }

  /** Ends our side, behind everything that waits. */
  sendEnd(trailers: Head | null): void {
    if (this.localEnded) return;
    if (this.pending.length > 0) {
      this.endPending = true;
      this.pendingTrailers = trailers === null ? null : copyHead(trailers);
    } else {
      this.writeEnd(trailers);
    }
  }

  /** Windows have opened. */
  sendPending(): void {
    const before = this.pending.length;
    this.pending.drain(this.writePending);
    const progressed = this.pending.length < before;
    if (this.pending.length === 0) {
      this.connection.blocked.delete(this);
      if (this.endPending) {
        this.endPending = false;
        this.writeEnd(this.pendingTrailers);
      }
    }
    // A window that lets nothing through is no sign that the peer reads.
    if (progressed) this.onProgress();
    this.tellDrained();
  }

  /** What kept the producer waiting may be gone. */
  tellDrained(): void {
    if (!this.awaitsDrain || this.pending.length > LIMITS.http2StreamPendingBytes / 2) return;
    if (this.connection.transport.congested) return;
    this.awaitsDrain = false;
    this.onDrained();
  }

  /** A DATA frame, padding and all, is over. */
  receive(length: number): void {
    this.receivedBytes += length;
    if (!this.receivePaused) this.grant();
  }

  /** The peer gets no more room until `resumeReceiving`. */
  pauseReceiving(): void {
    this.receivePaused = true;
  }

  resumeReceiving(): void {
    this.receivePaused = false;
    this.grant();
  }

  /** Forgets what was to be sent. */
  dropPending(): void {
    this.pending.clear();
    this.endPending = false;
    this.connection.blocked.delete(this);
  }

  /** `timeoutMs` from now. */
  awaitFor(timeoutMs: number): void {
    this.deadlineMs = this.connection.transport.context.nowMs + timeoutMs;
  }

  private grant(): void {
    if (this.remoteEnded || this.receivedBytes < LIMITS.http2StreamWindowBytes / 2) return;
    appendNumberFrame(this.connection.batch, FRAME_WINDOW_UPDATE, this.id, this.receivedBytes);
    this.receiveWindow += this.receivedBytes;
    this.receivedBytes = 0;
  }

  /** Writes what the windows allow; returns where it stopped. */
  private writeBody(bytes: Uint8Array, start: number, end: number): number {
    const { connection } = this;
    const { batch } = connection;
    let at = start;
    while (at < end) {
      const count = Math.min(end - at, this.sendWindow, connection.sendWindow, connection.peer.frameBytes);
      if (count <= 0) break;
      batch.reserve(FRAME_HEADER_BYTES + count);
      this.noteFrame(batch.at);
      writeFrameHeader(batch.bytes, batch.at, count, FRAME_DATA, 0, this.id);
      batch.at += FRAME_HEADER_BYTES;
      batch.append(bytes, at, at + count);
      this.sendWindow -= count;
      connection.sendWindow -= count;
      connection.onDataSent();
      at += count;
    }
    return at;
  }

  private writeEnd(trailers: Head | null): void {
    const { batch } = this.connection;
    this.localEnded = true;
    if (trailers !== null) {
      this.connection.writeTrailers(this, trailers);
    } else if (this.lastGeneration === batch.generation && batch.at > this.lastFrameAt) {
      // The last frame has not left yet: it becomes the end.
      const flagsAt = this.lastFrameAt + 4;
      batch.bytes[flagsAt] = (batch.bytes[flagsAt] as number) | FLAG_END_STREAM;
    } else {
      batch.reserve(FRAME_HEADER_BYTES);
      writeFrameHeader(batch.bytes, batch.at, 0, FRAME_DATA, FLAG_END_STREAM, this.id);
      batch.at += FRAME_HEADER_BYTES;
    }
    if (this.remoteEnded) this.connection.closeStream(this);
    else this.onLocalEnd();
  }
}
