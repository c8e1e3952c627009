/**
 * Metrics of exchanges, by route.
 */
import type { Registry } from 'prom-client';
import { FAILURES } from '../core/failure.ts';
import type { Direction } from '../core/route.ts';
import { errorTypeOf } from './error-type.ts';
import { type Labels, type Reading, register, registerHistogram } from './family.ts';
import type { Histogram } from './histogram.ts';
import { counter, gauge, histogram } from './metric.ts';
import { STATUS_CLASSES } from './peer-series.ts';
import { PHASES } from './phases.ts';
import { METHODS } from './request-line.ts';
import type { RequestSeries, RouteSeries } from './route-series.ts';
import { statusError, statusName } from './rpc.ts';
import type { CallSeries } from './rpc-series.ts';
import type { Series } from './series.ts';

export const HTTP_SERVER_REQUEST_DURATION = histogram(
  'http_server_request_duration_seconds',
  'Duration of requests from peers to the service, from the first byte of the head to the end of the response.',
  [
    'http_route',
    'http_request_method',
    'url_scheme',
    'http_response_status_code',
    'error_type',
    'peer_identity',
    'otel_metric_overflow',
  ],
);
export const HTTP_CLIENT_REQUEST_DURATION = histogram(
  'http_client_request_duration_seconds',
  'Duration of requests of the service to peers, from the first byte of the head to the end of the response.',
  [
    'http_route',
    'http_request_method',
    'server_address',
    'http_response_status_code',
    'error_type',
    'peer_identity',
    'otel_metric_overflow',
  ],
);
export const RPC_SERVER_CALL_DURATION = histogram(
  'rpc_server_call_duration_seconds',
  'Duration of gRPC calls from peers to the service, from the first byte of the head to the end of the response.',
  [
    'rpc_system_name',
    'rpc_method',
    'http_route',
    'rpc_response_status_code',
    'error_type',
    'otel_metric_overflow',
  ],
);
export const RPC_CLIENT_CALL_DURATION = histogram(
  'rpc_client_call_duration_seconds',
  'Duration of gRPC calls of the service to peers, from the first byte of the head to the end of the response.',
  [
    'rpc_system_name',
    'rpc_method',
    'http_route',
    'server_address',
    'rpc_response_status_code',
    'error_type',
    'otel_metric_overflow',
  ],
);
export const REQUESTS = counter(
  'tulle_requests_total',
  'Exchanges that ended, by failure code; none stands for success.',
  ['direction', 'route', 'rule', 'failure', 'source'],
);
export const PEER_REQUESTS = counter(
  'tulle_peer_requests_total',
  'Exchanges that ended, by who was on the other side and the class of their status.',
  ['direction', 'route', 'rule', 'peer', 'status_class'],
);
export const REQUEST_PHASE = counter(
  'tulle_request_phase_seconds_total',
  'Time that exchanges spent, by phase; the phases of a route add up to the duration of its exchanges.',
  ['direction', 'route', 'rule', 'phase'],
);
export const REQUEST_BODY_BYTES = counter(
  'tulle_request_body_bytes_total',
  'Bytes of request bodies, framing not counted.',
  ['direction', 'route', 'rule'],
);
export const RESPONSE_BODY_BYTES = counter(
  'tulle_response_body_bytes_total',
  'Bytes of response bodies, framing not counted.',
  ['direction', 'route', 'rule'],
);
export const ATTEMPTS = counter(
  'tulle_attempts_total',
  'Attempts at endpoints; above the number of exchanges it is what retries add.',
  ['direction', 'route', 'rule'],
);
export const ACTIVE_EXCHANGES = gauge('tulle_active_exchanges', 'Exchanges under way.', [
  'direction',
  'route',
  'rule',
]);

export function registerRequests(registry: Registry, series: Series): void {
  registerHistogram(registry, HTTP_SERVER_REQUEST_DURATION, () => durations(series, 'inbound'));
  registerHistogram(registry, HTTP_CLIENT_REQUEST_DURATION, () => durations(series, 'outbound'));
  registerHistogram(registry, RPC_SERVER_CALL_DURATION, () => calls(series, 'inbound'));
  registerHistogram(registry, RPC_CLIENT_CALL_DURATION, () => calls(series, 'outbound'));
  register(registry, REQUESTS, () => failures(series));
  register(registry, PEER_REQUESTS, () => peers(series));
  register(registry, REQUEST_PHASE, () => phases(series));
  register(registry, REQUEST_BODY_BYTES, () => perRoute(series, (route) => route.requestBytes));
  register(registry, RESPONSE_BODY_BYTES, () => perRoute(series, (route) => route.responseBytes));
  register(registry, ATTEMPTS, () => perRoute(series, (route) => route.attempts));
  register(registry, ACTIVE_EXCHANGES, () => perRoute(series, (route) => route.active));
}

function* durations(series: Series, direction: Direction): Iterable<Reading<Histogram>> {
  for (const route of series.routes.values()) {
    if (route.direction !== direction) continue;
    for (const requests of route.durations()) {
      yield [requestLabels(route, requests), requests.duration];
    }
  }
}

function* calls(series: Series, direction: Direction): Iterable<Reading<Histogram>> {
  for (const route of series.routes.values()) {
    if (route.direction !== direction) continue;
    for (const call of route.rpc.calls()) yield [callLabels(route, call), call.duration];
  }
}

function callLabels(
  { direction, route, rule }: RouteSeries,
  { method, status, failure, overflow }: CallSeries,
): Labels {
  const labels: Record<string, string> = {
    rpc_system_name: 'grpc',
    http_route: rule || route,
  };
  if (overflow) return { ...labels, otel_metric_overflow: 'true' };
  labels.rpc_method = method;
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

function* peers(series: Series): Iterable<Reading<number>> {
  for (const route of series.routes.values()) {
    for (const [peer, counts] of route.peers.counts) {
      const labels = { ...routeLabels(route), peer: peerName(peer) };
      for (const [index, status_class] of STATUS_CLASSES.entries()) {
        const count = counts[index] as number;
        // As with failures: success is there from the start.
        if (count > 0 || index === 2) yield [{ ...labels, status_class }, count];
      }
    }
  }
}

/** An empty label would be none. */
function peerName(peer: string): string {
  return peer === '' ? 'unknown' : peer.replace('spiffe://', '');
}

function* phases(series: Series): Iterable<Reading<number>> {
  for (const route of series.routes.values()) {
    const { phasesMs } = route;
    for (let i = 0; i < PHASES.length; i++) {
      const ms = phasesMs[i] as number;
      if (ms > 0) yield [{ ...routeLabels(route), phase: PHASES[i] as string }, ms / 1_000];
    }
  }
}

function routeLabels({ direction, route, rule }: RouteSeries): Labels {
  return rule === '' ? { direction, route } : { direction, route, rule };
}

function* perRoute<V>(series: Series, read: (route: RouteSeries) => V): Iterable<Reading<V>> {
  for (const route of series.routes.values()) {
    yield [routeLabels(route), read(route)];
  }
}
