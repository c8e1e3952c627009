/**
 * The output of a connection that many exchanges share: what all of them write while the event loop handles one round of events
 * leaves together, in one system call and, with TLS, in as few records as it fits in.
 *
 * Invariants
 * - The bytes of one `reserve` stay together and in order. `bytes` and `at` are valid until the next `reserve` or `flush`.
 * - While a write is in flight the batch goes on filling; what waits is bounded by those who write, who ask `Transport.congested`.
 * - A buffer is held only while it has something in it.
 */
import { copyBytes } from './output.ts';
import type { Transport } from './transport.ts';

const NO_BYTES = Buffer.alloc(0);

export class Batch {
  bytes: Buffer = NO_BYTES;
  /** Where the next byte goes. */
  at = 0;
  /** Rises with every buffer that leaves: tells whether an offset noted earlier still is in `bytes`. */
  generation = 0;
  private readonly transport: Transport;
  private scheduled = false;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** Makes room for `count` bytes, which must not exceed `LIMITS.outputBufferBytes`. */
  reserve(count: number): void {
    if (this.at + count > this.bytes.length) {
      this.flush();
      if (this.bytes.length === 0) this.bytes = this.transport.context.buffers.take();
    }
    if (!this.scheduled) {
      this.scheduled = true;
      this.transport.context.schedule(this);
    }
  }

  /** Appends what was reserved for. */
  append(source: Uint8Array, start: number, end: number): void {
    copyBytes(source, start, end, this.bytes, this.at);
    this.at += end - start;
  }

  /** Called by the context when the round of events is over. */
  flushScheduled(): void {
    this.scheduled = false;
    this.flush();
  }

  flush(): void {
    const { at, bytes } = this;
    if (at === 0) return;
    const { transport } = this;
    this.at = 0;
    this.generation++;
    this.bytes = NO_BYTES;
    if (!transport.write(bytes, at)) transport.context.buffers.give(bytes);
  }

  /** Forgets what is not sent. */
  discard(): void {
    if (this.bytes.length > 0) this.transport.context.buffers.give(this.bytes);
    this.bytes = NO_BYTES;
    this.at = 0;
    this.generation++;
  }
}
