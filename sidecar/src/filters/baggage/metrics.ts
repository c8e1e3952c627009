/**
 * Requests whose baggage did not pass as it was, by direction and reason.
 */
import type { Registry } from 'prom-client';
import type { Direction } from '../../core/route.ts';
import { type Reading, register } from '../../observe/family.ts';
import { counter } from '../../observe/metric.ts';

export const BAGGAGE_CUT = counter(
  'tulle_baggage_cut_total',
  'Requests whose baggage was not passed on whole: malformed, beyond the limits, or with keys that may not pass the border of the mesh.',
  ['direction', 'reason'],
);

export class BaggageSeries {
  malformed = 0;
  tooLong = 0;
  withheld = 0;
}

export function registerBaggage(registry: Registry, all: Readonly<Record<Direction, BaggageSeries>>): void {
  register(registry, BAGGAGE_CUT, () =>
    Object.entries(all).flatMap(([direction, { malformed, tooLong, withheld }]): Reading<number>[] => [
      [{ direction, reason: 'malformed' }, malformed],
      [{ direction, reason: 'too_long' }, tooLong],
      [{ direction, reason: 'not_allowed' }, withheld],
    ]),
  );
}
