/**
 * JSON logs on stdout. Every line written inside a request or a job carries trace_id, span_id and request_id.
 *
 * Invariant: headers, bodies and secrets are never logged; callers log named fields only.
 */
import { isSpanContextValid, trace } from '@opentelemetry/api';
import { type DestinationStream, type Logger, pino } from 'pino';
import { requestIdOf } from './request-context.ts';

export type { Logger } from 'pino';

export function createLog(service: string, level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { service },
    messageKey: 'message',
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    mixin: contextFields,
  };
  return destination ? pino(options, destination) : pino(options);
}

function contextFields(): Record<string, string> {
  const fields: Record<string, string> = {};
  const span = trace.getActiveSpan()?.spanContext();
  if (span && isSpanContextValid(span)) {
    fields.trace_id = span.traceId;
    fields.span_id = span.spanId;
  }
  const requestId = requestIdOf();
  if (requestId !== undefined) fields.request_id = requestId;
  return fields;
}
