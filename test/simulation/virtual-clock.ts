// Time that passes from event to event, as fast as they can be handled.
import type { Clock, Timer } from '../../sidecar/src/core/clock.ts';

interface Event {
  readonly dueMs: number;
  /** Events of the same time happen in the order in which they were set. */
  readonly order: number;
  fn: (() => void) | null;
}

export class VirtualClock implements Clock {
  private elapsedMs = 0;
  private orders = 0;
  /** A binary heap, the earliest on top. */
  private readonly heap: Event[] = [];

  nowMs(): number {
    return this.elapsedMs;
  }

  monotonicMs(): number {
    return this.elapsedMs;
  }

  setTimer(fn: () => void, delayMs: number): Timer {
    const event: Event = { dueMs: this.elapsedMs + Math.max(0, delayMs), order: this.orders++, fn };
    this.push(event);
    return {
      cancel: () => {
        event.fn = null;
      },
    };
  }

  runUntil(timeMs: number): void {
    for (let next = this.heap[0]; next !== undefined && next.dueMs <= timeMs; next = this.heap[0]) {
      this.pop();
      if (next.fn === null) continue;
      this.elapsedMs = next.dueMs;
      next.fn();
    }
    this.elapsedMs = timeMs;
  }

  private push(event: Event): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent] as Event)) break;
      heap[at] = heap[parent] as Event;
      at = parent;
    }
    heap[at] = event;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (!isBefore(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}
