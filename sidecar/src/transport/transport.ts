/**
 * A TCP or TLS connection as the codecs see it: reads by callback from one shared buffer, writes through one shared output,
 * with back-pressure as a number.
 *
 * Invariants
 * - `onBytes` must consume its range before it returns: the next read of any connection overwrites it.
 * - `onClosed` is called exactly once, after which the handler hears nothing more.
 * - All events see to it that the output is flushed before the event loop waits again, so nothing that a handler wrote is left behind.
 * - One write is in flight at a time; what comes meanwhile is kept in the buffers it came in and follows in order.
 */
import type net from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock, Timer } from '../core/clock.ts';
import type { Deadlines, Watched } from '../core/deadlines.ts';
import { LIMITS } from '../core/limits.ts';
import { readAccepted } from './accepted-reads.ts';
import type { Batch } from './batch.ts';
import { BufferPool } from './buffer-pool.ts';
import type { OutgoingConnections } from './outgoing.ts';
import { Output } from './output.ts';

/** What the connections of one sidecar share. */
export class TransportContext {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly buffers = new BufferPool();
  readonly output = new Output(this.buffers);
  readonly readBuffer: Buffer = Buffer.allocUnsafeSlow(LIMITS.readBufferBytes);
  /** Monotonic time of the event being handled. */
  nowMs = 0;
  /** Kept only where connections are captured, and our own could be. */
  outgoing: OutgoingConnections | null = null;
  /** Those with TLS, until they are closed. */
  readonly encrypted = new Set<Transport>();
  private readonly batches: Batch[] = [];
  private roundEnds = false;

  constructor(clock: Clock, deadlines: Deadlines) {
    this.clock = clock;
    this.deadlines = deadlines;
    deadlines.handleAround((tell) => this.handle(tell));
  }

  /** Calls `action` once as an event of its own. */
  after(delayMs: number, action: () => void): Timer {
    return this.clock.setTimer(() => this.handle(action), delayMs);
  }

  /** An event that no transport brought. */
  handle(action: () => void): void {
    this.nowMs = this.clock.monotonicMs();
    action();
    this.output.flush();
  }

  /** The batch is flushed when the round of events that is being handled is over. */
  schedule(batch: Batch): void {
    this.batches.push(batch);
    this.awaitRoundEnd();
  }

  /** As `schedule`, for the output. */
  flushLater(): void {
    this.awaitRoundEnd();
  }

  private awaitRoundEnd(): void {
    if (this.roundEnds) return;
    this.roundEnds = true;
    setImmediate(this.endRound);
  }

  private readonly endRound = (): void => {
    this.roundEnds = false;
    this.output.flush();
    const count = this.batches.length;
    for (let i = 0; i < count; i++) (this.batches[i] as Batch).flushScheduled();
    this.batches.splice(0, count);
  };
}

export interface TransportHandler {
  onBytes(bytes: Buffer, start: number, end: number): void;
  /** The peer will send nothing more; it may still read. */
  onPeerEnd(): void;
  /** `pendingBytes` fell below half of the high-water mark after having been above it. */
  onDrained(): void;
  onDeadline(): void;
  /** Null when the connection ended without an error. */
  onClosed(error: Error | null): void;
}

/** A write that has to wait is copied up to here; beyond, its buffer is kept. */
const SMALL_WRITE_BYTES = 16_384;

/** A connection that nobody took: what happens on it would be lost. */
const UNCLAIMED: TransportHandler = {
  onBytes: rejectUnclaimed,
  onPeerEnd: rejectUnclaimed,
  onDrained: rejectUnclaimed,
  onDeadline: rejectUnclaimed,
  onClosed: rejectUnclaimed,
};

function rejectUnclaimed(): never {
  throw new Error('a transport was used before a handler took it');
}

type AnySocket = net.Socket | TLSSocket;

