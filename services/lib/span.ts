/**
 * Spans with times to the microsecond. Left to itself the SDK starts a span on a whole millisecond: children would begin before their
 * parents, and the sidecar's spans around a service's would not fit.
 *
 * Invariant: a span that begins here ends here, since the SDK falls back to whole milliseconds for the end, too.
 */
import {
  type Context,
  context,
  type HrTime,
  type Span,
  type SpanOptions,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { ATTR_ERROR_TYPE } from '@opentelemetry/semantic-conventions';
import { Problem } from './problem.ts';
import { withSpan } from './request-context.ts';

export function startSpan(name: string, options: SpanOptions, parent: Context = context.active()): Span {
  return trace.getTracer('tulle.services').startSpan(name, { ...options, startTime: preciseTime() }, parent);
}

export function endSpan(span: Span): void {
  span.end(preciseTime());
}

/** Does the work inside a span of its own, which tells how it failed. */
export async function inSpan<T>(
  name: string,
  options: SpanOptions,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const parent = context.active();
  const span = startSpan(name, options, parent);
  try {
    return await context.with(withSpan(parent, span), () => work(span));
  } catch (error) {
    const { name: type, message } = error as Error;
    span.setAttribute(ATTR_ERROR_TYPE, error instanceof Problem ? error.code : type);
    span.setStatus({ code: SpanStatusCode.ERROR, message });
    throw error;
  } finally {
    endSpan(span);
  }
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
