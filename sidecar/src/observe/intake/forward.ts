/**
 * The service's spans on their way to a collector, as they came.
 */
import type { Batch, SpanSource } from '../span-export.ts';
import type { SpanListener } from '../spans.ts';
import type { AppSpans } from './app-spans.ts';
import { type RawSpan, writeExportRequest } from './otlp-message.ts';

type ForwardedSpan = Omit<RawSpan, 'traceId'>;

export class ForwardedSpans implements SpanSource {
  private readonly spans: AppSpans;
  private readonly onLeave: (span: ForwardedSpan) => void;

  /** `onLeave` gets each span that leaves the ring. */
  constructor(spans: AppSpans, onLeave: (span: ForwardedSpan) => void) {
    this.spans = spans;
    this.onLeave = onLeave;
  }

  get waiting(): number {
    return this.spans.waiting;
  }

  set listener(listener: SpanListener | null) {
    this.spans.listener = listener;
  }

  take(limit: number): Batch {
    const spans = this.spans.take(limit);
    for (const span of spans) this.onLeave(span);
    return { count: spans.length, request: writeExportRequest(spans) };
  }
}
