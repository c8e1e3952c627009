/**
 * Metrics of connections to listeners.
 */
import type { Registry } from 'prom-client';
import { HANDSHAKE_FAILURES } from '../downstream/handshake-failure.ts';
import { type Reading, register, registerHistogram } from './family.ts';
import { counter, gauge, histogram } from './metric.ts';
import type { ListenerSeries, Series } from './series.ts';

export const DOWNSTREAM_CONNECTIONS = gauge(
  'tulle_downstream_connections',
  'Open connections to a listener.',
  ['listener'],
);
export const DOWNSTREAM_CONNECTIONS_ACCEPTED = counter(
  'tulle_downstream_connections_accepted_total',
  'Connections accepted by a listener.',
  ['listener'],
);
export const DOWNSTREAM_CONNECTIONS_REJECTED = counter(
  'tulle_downstream_connections_rejected_total',
  'Connections closed at once because a listener had too many.',
  ['listener'],
);
export const DOWNSTREAM_TLS_HANDSHAKES = counter(
  'tulle_downstream_tls_handshakes_total',
  'TLS handshakes with peers that succeeded.',
  ['listener'],
);
export const DOWNSTREAM_TLS_HANDSHAKE_DURATION = histogram(
  'tulle_downstream_tls_handshake_duration_seconds',
  'From accept to the end of a TLS handshake that succeeded; the peer and the network have their part in it.',
  ['listener'],
);
export const DOWNSTREAM_TLS_FAILURES = counter(
  'tulle_downstream_tls_failures_total',
  'TLS handshakes with peers that failed.',
  ['listener', 'reason'],
);
export const DOWNSTREAM_PLAINTEXT_CONNECTIONS = counter(
  'tulle_downstream_plaintext_connections_total',
  'Connections in clear to a listener whose mtls is permissive; when none come any more, strict is safe.',
  ['listener'],
);
export const DOWNSTREAM_PROTOCOLS = counter(
  'tulle_downstream_protocols_total',
  'Connections to a listener by what they turned out to speak.',
  ['listener', 'protocol'],
);

export function registerListeners(registry: Registry, series: Series): void {
  const downstream = (read: (listener: ListenerSeries) => number) => () => perListener(series, read);
  register(
    registry,
    DOWNSTREAM_CONNECTIONS,
    downstream((listener) => listener.connections),
  );
  register(
    registry,
    DOWNSTREAM_CONNECTIONS_ACCEPTED,
    downstream((listener) => listener.accepted),
  );
  register(
    registry,
    DOWNSTREAM_CONNECTIONS_REJECTED,
    downstream((listener) => listener.rejected),
  );
  register(
    registry,
    DOWNSTREAM_TLS_HANDSHAKES,
    downstream(({ handshakes }) => handshakes.count),
  );
  registerHistogram(registry, DOWNSTREAM_TLS_HANDSHAKE_DURATION, function* () {
    for (const { listener, handshakes } of series.listeners.values())
      if (handshakes.count > 0) yield [{ listener }, handshakes];
  });
  register(registry, DOWNSTREAM_TLS_FAILURES, function* () {
    for (const { listener, tlsFailures } of series.listeners.values())
      for (const reason of HANDSHAKE_FAILURES)
        if (tlsFailures[reason] > 0) yield [{ listener, reason }, tlsFailures[reason]];
  });
  register(
    registry,
    DOWNSTREAM_PLAINTEXT_CONNECTIONS,
    downstream((listener) => listener.plaintext),
  );

  register(registry, DOWNSTREAM_PROTOCOLS, () => perKind(series));
}

function* perListener(series: Series, read: (listener: ListenerSeries) => number): Iterable<Reading<number>> {
  for (const listener of series.listeners.values()) yield [{ listener: listener.listener }, read(listener)];
}

function* perKind(series: Series): Iterable<Reading<number>> {
  for (const { listener, recognised } of series.listeners.values()) {
    for (const [protocol, count] of Object.entries(recognised)) {
      if (count > 0) yield [{ listener, protocol }, count];
    }
  }
}
