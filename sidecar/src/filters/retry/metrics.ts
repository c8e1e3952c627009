/**
 * What retries of one route add up to.
 */
import type { Registry } from 'prom-client';
import type { Direction } from '../../core/route.ts';
import { type Reading, register } from '../../observe/family.ts';
import { counter } from '../../observe/metric.ts';

export const RETRIES = counter(
  'tulle_retries_total',
  'Attempts that a retry policy added, or in shadow mode would have added, by what made them worth it.',
  ['direction', 'route', 'reason', 'mode'],
);
export const RETRIES_DENIED = counter(
  'tulle_retries_denied_total',
  'Failures that were worth another attempt and got none, by what forbade it.',
  ['direction', 'route', 'cause'],
);

export type RetryReason = 'connect-failure' | 'reset' | 'timeout' | 'status' | 'grpc-status';

/** Why a failure that was worth a retry got none. */
export type RetryDenial = 'attempts' | 'not-idempotent' | 'retry-after' | 'deadline' | 'budget';

export class RetrySeries {
  readonly direction: Direction;
  readonly route: string;
  readonly retries = noReasons();
  /** What a policy in shadow mode would have repeated. */
  readonly shadowRetries = noReasons();
  readonly denied: Record<RetryDenial, number> = {
    attempts: 0,
    'not-idempotent': 0,
    'retry-after': 0,
    deadline: 0,
    budget: 0,
  };

  constructor(direction: Direction, route: string) {
    this.direction = direction;
    this.route = route;
  }
}

export function registerRetries(registry: Registry, retries: ReadonlyMap<string, RetrySeries>): void {
  register(registry, RETRIES, () => byReason(retries));
  register(registry, RETRIES_DENIED, () => byCause(retries));
}

function noReasons(): Record<RetryReason, number> {
  return { 'connect-failure': 0, reset: 0, timeout: 0, status: 0, 'grpc-status': 0 };
}

function* byReason(all: ReadonlyMap<string, RetrySeries>): Iterable<Reading<number>> {
  for (const { direction, route, retries, shadowRetries } of all.values()) {
    for (const [reason, count] of Object.entries(retries)) {
      yield [{ direction, route, reason, mode: 'enforce' }, count];
    }
    for (const [reason, count] of Object.entries(shadowRetries)) {
      yield [{ direction, route, reason, mode: 'shadow' }, count];
    }
  }
}

function* byCause(all: ReadonlyMap<string, RetrySeries>): Iterable<Reading<number>> {
  for (const { direction, route, denied } of all.values()) {
    for (const [cause, count] of Object.entries(denied)) yield [{ direction, route, cause }, count];
  }
}
