/**
 * Write buffers of one size, reused.
 *
 * Invariants: a buffer has one user at a time; who gives one back touches it no more. What is kept idle is bounded.
 */
import { LIMITS } from '../core/limits.ts';

export class BufferPool {
  private readonly idle: Buffer[] = [];

  take(): Buffer {
    return this.idle.pop() ?? Buffer.allocUnsafeSlow(LIMITS.outputBufferBytes);
  }

  give(buffer: Buffer): void {
    if (this.idle.length < LIMITS.idleOutputBuffers) this.idle.push(buffer);
  }
}
