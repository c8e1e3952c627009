/**
 * Wall time of monotonic points, without asking the clock for each: the distance between the two clocks is looked up once a second.
 */
import type { Clock } from '../core/clock.ts';

const ANCHOR_MS = 1_000;

export class WallTime {
  private readonly clock: Clock;
  private offsetMs = 0;
  private anchoredMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Milliseconds since the Unix epoch of a monotonic time that is now or not long ago. */
  at(monotonicMs: number): number {
    if (monotonicMs - this.anchoredMs > ANCHOR_MS) this.anchor(monotonicMs);
    return this.offsetMs + monotonicMs;
  }

  private anchor(monotonicMs: number): void {
    this.offsetMs = this.clock.nowMs() - this.clock.monotonicMs();
    this.anchoredMs = monotonicMs;
  }
}
