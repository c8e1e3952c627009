/**
 * What became of the copies of the requests of a rule.
 */
import type { Registry } from 'prom-client';
import { FAILURES, Failure } from '../../core/failure.ts';
import { type Reading, register } from '../../observe/family.ts';
import { counter, gauge } from '../../observe/metric.ts';

export const MIRRORED_REQUESTS = counter(
  'tulle_mirrored_requests_total',
  'Copies of requests by what became of them: the class of the status, or the failure.',
  ['route', 'rule', 'backend', 'status_class', 'failure'],
);
export const MIRRORS_SKIPPED = counter(
  'tulle_mirrors_skipped_total',
  'Requests that were not mirrored: too many copies under way, a body too large to keep, or a protocol switch.',
  ['route', 'rule', 'backend', 'reason'],
);
export const MIRRORED_EXCHANGES = gauge('tulle_mirrored_exchanges', 'Copies of requests under way.', [
  'route',
  'rule',
  'backend',
]);

export class MirrorSeries {
  readonly route: string;
  readonly rule: string;
  readonly backend: string;
  /** Under way now. */
  active = 0;
  /** By the hundreds of the status. */
  readonly answered = new Float64Array(6);
  /** By code. */
  readonly failed = new Float64Array(FAILURES.length);
  skippedTooMany = 0;
  skippedTooLarge = 0;
  skippedUpgrade = 0;

  constructor(route: string, rule: string, backend: string) {
    this.route = route;
    this.rule = rule;
    this.backend = backend;
  }
}

type All = ReadonlyMap<string, MirrorSeries>;

export function registerMirrors(registry: Registry, mirrors: All): void {
  register(registry, MIRRORED_REQUESTS, () => ended(mirrors));
  register(registry, MIRRORS_SKIPPED, () => skipped(mirrors));
  register(registry, MIRRORED_EXCHANGES, () =>
    Array.from(mirrors.values(), (series) => [labelsOf(series), series.active] as const),
  );
}

function* ended(mirrors: All): Iterable<Reading<number>> {
  for (const series of mirrors.values()) {
    for (const [hundreds, count] of series.answered.entries()) {
      if (count === 0) continue;
      yield [{ ...labelsOf(series), status_class: `${hundreds}xx`, failure: Failure.none.name }, count];
    }
    for (const { code, name } of FAILURES) {
      const count = series.failed[code] as number;
      if (count > 0) yield [{ ...labelsOf(series), failure: name }, count];
    }
  }
}

function* skipped(mirrors: All): Iterable<Reading<number>> {
  for (const series of mirrors.values()) {
    const labels = labelsOf(series);
    yield [{ ...labels, reason: 'too_many' }, series.skippedTooMany];
    yield [{ ...labels, reason: 'body_too_large' }, series.skippedTooLarge];
    yield [{ ...labels, reason: 'upgrade' }, series.skippedUpgrade];
  }
}

function labelsOf({ route, rule, backend }: MirrorSeries) {
  return { route, rule, backend };
}
