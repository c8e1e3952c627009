/** A clock for tests: time passes only in `advance`, which fires what is due in order and lets promises settle in between. */
import { setImmediate as settle } from 'node:timers/promises';
import type { Clock, Timer } from './clock.ts';

export class ManualClock implements Clock {
  private elapsedMs = 0;
  private readonly startMs: number;
  private readonly timers = new Set<{ fn: () => void; dueMs: number }>();

  constructor(startMs: number) {
    this.startMs = startMs;
  }

  get pendingTimers(): number {
    return this.timers.size;
  }

  nowMs(): number {
    return this.startMs + this.elapsedMs;
  }

  monotonicMs(): number {
    return this.elapsedMs;
  }

  setTimer(fn: () => void, delayMs: number): Timer {
    const timer = { fn, dueMs: this.elapsedMs + delayMs };
    this.timers.add(timer);
    return { cancel: () => this.timers.delete(timer) };
  }

  async advance(byMs: number): Promise<void> {
    const untilMs = this.elapsedMs + byMs;
    for (;;) {
      await settle();
      const due = [...this.timers]
        .filter((timer) => timer.dueMs <= untilMs)
        .sort((a, b) => a.dueMs - b.dueMs)[0];
      if (due === undefined) break;
      this.timers.delete(due);
      this.elapsedMs = Math.max(this.elapsedMs, due.dueMs);
      due.fn();
    }
    this.elapsedMs = untilMs;
  }
}
