/**
 * Cuts one direction of a Kafka connection into its messages and hands out the beginning of each in one piece, over any split.
 *
 * Invariants: what lies behind the beginning is skipped by counting; a beginning that came in one read is not copied; of others, at most
 * the asked-for bytes are held.
 */
import type { DesyncReason } from '../../observe/datastore.ts';

export interface FrameSink {
  /** A message of `size` bytes comes: how many of them must be in one piece. */
  onFrame(size: number): number;
  /** They lie in `bytes[start, end)`, which is valid until this returns. */
  onPrefix(bytes: Uint8Array, start: number, end: number): DesyncReason | null;
  onEnd(): DesyncReason | null;
}

const SIZE_BYTES = 4;
/** How TLS records begin; as a size, it would be more than any broker takes. */
const TLS_ALERT = 0x1503;
const TLS_HANDSHAKE = 0x1603;
/** Room above this is given back after the message that needed it. */
const KEPT_ROOM = 4_096;
const NO_ROOM = new Uint8Array(0);

export class FrameReader {
  startedMs = 0;
  private readonly minimum: number;
  private sizeBytes = 0;
  private size = 0;
  /** Of the message, bytes that are still to come; -1 between messages. */
  private left = -1;
  private wanted = 0;
  private held = NO_ROOM;
  private heldBytes = 0;
  private prefixIsOver = false;

  /** No message has less than `minimum` bytes. */
  constructor(minimum: number) {
    this.minimum = minimum;
  }

  read(bytes: Uint8Array, start: number, end: number, nowMs: number, sink: FrameSink): DesyncReason | null {
    let at = start;
    while (at < end) {
      if (this.left === -1) {
        if (this.sizeBytes === 0) this.startedMs = nowMs;
        this.size = (this.size << 8) | (bytes[at++] as number);
        if (++this.sizeBytes < SIZE_BYTES) continue;
        if (this.size >>> 16 === TLS_HANDSHAKE || this.size >>> 16 === TLS_ALERT) return 'tls';
        if (this.size < this.minimum) return 'malformed';
        this.left = this.size;
        this.wanted = Math.min(sink.onFrame(this.size), this.size);
        this.heldBytes = 0;
        this.prefixIsOver = false;
        continue;
      }
      const reason = this.prefixIsOver ? null : this.readPrefix(bytes, at, end, sink);
      if (reason !== null) return reason;
      const count = Math.min(this.left, end - at);
      at += count;
      this.left -= count;
      if (this.left > 0) continue;
      this.beginNext();
      const endReason = sink.onEnd();
      if (endReason !== null) return endReason;
    }
    return null;
  }

  private readPrefix(bytes: Uint8Array, at: number, end: number, sink: FrameSink): DesyncReason | null {
    const missing = this.wanted - this.heldBytes;
    const here = Math.min(missing, end - at);
    if (here === missing) this.prefixIsOver = true;
    if (this.heldBytes === 0 && this.prefixIsOver) return sink.onPrefix(bytes, at, at + here);
    this.hold(bytes, at, at + here);
    return this.prefixIsOver ? sink.onPrefix(this.held, 0, this.heldBytes) : null;
  }

  private hold(bytes: Uint8Array, start: number, end: number): void {
    const needed = this.heldBytes + end - start;
    if (needed > this.held.length) {
      // As much as has come, doubled: what a message only announces takes no memory.
      const grown = new Uint8Array(Math.min(Math.max(needed, this.held.length * 2), this.wanted));
      grown.set(this.held.subarray(0, this.heldBytes));
      this.held = grown;
    }
    this.held.set(bytes.subarray(start, end), this.heldBytes);
    this.heldBytes = needed;
  }

  private beginNext(): void {
    this.left = -1;
    this.sizeBytes = 0;
    this.size = 0;
    if (this.held.length > KEPT_ROOM) this.held = NO_ROOM;
  }
}
