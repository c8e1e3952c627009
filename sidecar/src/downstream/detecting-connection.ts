/**
 * A connection whose protocol is not known yet: keeps its first bytes until they tell, and then is gone.
 *
 * Invariants
 * - At most `LIMITS.detectBytes` bytes are kept; most often the first read decides and nothing is copied.
 * - The bytes go to the codec exactly as they came.
 */
import { detect } from '../protocol/detect.ts';
import type { Transport, TransportHandler } from '../transport/transport.ts';
import type { HttpCodec } from './codecs.ts';
import type { DownstreamConnection } from './connection.ts';

export interface DetectionOwner {
  /** A codec takes the connection over; `bytes[start, end)` is all that was received. */
  onDetected(
    connection: DetectingConnection,
    codec: HttpCodec,
    bytes: Buffer,
    start: number,
    end: number,
  ): void;
  onGone(connection: DetectingConnection): void;
}

export class DetectingConnection implements DownstreamConnection, TransportHandler {
  readonly transport: Transport;
  readonly peerIdentity: string;
  private readonly owner: DetectionOwner;
  private readonly timeoutMs: number;
  private held: Buffer | null = null;

  constructor(transport: Transport, owner: DetectionOwner, timeoutMs: number, peerIdentity: string) {
    this.transport = transport;
    this.owner = owner;
    this.timeoutMs = timeoutMs;
    this.peerIdentity = peerIdentity;
    transport.handler = this;
  }

  start(): void {
    this.transport.deadlineMs = this.transport.context.clock.monotonicMs() + this.timeoutMs;
  }

  /** Who has said nothing yet has nothing to lose. */
  drain(): void {
    if (this.held === null) this.transport.end();
  }

  cutOff(): void {
    this.transport.reset();
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    if (this.held !== null) {
      const held = Buffer.concat([this.held, bytes.subarray(start, end)]);
      this.held = held;
      this.decide(held, 0, held.length);
    } else if (!this.decide(bytes, start, end)) {
      this.held = Buffer.from(bytes.subarray(start, end));
    }
  }

  onPeerEnd(): void {
    this.giveUp();
    this.transport.handler.onPeerEnd();
  }

  onDrained(): void {}

  onDeadline(): void {
    this.giveUp();
    // The time was the codec's too: it sees at once that it is over.
    this.transport.deadlineMs = this.transport.context.nowMs;
  }

  onClosed(): void {
    this.owner.onGone(this);
  }

  private decide(bytes: Buffer, start: number, end: number): boolean {
    const verdict = detect(bytes, start, end);
    if (verdict === 'incomplete') return false;
    this.owner.onDetected(this, verdict === 'http2' ? 'http2' : 'http1', bytes, start, end);
    return true;
  }

  /** Nothing more may be waited for. What came so far is for HTTP/1.1 to judge. */
  private giveUp(): void {
    const held = this.held ?? Buffer.alloc(0);
    this.owner.onDetected(this, 'http1', held, 0, held.length);
  }
}
