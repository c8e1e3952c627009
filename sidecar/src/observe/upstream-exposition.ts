/**
 * Metrics of connections to upstream services.
 */
import type { Registry } from 'prom-client';
import type { UpstreamCounts } from '../upstream/endpoint.ts';
import { type Reading, register, registerHistogram } from './family.ts';
import { counter, gauge, histogram } from './metric.ts';
import type { Series, UpstreamSeries } from './series.ts';

export const UPSTREAM_OPEN_CONNECTIONS = gauge(
  'tulle_upstream_open_connections',
  'Connections to an upstream, idle ones included.',
  ['upstream', 'endpoint'],
);
export const UPSTREAM_IDLE_CONNECTIONS = gauge(
  'tulle_upstream_idle_connections',
  'Kept-alive connections to an upstream that wait for work.',
  ['upstream', 'endpoint'],
);
export const UPSTREAM_PENDING_EXCHANGES = gauge(
  'tulle_upstream_pending_exchanges',
  'Exchanges that wait for a connection to an upstream.',
  ['upstream', 'endpoint'],
);
export const UPSTREAM_CONNECT_FAILURES = counter(
  'tulle_upstream_connect_failures_total',
  'Connections to an upstream that could not be set up.',
  ['upstream'],
);
export const UPSTREAM_TLS_HANDSHAKES = counter(
  'tulle_upstream_tls_handshakes_total',
  'TLS handshakes with an upstream that succeeded.',
  ['upstream'],
);
export const UPSTREAM_TLS_FAILURES = counter(
  'tulle_upstream_tls_failures_total',
  'TLS handshakes with an upstream that failed.',
  ['upstream'],
);
export const UPSTREAM_CONNECT_DURATION = histogram(
  'tulle_upstream_connect_duration_seconds',
  'Set-up of connections to an upstream, TLS included.',
  ['upstream'],
);

export function registerUpstreams(registry: Registry, series: Series): void {
  const upstream = (read: (upstream: UpstreamSeries) => number) => () => perUpstream(series, read);
  register(registry, UPSTREAM_OPEN_CONNECTIONS, () => perPool(series, ({ open }) => open));
  register(registry, UPSTREAM_IDLE_CONNECTIONS, () => perPool(series, ({ idle }) => idle));
  register(registry, UPSTREAM_PENDING_EXCHANGES, () => perPool(series, ({ waiting }) => waiting));
  register(
    registry,
    UPSTREAM_CONNECT_FAILURES,
    upstream(({ connectFailures }) => connectFailures),
  );
  register(
    registry,
    UPSTREAM_TLS_HANDSHAKES,
    upstream(({ tlsHandshakes }) => tlsHandshakes),
  );
  register(
    registry,
    UPSTREAM_TLS_FAILURES,
    upstream(({ tlsFailures }) => tlsFailures),
  );
  registerHistogram(registry, UPSTREAM_CONNECT_DURATION, () =>
    perUpstream(series, ({ connectDuration }) => connectDuration),
  );
}

function* perUpstream<V>(series: Series, read: (upstream: UpstreamSeries) => V): Iterable<Reading<V>> {
  for (const upstream of series.upstreams.values()) {
    yield [{ upstream: upstream.upstream }, read(upstream)];
  }
}

function* perPool(series: Series, read: (counts: UpstreamCounts) => number): Iterable<Reading<number>> {
  for (const { route, address, counts } of series.live?.upstreams() ?? []) {
    yield [{ upstream: route, endpoint: address }, read(counts)];
  }
}
