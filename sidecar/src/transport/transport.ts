/**
 * A TCP or TLS connection as the codecs see it: reads by callback from one shared buffer, writes through one shared output,
 * with back-pressure as a number.
 *
 * Invariants
 * - `onBytes` must consume its range before it returns: the next read of any connection overwrites it.
 * - `onClosed` is called exactly once, after which the handler hears nothing more.
 * - All events flush the output before they return, so nothing that a handler wrote is left behind.
 * - One write is in flight at a time; what comes meanwhile is copied and follows in order.
 */
import type net from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../core/clock.ts';
import type { Deadlines, Watched } from '../core/deadlines.ts';
import { LIMITS } from '../core/limits.ts';
import { readAccepted } from './accepted-reads.ts';
import { Output } from './output.ts';

/** What the connections of one sidecar share. */
export class TransportContext {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly output = new Output();
  readonly readBuffer: Buffer = Buffer.allocUnsafeSlow(LIMITS.readBufferBytes);
  /** Monotonic time of the event being handled. */
  nowMs = 0;

  constructor(clock: Clock, deadlines: Deadlines) {
    this.clock = clock;
    this.deadlines = deadlines;
  }
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
}

export class Transport implements Watched {
  readonly context: TransportContext;
  readonly socket: AnySocket;
  deadlineMs = Number.POSITIVE_INFINITY;
  /** Bytes taken from the codecs that the kernel has not yet taken. */
  pendingBytes = 0;
  closed = false;
  /** Who hears of the connection. Set before anything can happen on it, and again when a codec takes it over. */
  handler: TransportHandler = UNCLAIMED;
  private readonly encrypted: boolean;
  private readonly written: (error?: Error | null) => void;
  private inFlight = false;
  private inFlightBytes = 0;
  private lent: Buffer | null = null;
  private pending: Buffer[] = [];
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
    context.output.flush();
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

  /** Called by the output with its first `count` bytes. */
  writeOutput(output: Output, count: number): void {
    if (this.closed || this.ending) return;
    if (this.inFlight) {
      this.pending.push(Buffer.from(output.bytes.subarray(0, count)));
      this.addPending(count);
      return;
    }
    this.dispatchWrite(output.bytes.subarray(0, count));
    // TLS has encrypted the bytes by now, in whatever order it sends them; only plain sockets go on reading from the buffer.
    if (this.inFlight && !this.encrypted) this.lent = output.retire();
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
    // A socket that is shutting down can't be reset any more, and TLS sockets never can.
    if (this.encrypted || this.ending) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  onDeadline(): void {
    this.context.nowMs = this.context.clock.monotonicMs();
    this.handler.onDeadline();
    this.context.output.flush();
  }

  private dispatchWrite(bytes: Uint8Array): void {
    this.inFlight = true;
    this.inFlightBytes = bytes.length;
    this.addPending(bytes.length);
    (this.socket as unknown as DirectWrite)._write(bytes, 'buffer', this.written);
  }

  private onWritten(error?: Error | null): void {
    this.inFlight = false;
    this.pendingBytes -= this.inFlightBytes;
    if (this.lent !== null) {
      this.context.output.recycle(this.lent);
      this.lent = null;
    }
    if (error) {
      this.error ??= error;
      this.socket.destroy();
      return;
    }
    if (this.pending.length > 0) {
      const next = this.pending.length === 1 ? (this.pending[0] as Buffer) : Buffer.concat(this.pending);
      this.pending = [];
      this.pendingBytes -= next.length;
      this.dispatchWrite(next);
    } else if (this.ending) {
      this.socket.end();
    }
    if (this.aboveHighWater && this.pendingBytes <= LIMITS.writeHighWaterBytes / 2) {
      this.aboveHighWater = false;
      if (!this.closed) {
        this.context.nowMs = this.context.clock.monotonicMs();
        this.handler.onDrained();
        this.context.output.flush();
      }
    }
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
    this.context.output.discard(this);
    this.pending = [];
    this.context.nowMs = this.context.clock.monotonicMs();
    this.handler.onClosed(this.error);
    this.context.output.flush();
  }
}
