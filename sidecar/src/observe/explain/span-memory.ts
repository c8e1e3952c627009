/**
 * The last spans that were exported, for those who ask later than the rings remember.
 *
 * Invariant: so many spans and no more; the oldest goes first.
 */
import type { FoundSpan } from './found-span.ts';

export class SpanMemory {
  private readonly spans: (FoundSpan | undefined)[];
  private next = 0;

  constructor(capacity: number) {
    this.spans = new Array(capacity);
  }

  add(span: FoundSpan): void {
    this.spans[this.next] = span;
    this.next = (this.next + 1) % this.spans.length;
  }

  /** Oldest first. */
  *[Symbol.iterator](): Iterator<FoundSpan> {
    for (let i = 0; i < this.spans.length; i++) {
      const span = this.spans[(this.next + i) % this.spans.length];
      if (span !== undefined) yield span;
    }
  }
}
