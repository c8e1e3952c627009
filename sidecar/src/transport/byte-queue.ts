/**
 * Bytes that wait for room elsewhere, first in, first out.
 *
 * Invariants: what is pushed is copied, since its source is overwritten; larger pieces are kept in pooled buffers, so that a stream that waits
 * again and again allocates nothing. Who pushes bounds how much.
 */
import type { BufferPool } from './buffer-pool.ts';
import { copyBytes } from './output.ts';

/** Up to here a piece gets memory of its own: a pooled buffer would be mostly empty. */
const SMALL_BYTES = 4_096;

interface Piece {
  readonly bytes: Buffer;
  start: number;
  end: number;
  readonly pooled: boolean;
}

export class ByteQueue {
  /** Bytes that wait. */
  length = 0;
  private readonly pool: BufferPool;
  private readonly pieces: Piece[] = [];

  constructor(pool: BufferPool) {
    this.pool = pool;
  }

  push(source: Uint8Array, start: number, end: number): void {
    let from = start;
    this.length += end - start;
    const last = this.pieces[this.pieces.length - 1];
    if (last !== undefined && last.end < last.bytes.length) {
      const count = Math.min(end - from, last.bytes.length - last.end);
      copyBytes(source, from, from + count, last.bytes, last.end);
      last.end += count;
      from += count;
    }
    while (from < end) {
      const pooled = end - from > SMALL_BYTES;
      const bytes = pooled ? this.pool.take() : Buffer.allocUnsafeSlow(SMALL_BYTES);
      const count = Math.min(end - from, bytes.length);
      copyBytes(source, from, from + count, bytes, 0);
      this.pieces.push({ bytes, start: 0, end: count, pooled });
      from += count;
    }
  }

  /**
   * Offers the bytes piece by piece; `write` returns where it stopped. Ends when it does not take a piece to its end, or when what it did
   * cleared the queue.
   */
  drain(write: (bytes: Buffer, start: number, end: number) => number): void {
    for (;;) {
      const piece = this.pieces[0];
      if (piece === undefined) return;
      const at = write(piece.bytes, piece.start, piece.end);
      if (this.pieces[0] !== piece) return;
      this.length -= at - piece.start;
      piece.start = at;
      if (at < piece.end) return;
      this.pieces.shift();
      if (piece.pooled) this.pool.give(piece.bytes);
    }
  }

  clear(): void {
    if (this.pieces.length === 0) return;
    for (const { bytes, pooled } of this.pieces) if (pooled) this.pool.give(bytes);
    this.pieces.length = 0;
    this.length = 0;
  }
}
