/**
 * What the concurrency limit of one route does.
 */
import type { Registry } from 'prom-client';
import type { Direction } from '../../core/route.ts';
import { type Reading, register } from '../../observe/family.ts';
import { counter, gauge } from '../../observe/metric.ts';

export const CONCURRENCY_LIMIT = gauge(
  'tulle_concurrency_limit',
  'Exchanges that a concurrency policy lets through at once.',
  ['direction', 'route'],
);
export const CONCURRENCY_IN_FLIGHT = gauge(
  'tulle_concurrency_in_flight',
  'Exchanges that a concurrency policy has let through and that are under way.',
  ['direction', 'route'],
);
export const CONCURRENCY_QUEUED = gauge(
  'tulle_concurrency_queued',
  'Exchanges that wait for a concurrency policy to let them through.',
  ['direction', 'route'],
);
export const SHED = counter(
  'tulle_shed_total',
  'Exchanges that a concurrency policy turned away, or in shadow mode would have held up, by cause.',
  ['direction', 'route', 'cause', 'mode'],
);

export type ShedCause = 'no-queue' | 'queue-full' | 'queue-timeout';

export class ConcurrencySeries {
  readonly direction: Direction;
  readonly route: string;
  limit = 0;
  inFlight = 0;
  queued = 0;
  readonly shed: Record<ShedCause, number> = { 'no-queue': 0, 'queue-full': 0, 'queue-timeout': 0 };
  /** What a policy in shadow mode would have turned away or made wait. */
  shadowShed = 0;

  constructor(direction: Direction, route: string) {
    this.direction = direction;
    this.route = route;
  }
}

export function registerConcurrency(registry: Registry, all: ReadonlyMap<string, ConcurrencySeries>): void {
  const perRoute = (read: (series: ConcurrencySeries) => number) => () => readings(all, read);
  register(
    registry,
    CONCURRENCY_LIMIT,
    perRoute(({ limit }) => limit),
  );
  register(
    registry,
    CONCURRENCY_IN_FLIGHT,
    perRoute(({ inFlight }) => inFlight),
  );
  register(
    registry,
    CONCURRENCY_QUEUED,
    perRoute(({ queued }) => queued),
  );
  register(registry, SHED, () => byCause(all));
}

function* readings(
  all: ReadonlyMap<string, ConcurrencySeries>,
  read: (series: ConcurrencySeries) => number,
): Iterable<Reading<number>> {
  for (const series of all.values()) {
    yield [{ direction: series.direction, route: series.route }, read(series)];
  }
}

function* byCause(all: ReadonlyMap<string, ConcurrencySeries>): Iterable<Reading<number>> {
  for (const { direction, route, shed, shadowShed } of all.values()) {
    for (const [cause, count] of Object.entries(shed))
      yield [{ direction, route, cause, mode: 'enforce' }, count];
    yield [{ direction, route, cause: 'limit', mode: 'shadow' }, shadowShed];
  }
}
