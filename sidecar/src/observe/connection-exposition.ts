/**
 * The metrics of connections that are passed on, by name.
 */
import type { Registry } from 'prom-client';
import { FAILURES } from '../core/failure.ts';
import type { ConnectionSeries } from './connection-series.ts';
import { type Reading, register, registerHistogram } from './family.ts';
import { CONNECTION_SECONDS, counter, gauge, histogram } from './metric.ts';
import type { Series } from './series.ts';

export const TCP_CONNECTIONS_OPENED = counter(
  'tulle_tcp_connections_opened_total',
  'Connections that were passed on, or refused.',
  ['direction', 'route'],
);
export const TCP_ACTIVE_CONNECTIONS = gauge(
  'tulle_tcp_active_connections',
  'Connections that are passed on now.',
  ['direction', 'route'],
);
export const TCP_CONNECTIONS_CLOSED = counter(
  'tulle_tcp_connections_closed_total',
  'Connections that ended, by failure code; none stands for an orderly end of both sides.',
  ['direction', 'route', 'failure', 'source'],
);
export const TCP_CLIENT_BYTES = counter('tulle_tcp_client_bytes_total', 'Bytes from clients to servers.', [
  'direction',
  'route',
]);
export const TCP_SERVER_BYTES = counter('tulle_tcp_server_bytes_total', 'Bytes from servers to clients.', [
  'direction',
  'route',
]);
export const TCP_CONNECTION_DURATION = histogram(
  'tulle_tcp_connection_duration_seconds',
  'From the beginning of a connection to its end.',
  ['direction', 'route'],
  CONNECTION_SECONDS,
);

export function registerRelayed(registry: Registry, series: Series): void {
  const each =
    <V>(read: (connections: ConnectionSeries) => V) =>
    () =>
      perRoute(series, read);
  register(
    registry,
    TCP_CONNECTIONS_OPENED,
    each(({ opened }) => opened),
  );
  register(
    registry,
    TCP_ACTIVE_CONNECTIONS,
    each(({ active }) => active),
  );
  register(registry, TCP_CONNECTIONS_CLOSED, () => failures(series));
  register(
    registry,
    TCP_CLIENT_BYTES,
    each(({ clientBytes }) => clientBytes),
  );
  register(
    registry,
    TCP_SERVER_BYTES,
    each(({ serverBytes }) => serverBytes),
  );
  registerHistogram(
    registry,
    TCP_CONNECTION_DURATION,
    each(({ duration }) => duration),
  );
}

function* perRoute<V>(series: Series, read: (connections: ConnectionSeries) => V): Iterable<Reading<V>> {
  for (const connections of used(series)) {
    yield [{ direction: connections.direction, route: connections.route }, read(connections)];
  }
}

function* failures(series: Series): Iterable<Reading<number>> {
  for (const { direction, route, closed } of used(series)) {
    for (const { code, name, source } of FAILURES) {
      const count = closed[code] as number;
      // Success is there from the start, so that its first increase is seen by rate().
      if (count > 0 || code === 0) yield [{ direction, route, failure: name, source }, count];
    }
  }
}

/** Every route could pass connections on, most never do; they would fill the page with zeros. */
function* used(series: Series): Iterable<ConnectionSeries> {
  for (const connections of series.connections.values()) if (connections.opened > 0) yield connections;
}
