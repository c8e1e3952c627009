/**
 * Metrics of connections to upstream services.
 */
import type { Registry } from 'prom-client';
import type { UpstreamCounts } from '../upstream/endpoint.ts';
import { memoLabels, type Reading, registerCounter, registerGauge, registerHistogram } from './family.ts';
import type { Series, UpstreamSeries } from './series.ts';

export function registerUpstreams(registry: Registry, series: Series): void {
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
