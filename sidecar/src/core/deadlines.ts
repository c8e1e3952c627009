/**
 * Coarse deadlines for many connections at the cost of one number each: setting a deadline is an assignment, and one timer looks
 * at all of them every `LIMITS.deadlineTickMs`.
 *
 * Invariants: an item is told at most once for each deadline it sets; none is told early; the timer stops while nothing is watched.
 * What items do when they are told is one event, which `around` begins and ends.
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
  private around: (tell: () => void) => void = (tell) => tell();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** `around` is called with what tells the items that are due. */
  handleAround(around: (tell: () => void) => void): void {
    this.around = around;
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
    this.around(this.tell);
    // What was told may have watched an item, and armed the timer with it.
    if (this.items.size > 0 && this.timer === null) this.arm();
  }

  private readonly tell = (): void => {
    const nowMs = this.clock.monotonicMs();
    for (const item of this.items) {
      if (item.deadlineMs > nowMs) continue;
      item.deadlineMs = Number.POSITIVE_INFINITY;
      item.onDeadline();
    }
  };
}
