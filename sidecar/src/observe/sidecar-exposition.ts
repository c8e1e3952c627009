/**
 * Metrics of the sidecar itself: config, identity, and what becomes of its telemetry.
 */
import type { Registry } from 'prom-client';
import type { AccessLog } from './access-log.ts';
import { registerCounter, registerGauge } from './family.ts';
import type { IdentityReading, Series } from './series.ts';
import type { SpanExport } from './span-export.ts';
import type { SpanRing } from './spans.ts';

export function registerSidecar(registry: Registry, series: Series): void {
  const config = () => series.live?.config();
  registerCounter(registry, 'tulle_config_accepted_total', 'Configs that were taken over.', () => [
    [{}, config()?.accepted ?? 0],
  ]);
  registerCounter(registry, 'tulle_config_rejected_total', 'Configs that were refused.', () => [
    [{}, config()?.rejected ?? 0],
  ]);
  registerGauge(
    registry,
    'tulle_config_warnings',
    'Parts of the config that runs which have no effect.',
    () => [[{}, config()?.warnings ?? 0]],
  );
  registerGauge(registry, 'tulle_config_info', 'Version of the config that runs.', () => {
    const version = config()?.version;
    return version === undefined ? [] : [[{ version }, 1]];
  });
  const identityGauge = (name: string, help: string, read: (identity: IdentityReading) => number | null) =>
    registerGauge(registry, name, help, () => {
      const identity = series.live?.identity() ?? null;
      const value = identity === null ? null : read(identity);
      return value === null ? [] : [[{}, value]];
    });
  identityGauge(
    'tulle_certificate_expiry_timestamp_seconds',
    'When the certificate of the sidecar expires, in Unix time.',
    ({ certificateExpiresMs }) => certificateExpiresMs / 1_000,
  );
  identityGauge(
    'tulle_certificate_expired',
    'Whether the certificate is past its end, so that peers refuse it: 1 or 0.',
    ({ certificateExpired }) => (certificateExpired ? 1 : 0),
  );
  identityGauge(
    'tulle_trust_root_expiry_timestamp_seconds',
    'When the first of the trusted roots expires, in Unix time.',
    ({ rootExpiresMs }) => rootExpiresMs / 1_000,
  );
  identityGauge(
    'tulle_trust_refreshed_timestamp_seconds',
    'When the authority last said what is to be trusted, in Unix time.',
    ({ trustRefreshedMs }) => (trustRefreshedMs === null ? null : trustRefreshedMs / 1_000),
  );
}

export function registerSpans(registry: Registry, spans: SpanRing, spanExport: SpanExport): void {
  registerCounter(registry, 'tulle_spans_recorded_total', 'Spans written into the ring.', () => [
    [{}, spans.recorded],
  ]);
  registerCounter(registry, 'tulle_spans_exported_total', 'Spans that the collector took.', () => [
    [{}, spanExport.exported],
  ]);
  registerCounter(registry, 'tulle_spans_dropped_total', 'Sampled spans that were not exported.', () => [
    [{ reason: 'overwritten' }, spans.overwritten],
    [{ reason: 'export_failed' }, spanExport.failed],
  ]);
}

export function registerAccessLog(registry: Registry, accessLog: AccessLog): void {
  registerCounter(
    registry,
    'tulle_access_log_lines_written_total',
    'Lines of the access log written.',
    () => [[{}, accessLog.written]],
  );
  registerCounter(
    registry,
    'tulle_access_log_lines_dropped_total',
    'Lines of the access log lost: no room in its buffers, or a failed write.',
    () => [[{}, accessLog.dropped]],
  );
}
