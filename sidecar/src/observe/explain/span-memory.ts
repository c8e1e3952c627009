/**
 * The last spans that were exported, for those who ask later than the rings remember.
 *
 * Invariant: so many spans and no more; the oldest goes first.
 */
import type { OwnSpan } from '../own-span.ts';

export class SpanMemory {
  private readonly spans: (OwnSpan | undefined)[];
  private next = 0;

  constructor(capacity: number) {
    this.spans = new Array(capacity);
  }

  add(span: OwnSpan): void {
    this.spans[this.next] = span;
    this.next = (this.next + 1) % this.spans.length;
  }

  /** Oldest first. */
  *[Symbol.iterator](): Iterator<OwnSpan> {
    for (let i = 0; i < this.spans.length; i++) {
      const span = this.spans[(this.next + i) % this.spans.length];
      if (span !== undefined) yield span;
    }
  }
}
