/**
 * How the requests of a rule were shared among its backends.
 */
import type { Registry } from 'prom-client';
import { type Reading, register } from '../../observe/family.ts';
import { counter } from '../../observe/metric.ts';

export const BACKEND_REQUESTS = counter(
  'tulle_backend_requests_total',
  'Requests of a rule by the backend that was chosen for them, whatever became of them.',
  ['route', 'rule', 'backend'],
);

export class BackendSeries {
  readonly route: string;
  readonly rule: string;
  /** By name; a rule has 16 at most. */
  readonly requests = new Map<string, number>();

  constructor(route: string, rule: string) {
    this.route = route;
    this.rule = rule;
  }

  count(backend: string): void {
    this.requests.set(backend, (this.requests.get(backend) ?? 0) + 1);
  }
}

export function registerBackends(registry: Registry, backends: ReadonlyMap<string, BackendSeries>): void {
  register(registry, BACKEND_REQUESTS, () => readings(backends));
}

function* readings(all: ReadonlyMap<string, BackendSeries>): Iterable<Reading<number>> {
  for (const { route, rule, requests } of all.values()) {
    for (const [backend, count] of requests) yield [{ route, rule, backend }, count];
  }
}
