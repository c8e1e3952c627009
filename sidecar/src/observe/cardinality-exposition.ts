/**
 * How many series traffic has made, and what had no room for one of its own.
 */
import type { Registry } from 'prom-client';
import type { Direction } from '../core/route.ts';
import type { DataStoreProtocol } from './datastore.ts';
import { DB_CLIENT_OPERATION_DURATION, MESSAGING_CLIENT_OPERATION_DURATION } from './datastore-exposition.ts';
import { type Reading, register } from './family.ts';
import { counter, gauge, type MetricDeclaration, samplesOfOne } from './metric.ts';
import * as requests from './request-exposition.ts';
import type { Series } from './series.ts';

export const METRIC_SERIES = gauge(
  'tulle_metric_series',
  'Series that requests and commands have made by what they bring, by family; of a histogram each bucket is one.',
  ['family'],
);
export const METRIC_SERIES_LIMIT = gauge(
  'tulle_metric_series_limit',
  'How many series requests and commands may make, overflow series not counted.',
);
export const METRIC_OVERFLOW = counter(
  'tulle_metric_overflow_total',
  'Requests, calls and commands that were counted in an overflow series, since there was no room for one of their own.',
  ['family'],
);

export function registerCardinality(registry: Registry, series: Series): void {
  register(registry, METRIC_SERIES, () => perFamily(series, ({ shown }) => shown));
  register(registry, METRIC_SERIES_LIMIT, () => [[{}, series.budget.limit]]);
  register(registry, METRIC_OVERFLOW, () => perFamily(series, ({ overflowed }) => overflowed));
}

interface Made {
  shown: number;
  overflowed: number;
}

function perFamily(series: Series, read: (made: Made) => number): Reading<number>[] {
  return familiesOf(series).map(([{ name: family }, made]) => [{ family }, read(made)]);
}

function familiesOf(series: Series): (readonly [MetricDeclaration, Made])[] {
  const inbound = routesOf(series, 'inbound');
  const outbound = routesOf(series, 'outbound');
  return [
    [requests.HTTP_SERVER_REQUEST_DURATION, inbound.requests],
    [requests.HTTP_CLIENT_REQUEST_DURATION, outbound.requests],
    [requests.RPC_SERVER_CALL_DURATION, inbound.calls],
    [requests.RPC_CLIENT_CALL_DURATION, outbound.calls],
    [DB_CLIENT_OPERATION_DURATION, storesOf(series, (protocol) => protocol !== 'kafka')],
    [MESSAGING_CLIENT_OPERATION_DURATION, storesOf(series, (protocol) => protocol === 'kafka')],
  ];
}

function routesOf(series: Series, direction: Direction): { requests: Made; calls: Made } {
  const made = { requests: { shown: 0, overflowed: 0 }, calls: { shown: 0, overflowed: 0 } };
  for (const route of series.routes.values()) {
    if (route.direction !== direction) continue;
    add(made.requests, route.durations(), route.overflowed, requests.HTTP_SERVER_REQUEST_DURATION);
    add(made.calls, route.rpc.calls(), route.rpc.overflowed, requests.RPC_SERVER_CALL_DURATION);
  }
  return made;
}

function storesOf(series: Series, wanted: (protocol: DataStoreProtocol) => boolean): Made {
  const made = { shown: 0, overflowed: 0 };
  for (const store of series.dataStores.values()) {
    if (wanted(store.protocol)) add(made, store.operations(), store.overflowed, DB_CLIENT_OPERATION_DURATION);
  }
  return made;
}

function add(made: Made, all: Iterable<unknown>, overflowed: number, declaration: MetricDeclaration): void {
  for (const _ of all) made.shown += samplesOfOne(declaration);
  made.overflowed += overflowed;
}
