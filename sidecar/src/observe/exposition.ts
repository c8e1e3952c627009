/**
 * The metrics by name: which series each family reads, in the text format of Prometheus.
 *
 * Invariants: names and labels are stable, because dashboards and alerts match on them; a family reads only, it never counts; every
 * sample carries `service_name`.
 */
import { collectDefaultMetrics, type Metric, Registry } from 'prom-client';
import { FAILURES } from '../core/failure.ts';
import type { Direction } from '../core/route.ts';
import { HANDSHAKE_FAILURES } from '../downstream/handshake-failure.ts';
import { type AccessReadings, registerAccess } from '../filters/access/metrics.ts';
import { registerBackends } from '../filters/backend/metrics.ts';
import { registerBaggage } from '../filters/baggage/metrics.ts';
import { registerConcurrency } from '../filters/concurrency/metrics.ts';
import { registerFaults } from '../filters/fault/metrics.ts';
import { registerHedges } from '../filters/hedge/metrics.ts';
import { type JwtReadings, registerJwt } from '../filters/jwt/metrics.ts';
import type { Linkage } from '../filters/linkage/linkage.ts';
import { registerLinkage } from '../filters/linkage/metrics.ts';
import { registerMirrors } from '../filters/mirror/metrics.ts';
import { type RateLimitReadings, registerRateLimits } from '../filters/rate-limit/metrics.ts';
import { registerRetries } from '../filters/retry/metrics.ts';
import { registerWaf, type WafReadings } from '../filters/waf/metrics.ts';
import type { UpstreamCounts } from '../upstream/endpoint.ts';
import type { AccessLog } from './access-log.ts';
import { registerRelayed } from './connection-exposition.ts';
import { registerDataStores } from './datastore-exposition.ts';
import { errorTypeOf } from './error-type.ts';
import { type Labels, type Reading, registerCounter, registerGauge, registerHistogram } from './family.ts';
import { registerGroups } from './group-exposition.ts';
import type { Histogram } from './histogram.ts';
import { registerIntake } from './intake/metrics.ts';
import { METHODS } from './request-line.ts';
import { registerRetention } from './retention/metrics.ts';
import type { RequestSeries, RouteSeries } from './route-series.ts';
import { statusError, statusName } from './rpc.ts';
import type { CallSeries } from './rpc-series.ts';
import type { IdentityReading, ListenerSeries, Series, UpstreamSeries } from './series.ts';
import type { SpanExport } from './span-export.ts';
import type { SpanRing } from './spans.ts';
import type { Tracing } from './tracing.ts';

/** What the sidecar has to show; telemetry that is off is null and has no metrics. */
export interface Sources {
  readonly series: Series;
  readonly tracing: Tracing | null;
  readonly linkage: Linkage | null;
  readonly accessLog: AccessLog | null;
  readonly rateLimits: RateLimitReadings;
  readonly access: AccessReadings;
  readonly jwt: JwtReadings;
  readonly waf: WafReadings;
}

export function createRegistry(service: string, sources: Sources): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ service_name: service });
  registerRequests(registry, sources.series);
  registerConnections(registry, sources.series);
  registerRelayed(registry, sources.series);
  registerDataStores(registry, sources.series);
  registerGroups(registry, sources.series);
  registerBaggage(registry, sources.series.baggage);
  registerFaults(registry, sources.series.faults);
  registerBackends(registry, sources.series.backends);
  registerMirrors(registry, sources.series.mirrors);
  registerRetries(registry, sources.series.retries);
  registerHedges(registry, sources.series.hedges);
  registerConcurrency(registry, sources.series.concurrency);
  registerRateLimits(registry, sources.rateLimits);
  registerAccess(registry, sources.access);
  registerJwt(registry, sources.jwt);
  registerWaf(registry, sources.waf);
  registerSidecar(registry, sources.series);
  if (sources.tracing !== null) {
    const { keeping, ownExport, appExport } = sources.tracing;
    registerSpans(registry, keeping.ring, ownExport);
    registerRetention(registry, keeping.retention);
    if (keeping.appSpans !== null && appExport !== null)
      registerIntake(registry, keeping.appSpans, appExport);
  }
  if (sources.linkage !== null) registerLinkage(registry, sources.linkage);
  if (sources.accessLog !== null) registerAccessLog(registry, sources.accessLog);
  for (const metric of processMetrics()) registry.registerMetric(metric as unknown as Metric);
  return registry;
}

