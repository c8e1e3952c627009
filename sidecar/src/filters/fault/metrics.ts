/**
 * What fault policies did, or in shadow mode would have done, to the requests of one route.
 */
import type { Registry } from 'prom-client';
import type { Direction } from '../../core/route.ts';
import { type Reading, register } from '../../observe/family.ts';
import { counter, gauge } from '../../observe/metric.ts';

export const FAULTS = counter(
  'tulle_faults_total',
  'Faults that a fault policy injected, or in shadow mode would have injected.',
  ['direction', 'route', 'fault', 'mode'],
);
export const FAULT_DELAYS_SKIPPED = counter(
  'tulle_fault_delays_skipped_total',
  'Requests that a fault policy did not delay because it delayed too many already.',
  ['direction', 'route'],
);
export const FAULT_DELAYED_EXCHANGES = gauge(
  'tulle_fault_delayed_exchanges',
  'Requests that a fault policy delays now.',
  ['direction', 'route'],
);

export class FaultSeries {
  readonly direction: Direction;
  readonly route: string;
  /** Delayed now. */
  delayed = 0;
  delays = 0;
  aborts = 0;
  shadowDelays = 0;
  shadowAborts = 0;
  /** Not delayed, because too many were already. */
  skippedDelays = 0;

  constructor(direction: Direction, route: string) {
    this.direction = direction;
    this.route = route;
  }
}

export function registerFaults(registry: Registry, faults: ReadonlyMap<string, FaultSeries>): void {
  register(registry, FAULTS, () => byFault(faults));
  register(registry, FAULT_DELAYS_SKIPPED, () => perRoute(faults, ({ skippedDelays }) => skippedDelays));
  register(registry, FAULT_DELAYED_EXCHANGES, () => perRoute(faults, ({ delayed }) => delayed));
}

function* byFault(faults: ReadonlyMap<string, FaultSeries>): Iterable<Reading<number>> {
  for (const series of faults.values()) {
    const { direction, route } = series;
    yield [{ direction, route, fault: 'delay', mode: 'enforce' }, series.delays];
    yield [{ direction, route, fault: 'abort', mode: 'enforce' }, series.aborts];
    yield [{ direction, route, fault: 'delay', mode: 'shadow' }, series.shadowDelays];
    yield [{ direction, route, fault: 'abort', mode: 'shadow' }, series.shadowAborts];
  }
}

function* perRoute(
  faults: ReadonlyMap<string, FaultSeries>,
  read: (series: FaultSeries) => number,
): Iterable<Reading<number>> {
  for (const series of faults.values()) {
    yield [{ direction: series.direction, route: series.route }, read(series)];
  }
}
