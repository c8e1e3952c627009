import type { Registry } from 'prom-client';
import { registerCounter } from '../family.ts';
import type { SpanExport } from '../span-export.ts';
import type { AppSpans } from './app-spans.ts';

export function registerIntake(registry: Registry, spans: AppSpans, spanExport: SpanExport): void {
  registerCounter(
    registry,
    'tulle_app_spans_received_total',
    'Spans that the service sent to its sidecar.',
    () => [[{}, spans.received]],
  );
  registerCounter(
    registry,
    'tulle_app_spans_exported_total',
    'Spans of the service that the collector took.',
    () => [[{}, spanExport.exported]],
  );
  registerCounter(
    registry,
    'tulle_app_spans_dropped_total',
    'Spans of the service that were to be exported and were not, or could not be kept.',
    () => [
      ...Object.entries(spans.lost).map(([reason, count]) => [{ reason }, count] as const),
      [{ reason: 'export_failed' }, spanExport.failed],
    ],
  );
}
