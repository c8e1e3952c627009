/**
 * The metrics of endpoints and of the decisions about them, by name.
 */
import type { Registry } from 'prom-client';
import { OUTCOME_NAMES } from '../upstream/attempt-outcome.ts';
import type { EndpointGroup } from '../upstream/endpoint-group.ts';
import type { EndpointRecord } from '../upstream/endpoint-record.ts';
import { type Reading, register } from './family.ts';
import { counter, gauge } from './metric.ts';
import type { Series } from './series.ts';

export const ENDPOINT_ATTEMPTS = counter(
  'tulle_endpoint_attempts_total',
  'Attempts at an endpoint that ended, by outcome.',
  ['upstream', 'endpoint', 'outcome'],
);
export const ENDPOINT_ACTIVE_ATTEMPTS = gauge(
  'tulle_endpoint_active_attempts',
  'Attempts under way at an endpoint.',
  ['upstream', 'endpoint'],
);
export const ENDPOINT_LATENCY = gauge(
  'tulle_endpoint_latency_seconds',
  'What an endpoint is taken to need for a response head: peak EWMA.',
  ['upstream', 'endpoint'],
);
export const ENDPOINT_AVAILABLE = gauge(
  'tulle_endpoint_available',
  'Whether an endpoint may be used: 1, or 0 while it is ejected or fails its health checks.',
  ['upstream', 'endpoint'],
);
export const HEALTH_CHECKS = counter(
  'tulle_health_checks_total',
  'Health checks of an endpoint, by result.',
  ['upstream', 'endpoint', 'result'],
);
export const ENDPOINT_EJECTIONS = counter(
  'tulle_endpoint_ejections_total',
  'Endpoints that did worse than they may: left out (enforced), only reported (shadow), or kept because too many are out (denied).',
  ['upstream', 'reason', 'action'],
);
export const PANIC_PICKS = counter(
  'tulle_panic_picks_total',
  'Requests to any endpoint because too few of the service may be used.',
  ['upstream'],
);

export function registerGroups(registry: Registry, series: Series): void {
  const groups = (): Iterable<EndpointGroup> => series.live?.groups() ?? [];
  register(registry, ENDPOINT_ATTEMPTS, () => attempts(groups()));
  register(registry, ENDPOINT_ACTIVE_ATTEMPTS, () => perEndpoint(groups(), ({ inFlight }) => inFlight));
  register(registry, ENDPOINT_LATENCY, () =>
    perEndpoint(groups(), (record) => record.latencyAt(series.live?.monotonicMs() ?? 0) / 1_000),
  );
  register(registry, ENDPOINT_AVAILABLE, () => perEndpoint(groups(), ({ available }) => (available ? 1 : 0)));
  register(registry, HEALTH_CHECKS, () => checks(groups()));
  register(registry, ENDPOINT_EJECTIONS, () => ejections(series));
  register(registry, PANIC_PICKS, () => perGroup(groups(), ({ panicPicks }) => panicPicks));
}

function* attempts(groups: Iterable<EndpointGroup>): Iterable<Reading<number>> {
  for (const { name, records } of groups) {
    for (const { address, ended } of records) {
      for (const [outcome, count] of ended.entries()) {
        // Success is there from the start, so that its first increase is seen by rate().
        if (count === 0 && outcome !== 0) continue;
        yield [{ upstream: name, endpoint: address, outcome: OUTCOME_NAMES[outcome] as string }, count];
      }
    }
  }
}

/** Of endpoints that are checked. */
function* checks(groups: Iterable<EndpointGroup>): Iterable<Reading<number>> {
  for (const { name, records } of groups) {
    for (const { address, health } of records) {
      if (health.passed + health.failed === 0) continue;
      yield [{ upstream: name, endpoint: address, result: 'passed' }, health.passed];
      yield [{ upstream: name, endpoint: address, result: 'failed' }, health.failed];
    }
  }
}

function* perEndpoint(
  groups: Iterable<EndpointGroup>,
  read: (record: EndpointRecord) => number,
): Iterable<Reading<number>> {
  for (const { name, records } of groups) {
    for (const record of records) yield [{ upstream: name, endpoint: record.address }, read(record)];
  }
}

function* perGroup(
  groups: Iterable<EndpointGroup>,
  read: (group: EndpointGroup) => number,
): Iterable<Reading<number>> {
  for (const group of groups) yield [{ upstream: group.name }, read(group)];
}

function* ejections(series: Series): Iterable<Reading<number>> {
  for (const group of series.groups.values()) {
    for (const { reason, action, count } of group.ejections()) {
      yield [{ upstream: group.upstream, reason, action }, count];
    }
  }
}