function registerRequests(registry: Registry, series: Series): void {
  registerHistogram(
    registry,
    'http_server_request_duration_seconds',
    'Duration of requests from peers to the service, from the first byte of the head to the end of the response.',
    () => durations(series, 'inbound'),
  );
  registerHistogram(
    registry,
    'http_client_request_duration_seconds',
    'Duration of requests of the service to peers, from the first byte of the head to the end of the response.',
    () => durations(series, 'outbound'),
  );
  registerHistogram(
    registry,
    'rpc_server_call_duration_seconds',
    'Duration of gRPC calls from peers to the service, from the first byte of the head to the end of the response.',
    () => calls(series, 'inbound'),
  );
  registerHistogram(
    registry,
    'rpc_client_call_duration_seconds',
    'Duration of gRPC calls of the service to peers, from the first byte of the head to the end of the response.',
    () => calls(series, 'outbound'),
  );
  registerCounter(
    registry,
    'tulle_requests_total',
    'Exchanges that ended, by failure code; none stands for success.',
    () => failures(series),
  );
  registerCounter(
    registry,
    'tulle_request_body_bytes_total',
    'Bytes of request bodies, framing not counted.',
    () => perRoute(series, (route) => route.requestBytes),
  );
  registerCounter(
    registry,
    'tulle_response_body_bytes_total',
    'Bytes of response bodies, framing not counted.',
    () => perRoute(series, (route) => route.responseBytes),
  );
  registerCounter(
    registry,
    'tulle_attempts_total',
    'Attempts at endpoints; above the number of exchanges it is what retries add.',
    () => perRoute(series, (route) => route.attempts),
  );
  registerGauge(registry, 'tulle_active_exchanges', 'Exchanges under way.', () =>
    perRoute(series, (route) => route.active),
  );
}

function registerConnections(registry: Registry, series: Series): void {
  const downstream = (read: (listener: ListenerSeries) => number) => () => perListener(series, read);
  registerGauge(
    registry,
    'tulle_downstream_connections',
    'Open connections to a listener.',
    downstream((listener) => listener.connections),
  );
  registerCounter(
    registry,
    'tulle_downstream_connections_accepted_total',
    'Connections accepted by a listener.',
    downstream((listener) => listener.accepted),
  );
  registerCounter(
    registry,
    'tulle_downstream_connections_rejected_total',
    'Connections closed at once because a listener had too many.',
    downstream((listener) => listener.rejected),
  );
  registerCounter(
    registry,
    'tulle_downstream_tls_handshakes_total',
    'TLS handshakes with peers that succeeded.',
    downstream((listener) => listener.tlsHandshakes),
  );
  registerCounter(
    registry,
    'tulle_downstream_tls_failures_total',
    'TLS handshakes with peers that failed.',
    function* () {
      for (const { listener, tlsFailures } of series.listeners.values())
        for (const reason of HANDSHAKE_FAILURES)
          if (tlsFailures[reason] > 0) yield [{ listener, reason }, tlsFailures[reason]];
    },
  );
  registerCounter(
    registry,
    'tulle_downstream_plaintext_connections_total',
    'Connections in clear to a listener whose mtls is permissive; when none come any more, strict is safe.',
    downstream((listener) => listener.plaintext),
  );

  registerCounter(
    registry,
    'tulle_downstream_protocols_total',
    'Connections to a listener by what they turned out to speak.',
    () => perKind(series),
  );

  const upstream = (read: (upstream: UpstreamSeries) => number) => () => perUpstream(series, read);
  registerGauge(
    registry,
    'tulle_upstream_open_connections',
    'Connections to an upstream, idle ones included.',
    () => perPool(series, ({ open }) => open),
  );
  registerGauge(
    registry,
    'tulle_upstream_idle_connections',
    'Kept-alive connections to an upstream that wait for work.',
    () => perPool(series, ({ idle }) => idle),
  );
  registerGauge(
    registry,
    'tulle_upstream_pending_exchanges',
    'Exchanges that wait for a connection to an upstream.',
    () => perPool(series, ({ waiting }) => waiting),
  );
  registerCounter(
    registry,
    'tulle_upstream_connect_failures_total',
    'Connections to an upstream that could not be set up.',
    upstream(({ connectFailures }) => connectFailures),
  );
  registerCounter(
    registry,
    'tulle_upstream_tls_handshakes_total',
    'TLS handshakes with an upstream that succeeded.',
    upstream(({ tlsHandshakes }) => tlsHandshakes),
  );
  registerCounter(
    registry,
    'tulle_upstream_tls_failures_total',
    'TLS handshakes with an upstream that failed.',
    upstream(({ tlsFailures }) => tlsFailures),
  );
  registerHistogram(
    registry,
    'tulle_upstream_connect_duration_seconds',
    'Set-up of connections to an upstream, TLS included.',
    () => perUpstream(series, ({ connectDuration }) => connectDuration),
  );
}

