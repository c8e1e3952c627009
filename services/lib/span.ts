/**
 * Spans with times to the microsecond. Left to itself the SDK starts a span on a whole millisecond: children would begin before their
 * parents, and the sidecar's spans around a service's would not fit.
 *
 * Invariant: a span that begins here ends here, since the SDK falls back to whole milliseconds for the end, too.
 */
import { type Context, context, type HrTime, type Span, type SpanOptions, trace } from '@opentelemetry/api';

export function startSpan(name: string, options: SpanOptions, parent: Context = context.active()): Span {
  return trace.getTracer('tulle.services').startSpan(name, { ...options, startTime: preciseTime() }, parent);
}

export function endSpan(span: Span): void {
  span.end(preciseTime());
}

/** Leads from monotonic time to wall time. */
let offsetMs = performance.timeOrigin;

/** Wall time with the fraction that `Date.now()` cuts off; it follows when the wall clock is set. */
export function preciseTime(): HrTime {
  const wholeMs = Date.now();
  const monotonicMs = performance.now();
  const nowMs = offsetMs + monotonicMs;
  if (nowMs < wholeMs) offsetMs = wholeMs - monotonicMs;
  else if (nowMs > wholeMs + 1) offsetMs = wholeMs + 1 - monotonicMs;
  const seconds = Math.floor((offsetMs + monotonicMs) / 1_000);
  return [seconds, Math.floor((offsetMs + monotonicMs - seconds * 1_000) * 1e6)];
}
