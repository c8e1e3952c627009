/**
 * The metrics of commands to data stores, by the names that the database and messaging conventions of OpenTelemetry have for them.
 */
import type { Registry } from 'prom-client';
import type { DataStoreProtocol } from './datastore.ts';
import { OPERATION_TYPES, SYSTEM_NAMES } from './datastore-record.ts';
import type { DataStoreSeries, OperationSeries } from './datastore-series.ts';
import { type Labels, type Reading, register, registerHistogram } from './family.ts';
import type { Histogram } from './histogram.ts';
import { COMMAND_SECONDS, counter, histogram } from './metric.ts';
import type { Series } from './series.ts';

export const DB_CLIENT_OPERATION_DURATION = histogram(
  'db_client_operation_duration_seconds',
  'Duration of commands to databases, from the first byte of the command to the last of the answer.',
  [
    'db_system_name',
    'server_address',
    'db_operation_name',
    'db_namespace',
    'db_collection_name',
    'redis_key_prefix',
    'db_response_status_code',
    'error_type',
    'blocking',
    'otel_metric_overflow',
  ],
  COMMAND_SECONDS,
);
export const MESSAGING_CLIENT_OPERATION_DURATION = histogram(
  'messaging_client_operation_duration_seconds',
  'Duration of requests to message brokers, from the first byte of the request to the last of the answer.',
  [
    'messaging_system',
    'server_address',
    'messaging_operation_name',
    'messaging_operation_type',
    'messaging_destination_name',
    'kafka_error_code',
    'error_type',
    'blocking',
    'otel_metric_overflow',
  ],
  COMMAND_SECONDS,
);
export const DATASTORE_DESYNC = counter(
  'tulle_datastore_desync_total',
  'Connections whose commands are no longer observed, because their parser turned itself off. Traffic goes on.',
  ['protocol', 'upstream', 'reason'],
);
export const DATASTORE_UNMATCHED = counter(
  'tulle_datastore_unmatched_total',
  'Answers to no known command, and commands without an answer when their connection closed.',
  ['protocol', 'upstream'],
);

export function registerDataStores(registry: Registry, series: Series): void {
  registerHistogram(registry, DB_CLIENT_OPERATION_DURATION, () => durations(series, ['redis', 'mongo']));
  registerHistogram(registry, MESSAGING_CLIENT_OPERATION_DURATION, () => durations(series, ['kafka']));
  register(registry, DATASTORE_DESYNC, () => desyncs(series));
  register(registry, DATASTORE_UNMATCHED, () => unmatched(series));
}

function* durations(series: Series, protocols: readonly DataStoreProtocol[]): Iterable<Reading<Histogram>> {
  for (const store of series.dataStores.values()) {
    if (!protocols.includes(store.protocol)) continue;
    for (const operation of store.operations()) yield [labelsOf(store, operation), operation.duration];
  }
}

function labelsOf(store: DataStoreSeries, operation: OperationSeries): Labels {
  return store.protocol === 'kafka' ? messagingLabels(store, operation) : databaseLabels(store, operation);
}

function databaseLabels({ protocol, route }: DataStoreSeries, series: OperationSeries): Labels {
  const labels = { db_system_name: SYSTEM_NAMES[protocol], server_address: route };
  if (series.overflow) return { ...labels, otel_metric_overflow: 'true' };
  return withoutEmpty({
    ...labels,
    db_operation_name: series.operation,
    db_namespace: series.namespace,
    db_collection_name: protocol === 'mongo' ? series.target : '',
    redis_key_prefix: protocol === 'redis' ? series.target : '',
    db_response_status_code: series.statusCode,
    error_type: series.errorType,
    blocking: series.blocking ? 'true' : '',
  });
}

function messagingLabels({ protocol, route }: DataStoreSeries, series: OperationSeries): Labels {
  const labels = { messaging_system: SYSTEM_NAMES[protocol], server_address: route };
  if (series.overflow) return { ...labels, otel_metric_overflow: 'true' };
  return withoutEmpty({
    ...labels,
    messaging_operation_name: series.operation,
    messaging_operation_type: OPERATION_TYPES[series.operation] ?? '',
    messaging_destination_name: series.target,
    kafka_error_code: series.statusCode,
    error_type: series.errorType,
    blocking: series.blocking ? 'true' : '',
  });
}

function withoutEmpty(labels: Record<string, string>): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ''));
}

function* desyncs(series: Series): Iterable<Reading<number>> {
  for (const { protocol, route, desyncs } of series.dataStores.values()) {
    // All reasons from the start: a series that begins at 1 hides its first increase from rate().
    for (const [reason, count] of Object.entries(desyncs))
      yield [{ protocol, upstream: route, reason }, count];
  }
}

function* unmatched(series: Series): Iterable<Reading<number>> {
  for (const { protocol, route, unmatched } of series.dataStores.values()) {
    yield [{ protocol, upstream: route }, unmatched];
  }
}
