/**
 * The one buffer that everything of HTTP/1.1 is written through: head, insertions and body of a message leave in a single system call.
 *
 * Invariants
 * - One transport at a time owns the unsent bytes. Opening the output for another one sends them first, so that the bytes of two
 *   connections never mix.
 * - A buffer that a transport keeps, because its write is not over or has not begun, is replaced at once and comes back to the pool when
 *   the write completes.
 * - Whoever handles an event flushes before the event handler returns (transport.ts does so for all reads and timers).
 */
import type { BufferPool } from './buffer-pool.ts';
import type { Transport } from './transport.ts';

export class Output {
  /** Valid between `open` and the next call of `open` or `flush`. */
  bytes: Buffer;
  /** Where the next byte goes. */
  at = 0;
  private owner: Transport | null = null;
  private readonly pool: BufferPool;

  constructor(pool: BufferPool) {
    this.pool = pool;
    this.bytes = pool.take();
  }

  /** Makes room for `count` bytes to `owner`. `count` must not exceed `LIMITS.outputBufferBytes`. */
  open(owner: Transport, count: number): void {
    if (this.owner === owner && this.at + count <= this.bytes.length) return;
    this.flush();
    this.owner = owner;
  }

  /** Appends `source[start, end)` for `owner`, in as many writes as it takes. */
  append(owner: Transport, source: Uint8Array, start: number, end: number): void {
    this.open(owner, 0);
    for (let from = start; from < end; ) {
      if (this.at === this.bytes.length) this.open(owner, 1);
      const count = Math.min(end - from, this.bytes.length - this.at);
      copyBytes(source, from, from + count, this.bytes, this.at);
      this.at += count;
      from += count;
    }
  }

  /** Hands the unsent bytes to their transport. */
  flush(): void {
    const { owner, at } = this;
    if (owner === null) return;
    this.owner = null;
    this.at = 0;
    if (at > 0 && owner.write(this.bytes, at)) this.bytes = this.pool.take();
  }

  /** Forgets the unsent bytes of a transport that is gone. */
  discard(owner: Transport): void {
    if (this.owner !== owner) return;
    this.owner = null;
    this.at = 0;
  }
}

/** Below this many bytes a loop beats the call into the runtime (measured with `npm run bench:codec`). */
const LOOP_BYTES = 24;

export function copyBytes(source: Uint8Array, start: number, end: number, target: Buffer, at: number): void {
  if (end - start <= LOOP_BYTES) {
    for (let i = start, o = at; i < end; i++, o++) target[o] = source[i] as number;
  } else {
    copyRange(source, target, at, start, end);
  }
}

/** Copies all of it; returns the position behind. */
export function putBytes(source: Uint8Array, target: Buffer, at: number): number {
  copyBytes(source, 0, source.length, target, at);
  return at + source.length;
}

function copyRange(source: Uint8Array, target: Buffer, at: number, start: number, end: number): void {
  Buffer.prototype.copy.call(source, target, at, start, end);
}