function registerSidecar(registry: Registry, series: Series): void {
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

function registerSpans(registry: Registry, spans: SpanRing, spanExport: SpanExport): void {
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

function registerAccessLog(registry: Registry, accessLog: AccessLog): void {
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

function* durations(series: Series, direction: Direction): Iterable<Reading<Histogram>> {
  for (const route of series.routes.values()) {
    if (route.direction !== direction) continue;
    for (const requests of route.durations()) {
      yield [memoLabels(requests, () => requestLabels(route, requests)), requests.duration];
    }
  }
}

function* calls(series: Series, direction: Direction): Iterable<Reading<Histogram>> {
  for (const route of series.routes.values()) {
    if (route.direction !== direction) continue;
    for (const call of route.rpc.calls())
      yield [memoLabels(call, () => callLabels(route, call)), call.duration];
  }
}

function callLabels(
  { direction, route, rule }: RouteSeries,
  { method, status, failure }: CallSeries,
): Labels {
  const labels: Record<string, string> = {
    rpc_system_name: 'grpc',
    rpc_method: method,
    http_route: rule || route,
  };
  if (direction === 'outbound') labels.server_address = route;
  const statusCode = statusName(status);
  if (statusCode !== '') labels.rpc_response_status_code = statusCode;
  const errorType = errorTypeOf(failure, 0, direction) || statusError(status, direction);
  if (errorType !== '') labels.error_type = errorType;
  return labels;
}

function requestLabels({ direction, route, rule }: RouteSeries, requests: RequestSeries): Labels {
  const inbound = direction === 'inbound';
  const labels: Record<string, string> = { http_route: rule || route };
  if (requests.overflow) return { ...labels, otel_metric_overflow: 'true' };
  labels.http_request_method = METHODS[requests.method] as string;
  if (inbound) labels.url_scheme = requests.peer === '' ? 'http' : 'https';
  else labels.server_address = route;
  if (requests.status !== 0) labels.http_response_status_code = String(requests.status);
  const errorType = errorTypeOf(requests.failure, requests.status, direction);
  if (errorType !== '') labels.error_type = errorType;
  if (requests.peer !== '') labels.peer_identity = requests.peer;
  return labels;
}

function* failures(series: Series): Iterable<Reading<number>> {
  for (const route of series.routes.values()) {
    for (const { code, name, source } of FAILURES) {
      const count = route.ended[code] as number;
      // A series that starts at 1 hides its first increase from rate(), so success is there from the start.
      if (count === 0 && code !== 0) continue;
      yield [{ ...routeLabels(route), failure: name, source }, count];
    }
  }
}

function routeLabels({ direction, route, rule }: RouteSeries): Labels {
  return rule === '' ? { direction, route } : { direction, route, rule };
}

function* perRoute<V>(series: Series, read: (route: RouteSeries) => V): Iterable<Reading<V>> {
  for (const route of series.routes.values()) {
    yield [memoLabels(route, () => routeLabels(route)), read(route)];
  }
}

function* perListener<V>(series: Series, read: (listener: ListenerSeries) => V): Iterable<Reading<V>> {
  for (const listener of series.listeners.values()) yield [{ listener: listener.listener }, read(listener)];
}

function* perKind(series: Series): Iterable<Reading<number>> {
  for (const { listener, recognised } of series.listeners.values()) {
    for (const [protocol, count] of Object.entries(recognised)) {
      if (count > 0) yield [{ listener, protocol }, count];
    }
  }
}

function* perUpstream<V>(series: Series, read: (upstream: UpstreamSeries) => V): Iterable<Reading<V>> {
  for (const upstream of series.upstreams.values()) {
    yield [memoLabels(upstream, () => ({ upstream: upstream.upstream })), read(upstream)];
  }
}

function* perPool(series: Series, read: (counts: UpstreamCounts) => number): Iterable<Reading<number>> {
  for (const { route, address, counts } of series.live?.upstreams() ?? []) {
    yield [{ upstream: route, endpoint: address }, read(counts)];
  }
}

/** The registry keeps formatted labels by object, so a series keeps the object. */
const labelsBySeries = new WeakMap<object, Labels>();

function memoLabels(series: object, make: () => Labels): Labels {
  let labels = labelsBySeries.get(series);
  if (labels === undefined) {
    labels = make();
    labelsBySeries.set(series, labels);
  }
  return labels;
}

let sharedProcessMetrics: Registry | null = null;

/** There is one event loop and one collector of garbage in a process, however many sidecars run in it (in tests, several). */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

function processMetrics(): ReturnType<Registry['getMetricsAsArray']> {
  if (sharedProcessMetrics === null) {
    sharedProcessMetrics = new Registry();
    collectDefaultMetrics({ register: sharedProcessMetrics });
    // Gauges that are named like counters, and say what others say by type.
    for (const name of MISNAMED) sharedProcessMetrics.removeSingleMetric(name);
  }
  return sharedProcessMetrics.getMetricsAsArray();
}
