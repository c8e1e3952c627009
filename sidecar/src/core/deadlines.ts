/**
 * Coarse deadlines for many connections at the cost of one number each: setting a deadline is an assignment, and one timer looks
 * at all of them every `LIMITS.deadlineTickMs`.
 *
 * Invariants: an item is told at most once for each deadline it sets; none is told early; the timer stops while nothing is watched.
 */
import type { Clock, Timer } from './clock.ts';
import { LIMITS } from './limits.ts';

export interface Watched {
  /** Monotonic milliseconds; Infinity while there is nothing to wait for. */
  deadlineMs: number;
  onDeadline(): void;
}

export class Deadlines {
  private readonly clock: Clock;
  private readonly items = new Set<Watched>();
  private timer: Timer | null = null;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  watch(item: Watched): void {
    this.items.add(item);
    if (this.timer === null) this.arm();
  }

  unwatch(item: Watched): void {
    this.items.delete(item);
  }

  private arm(): void {
    this.timer = this.clock.setTimer(() => this.tick(), LIMITS.deadlineTickMs);
  }

  private tick(): void {
    this.timer = null;
    const nowMs = this.clock.monotonicMs();
    for (const item of this.items) {
      if (item.deadlineMs > nowMs) continue;
      item.deadlineMs = Number.POSITIVE_INFINITY;
      item.onDeadline();
    }
    // What was told may have watched an item, and armed the timer with it.
    if (this.items.size > 0 && this.timer === null) this.arm();
  }
}
