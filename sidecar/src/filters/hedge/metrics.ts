/**
 * What second attempts of one route came to.
 */
import type { Registry } from 'prom-client';
import type { Direction } from '../../core/route.ts';
import { type Reading, register } from '../../observe/family.ts';
import { counter } from '../../observe/metric.ts';

export const HEDGES = counter(
  'tulle_hedges_total',
  'Second attempts beside slow ones, by what they came to; shadow: would have been made.',
  ['direction', 'route', 'result'],
);

/** `won`: its answer was the first. `lost`: the first attempt's was. `failed`: it had none. `denied`: the budget did not allow it. */
export type HedgeResult = 'won' | 'lost' | 'failed' | 'denied' | 'shadow';

export class HedgeSeries {
  readonly direction: Direction;
  readonly route: string;
  readonly results: Record<HedgeResult, number> = { won: 0, lost: 0, failed: 0, denied: 0, shadow: 0 };

  constructor(direction: Direction, route: string) {
    this.direction = direction;
    this.route = route;
  }
}

export function registerHedges(registry: Registry, all: ReadonlyMap<string, HedgeSeries>): void {
  register(registry, HEDGES, () => byResult(all));
}

function* byResult(all: ReadonlyMap<string, HedgeSeries>): Iterable<Reading<number>> {
  for (const { direction, route, results } of all.values()) {
    for (const [result, count] of Object.entries(results)) yield [{ direction, route, result }, count];
  }
}