/** `_write` is what Writable calls for each chunk; going there directly leaves out its queue, which `pending` replaces. */
interface DirectWrite {
  _write(chunk: Uint8Array, encoding: string, callback: (error?: Error | null) => void): void;
  _writev(
    chunks: readonly { chunk: Uint8Array; encoding: string }[],
    callback: (error?: Error | null) => void,
  ): void;
}

interface LayeredSocket {
  readonly _handle: { readonly _parent?: TcpHandle } | null;
}

interface TcpHandle {
  close(callback: () => void): void;
  reset?(callback: () => void): number;
}

export class Transport implements Watched {
  readonly context: TransportContext;
  readonly socket: AnySocket;
  deadlineMs = Number.POSITIVE_INFINITY;
  /** Bytes taken from the codecs that the kernel has not yet taken. */
  pendingBytes = 0;
  closed = false;
  /** Of an accepted connection, what its handshake took in milliseconds, until its first exchange has been told; then 0. */
  acceptMs = 0;
  /** Who hears of the connection. Set before anything can happen on it, and again when a codec takes it over. */
  handler: TransportHandler = UNCLAIMED;
  private readonly encrypted: boolean;
  private readonly written: (error?: Error | null) => void;
  private inFlight = false;
  private inFlightBytes = 0;
  /** Pooled buffers that the write in flight reads from. */
  private lent: Buffer[] = [];
  /** What waits for the write in flight: pooled buffers, and how much of each. */
  private pending: Buffer[] = [];
  private pendingLengths: number[] = [];
  private aboveHighWater = false;
  private ending = false;
  private error: Error | null = null;

  constructor(context: TransportContext, socket: AnySocket, encrypted: boolean) {
    this.context = context;
    this.socket = socket;
    this.encrypted = encrypted;
    this.written = (error) => this.onWritten(error);
    socket.on('end', () => this.dispatchPeerEnd());
    socket.on('error', (error) => {
      this.error ??= error;
    });
    socket.on('close', () => this.dispatchClosed());
    context.deadlines.watch(this);
    if (encrypted) context.encrypted.add(this);
  }

  /** For accepted sockets; a connecting socket is given `receive` as its `onread` option. */
  startReading(): void {
    readAccepted(this.socket, this.context.readBuffer, (count, buffer) => this.receive(count, buffer));
  }

  /** The callback of `onread`. */
  receive(count: number, buffer: Uint8Array): boolean {
    if (this.closed) return false;
    const { context } = this;
    context.nowMs = context.clock.monotonicMs();
    this.handler.onBytes(buffer as Buffer, 0, count);
    // TLS hands over what one read brought record by record: what they lead to leaves together.
    if (this.encrypted) context.flushLater();
    else context.output.flush();
    return true;
  }

  get congested(): boolean {
    return this.pendingBytes > LIMITS.writeHighWaterBytes;
  }

  /** Closed, or about to be. */
  get gone(): boolean {
    return this.closed || this.socket.destroyed;
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    if (!this.gone) this.socket.resume();
  }

  /** Sends the first `count` bytes of a pooled buffer. True when the transport keeps the buffer, to give it back later. */
  write(bytes: Buffer, count: number): boolean {
    if (this.closed || this.ending) return false;
    if (this.inFlight) {
      this.addPending(count);
      // A mostly empty buffer is not worth keeping from its next user.
      const copied = count <= SMALL_WRITE_BYTES;
      this.pending.push(copied ? Buffer.from(bytes.subarray(0, count)) : bytes);
      this.pendingLengths.push(count);
      return !copied;
    }
    this.addPending(count);
    this.dispatchWrite(bytes.subarray(0, count), count);
    // TLS has encrypted the bytes by now, in whatever order it sends them; only plain sockets go on reading from the buffer.
    if (!this.inFlight || this.encrypted) return false;
    this.lent.push(bytes);
    return true;
  }

  /** Sends FIN once everything before it is sent. */
  end(): void {
    if (this.closed || this.ending) return;
    this.context.output.flush();
    this.ending = true;
    if (!this.inFlight) this.socket.end();
  }

