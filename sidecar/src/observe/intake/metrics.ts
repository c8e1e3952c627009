import type { Registry } from 'prom-client';
import { register } from '../family.ts';
import { counter, gauge } from '../metric.ts';
import type { SpanExport } from '../span-export.ts';
import type { AppSpans } from './app-spans.ts';

export const APP_SPANS_RECEIVED = counter(
  'tulle_app_spans_received_total',
  'Spans that the service sent to its sidecar.',
);
export const APP_SPANS_EXPORTED = counter(
  'tulle_app_spans_exported_total',
  'Spans of the service that the collector took.',
);
export const APP_SPANS_DROPPED = counter(
  'tulle_app_spans_dropped_total',
  'Spans of the service that were to be exported and were not, or could not be kept.',
  ['reason'],
);
export const APP_SPANS_WAITING = gauge(
  'tulle_app_spans_waiting',
  'Spans of the service that are to be exported and have not been.',
);

export function registerIntake(registry: Registry, spans: AppSpans, spanExport: SpanExport): void {
  register(registry, APP_SPANS_RECEIVED, () => [[{}, spans.received]]);
  register(registry, APP_SPANS_EXPORTED, () => [[{}, spanExport.exported]]);
  register(registry, APP_SPANS_DROPPED, () => [
    ...Object.entries(spans.lost).map(([reason, count]) => [{ reason }, count] as const),
    [{ reason: 'rejected' }, spanExport.rejected],
    [{ reason: 'export_failed' }, spanExport.failed],
  ]);
  register(registry, APP_SPANS_WAITING, () => [[{}, spanExport.waiting]]);
}
