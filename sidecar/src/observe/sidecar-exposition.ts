/**
 * Metrics of the sidecar itself: config, identity, and what becomes of its telemetry.
 */
import type { Registry } from 'prom-client';
import { register } from './family.ts';
import type { LineSource } from './line-writer.ts';
import { counter, gauge, type MetricDeclaration } from './metric.ts';
import type { IdentityReading, Series } from './series.ts';
import type { SpanExport } from './span-export.ts';
import type { SpanRing } from './spans.ts';

export const CONFIG_ACCEPTED = counter('tulle_config_accepted_total', 'Configs that were taken over.');
export const CONFIG_REJECTED = counter('tulle_config_rejected_total', 'Configs that were refused.');
export const CONFIG_WARNINGS = gauge(
  'tulle_config_warnings',
  'Parts of the config that runs which have no effect.',
);
export const CONFIG_INFO = gauge('tulle_config_info', 'Version of the config that runs.', ['version']);
export const CERTIFICATE_ISSUED = gauge(
  'tulle_certificate_issued_timestamp_seconds',
  'Since when the certificate of the sidecar is valid, in Unix time.',
);
export const CERTIFICATE_EXPIRY = gauge(
  'tulle_certificate_expiry_timestamp_seconds',
  'When the certificate of the sidecar expires, in Unix time.',
);
export const CERTIFICATE_EXPIRED = gauge(
  'tulle_certificate_expired',
  'Whether the certificate is past its end, so that peers refuse it: 1 or 0.',
);
export const TRUST_ROOT_EXPIRY = gauge(
  'tulle_trust_root_expiry_timestamp_seconds',
  'When the first of the trusted roots expires, in Unix time.',
);
export const TRUST_REFRESHED = gauge(
  'tulle_trust_refreshed_timestamp_seconds',
  'When the authority last said what is to be trusted, in Unix time.',
);
export const SPANS_RECORDED = counter('tulle_spans_recorded_total', 'Spans written into the ring.');
export const SPANS_EXPORTED = counter('tulle_spans_exported_total', 'Spans that the collector took.');
export const SPANS_DROPPED = counter('tulle_spans_dropped_total', 'Sampled spans that were not exported.', [
  'reason',
]);
export const SPANS_WAITING = gauge('tulle_spans_waiting', 'Spans that are to be exported and have not been.');
export const ACCESS_LOG_LINES_WRITTEN = counter(
  'tulle_access_log_lines_written_total',
  'Lines of the access log written.',
);
export const ACCESS_LOG_LINES_DROPPED = counter(
  'tulle_access_log_lines_dropped_total',
  'Lines of the access log lost: no room in its buffers, or a failed write.',
);

export function registerSidecar(registry: Registry, series: Series): void {
  const config = () => series.live?.config();
  register(registry, CONFIG_ACCEPTED, () => [[{}, config()?.accepted ?? 0]]);
  register(registry, CONFIG_REJECTED, () => [[{}, config()?.rejected ?? 0]]);
  register(registry, CONFIG_WARNINGS, () => [[{}, config()?.warnings ?? 0]]);
  register(registry, CONFIG_INFO, () => {
    const version = config()?.version;
    return version === undefined ? [] : [[{ version }, 1]];
  });
  const identityGauge = (
    declaration: MetricDeclaration<'gauge', string, never>,
    read: (identity: IdentityReading) => number | null,
  ) =>
    register(registry, declaration, () => {
      const identity = series.live?.identity() ?? null;
      const value = identity === null ? null : read(identity);
      return value === null ? [] : [[{}, value]];
    });
  identityGauge(CERTIFICATE_ISSUED, ({ certificateIssuedMs }) => certificateIssuedMs / 1_000);
  identityGauge(CERTIFICATE_EXPIRY, ({ certificateExpiresMs }) => certificateExpiresMs / 1_000);
  identityGauge(CERTIFICATE_EXPIRED, ({ certificateExpired }) => (certificateExpired ? 1 : 0));
  identityGauge(TRUST_ROOT_EXPIRY, ({ rootExpiresMs }) => rootExpiresMs / 1_000);
  identityGauge(TRUST_REFRESHED, ({ trustRefreshedMs }) =>
    trustRefreshedMs === null ? null : trustRefreshedMs / 1_000,
  );
}

export function registerSpans(registry: Registry, spans: SpanRing, spanExport: SpanExport): void {
  register(registry, SPANS_RECORDED, () => [[{}, spans.recorded]]);
  register(registry, SPANS_EXPORTED, () => [[{}, spanExport.exported]]);
  register(registry, SPANS_DROPPED, () => [
    [{ reason: 'overwritten' }, spans.overwritten],
    [{ reason: 'rejected' }, spanExport.rejected],
    [{ reason: 'export_failed' }, spanExport.failed],
  ]);
  register(registry, SPANS_WAITING, () => [[{}, spanExport.waiting]]);
}

export function registerAccessLog(registry: Registry, lines: LineSource): void {
  register(registry, ACCESS_LOG_LINES_WRITTEN, () => [[{}, lines.written]]);
  register(registry, ACCESS_LOG_LINES_DROPPED, () => [[{}, lines.dropped]]);
}
