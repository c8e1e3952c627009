/**
 * The one context of a request: W3C trace context, baggage and x-request-id, carried together in the OpenTelemetry context and from process to
 * process in HTTP headers or in a job.
 *
 * Invariant: what `injectContext` writes, `extractContext` reads back, whatever the carrier.
 */
import {
  type Context,
  context,
  createContextKey,
  isSpanContextValid,
  type Link,
  propagation,
  ROOT_CONTEXT,
  type Span,
  trace,
} from '@opentelemetry/api';
import { z } from 'zod';
import { LIMITS } from './limits.ts';

export const REQUEST_ID_HEADER = 'x-request-id';

/** The span attribute under which a request id is found in a trace store. */
export const ATTR_REQUEST_ID = 'tulle.request_id';

export const contextCarrier = z.strictObject({
  traceparent: z.string().optional(),
  tracestate: z.string().optional(),
  baggage: z.string().optional(),
  [REQUEST_ID_HEADER]: z.string().optional(),
});

export type ContextCarrier = z.infer<typeof contextCarrier>;

const REQUEST_ID = createContextKey(REQUEST_ID_HEADER);
// A request id is written into logs, headers and job data: nothing that could end a line or a field.
const ACCEPTED_REQUEST_ID = new RegExp(`^[A-Za-z0-9._:/+=-]{1,${LIMITS.requestIdChars}}$`);

export function injectContext(from: Context = context.active()): ContextCarrier {
  const carrier: ContextCarrier = {};
  propagation.inject(from, carrier);
  const requestId = requestIdOf(from);
  if (requestId !== undefined) carrier[REQUEST_ID_HEADER] = requestId;
  return carrier;
}

export function extractContext(carrier: Record<string, string | string[] | undefined>): Context {
  const extracted = propagation.extract(ROOT_CONTEXT, carrier);
  const requestId = carrier[REQUEST_ID_HEADER];
  return typeof requestId === 'string' && ACCEPTED_REQUEST_ID.test(requestId)
    ? withRequestId(extracted, requestId)
    : extracted;
}

export function requestIdOf(from: Context = context.active()): string | undefined {
  return from.getValue(REQUEST_ID) as string | undefined;
}

export function withRequestId(from: Context, requestId: string): Context {
  return from.setValue(REQUEST_ID, requestId);
}

/** To the span that a context names, where it does; for spans that are caused by it across a queue. */
export function linksTo(from: Context): Link[] {
  const spanContext = trace.getSpanContext(from);
  return spanContext !== undefined && isSpanContextValid(spanContext) ? [{ context: spanContext }] : [];
}

/** The context inside a span that was started in `parent`. */
export function withSpan(parent: Context, span: Span): Context {
  const requestId = requestIdOf(parent);
  if (requestId !== undefined) span.setAttribute(ATTR_REQUEST_ID, requestId);
  return trace.setSpan(parent, span);
}