  /** Closes at once. Unsent bytes are lost. */
  destroy(): void {
    this.context.output.discard(this);
    this.socket.destroy();
  }

  /** Closes at once with RST, so that the peer can't take what it has for complete. */
  reset(): void {
    this.context.output.discard(this);
    // A socket that is shutting down can't be reset any more.
    if (this.closed || (this.ending && !this.inFlight)) this.socket.destroy();
    else if (this.encrypted) this.resetBeneath();
    else this.socket.resetAndDestroy();
  }

  /**
   * TLS sockets have no reset of their own, and their end would be taken for a clean one: the TCP handle beneath closes with a reset when
   * the socket is destroyed.
   */
  private resetBeneath(): void {
    const tcp = (this.socket as unknown as LayeredSocket)._handle?._parent;
    if (tcp?.reset !== undefined) tcp.close = tcp.reset;
    this.socket.destroy();
  }

  onDeadline(): void {
    this.handler.onDeadline();
  }

  private dispatchWrite(bytes: Uint8Array, count: number): void {
    this.inFlight = true;
    this.inFlightBytes = count;
    (this.socket as unknown as DirectWrite)._write(bytes, 'buffer', this.written);
  }

  private onWritten(error?: Error | null): void {
    this.inFlight = false;
    this.pendingBytes -= this.inFlightBytes;
    this.giveBack(this.lent);
    if (error) {
      this.error ??= error;
      this.socket.destroy();
      return;
    }
    if (this.pending.length > 0) this.writePending();
    else if (this.ending) this.socket.end();
    if (this.aboveHighWater && this.pendingBytes <= LIMITS.writeHighWaterBytes / 2) {
      this.aboveHighWater = false;
      if (!this.closed) {
        this.context.nowMs = this.context.clock.monotonicMs();
        this.handler.onDrained();
        this.context.output.flush();
      }
    }
  }

  private writePending(): void {
    if (this.encrypted) {
      // TLS would copy several buffers into one before it encrypts them.
      const bytes = this.pending.shift() as Buffer;
      const count = this.pendingLengths.shift() as number;
      this.dispatchWrite(bytes.subarray(0, count), count);
      this.giveBack([bytes]);
      return;
    }
    const { pending, pendingLengths } = this;
    this.pending = [];
    this.pendingLengths = [];
    if (pending.length === 1) {
      const count = pendingLengths[0] as number;
      this.dispatchWrite((pending[0] as Buffer).subarray(0, count), count);
    } else {
      this.dispatchWrites(pending.map((bytes, i) => bytes.subarray(0, pendingLengths[i])));
    }
    if (this.inFlight) this.lent = pending;
    else this.giveBack(pending);
  }

  private dispatchWrites(parts: Buffer[]): void {
    this.inFlight = true;
    this.inFlightBytes = parts.reduce((sum, { length }) => sum + length, 0);
    const chunks = parts.map((chunk) => ({ chunk, encoding: 'buffer' }));
    (this.socket as unknown as DirectWrite)._writev(chunks, this.written);
  }

  private giveBack(buffers: Buffer[]): void {
    for (const buffer of buffers)
      if (buffer.length === LIMITS.outputBufferBytes) this.context.buffers.give(buffer);
    buffers.length = 0;
  }

  private addPending(count: number): void {
    this.pendingBytes += count;
    if (this.pendingBytes > LIMITS.writeHighWaterBytes) this.aboveHighWater = true;
  }

  private dispatchPeerEnd(): void {
    if (this.closed) return;
    this.context.nowMs = this.context.clock.monotonicMs();
    this.handler.onPeerEnd();
    this.context.output.flush();
  }

  private dispatchClosed(): void {
    if (this.closed) return;
    this.closed = true;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.context.deadlines.unwatch(this);
    this.context.encrypted.delete(this);
    this.context.output.discard(this);
    this.giveBack(this.pending);
    this.pendingLengths = [];
    this.context.nowMs = this.context.clock.monotonicMs();
    this.handler.onClosed(this.error);
    this.context.output.flush();
  }
}
