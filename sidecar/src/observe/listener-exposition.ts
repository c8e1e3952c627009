/**
 * Metrics of connections to listeners.
 */
import type { Registry } from 'prom-client';
import { HANDSHAKE_FAILURES } from '../downstream/handshake-failure.ts';
import { type Reading, registerCounter, registerGauge } from './family.ts';
import type { ListenerSeries, Series } from './series.ts';

export function registerListeners(registry: Registry, series: Series): void {
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
