import {
  ACTIVE_EXCHANGES,
  HTTP_CLIENT_REQUEST_DURATION,
  HTTP_SERVER_REQUEST_DURATION,
} from '../../../sidecar/src/observe/request-exposition.ts';
import type { Sample } from './exposition.ts';

// The golden signals of each route (rate, errors, duration, saturation) from two readings of the same sidecar's metrics.
// Invariant: a counter that went down was begun anew, and counts from zero.

export type Signals = {
  readonly service: string;
  readonly direction: 'inbound' | 'outbound';
  /** Of a rule its name, behind the host for what goes out. */
  readonly route: string;
  readonly ratePerSecond: number;
  /** 0 to 1; null without a request. Outbound, an answer of 4xx is an error; inbound, it is the caller's. */
  readonly errorShare: number | null;
  /** Within the bounds of a histogram's buckets; null without a request. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** Requests under way. */
  readonly active: number;
};

/** Counts since the start of the sidecar. */
export type Reading = ReadonlyMap<string, RouteReading>;

type RouteReading = Pick<Signals, 'service' | 'direction' | 'route'> & {
  requests: number;
  errors: number;
  active: number;
  /** Cumulative counts by upper bound in seconds. */
  readonly buckets: Map<number, number>;
};

const DURATIONS: ReadonlyMap<string, Signals['direction']> = new Map([
  [HTTP_SERVER_REQUEST_DURATION.name, 'inbound'],
  [HTTP_CLIENT_REQUEST_DURATION.name, 'outbound'],
]);

export function readSignals(samples: readonly Sample[]): Reading {
  const routes = new Map<string, RouteReading>();
  for (const sample of samples) {
    if (sample.name === ACTIVE_EXCHANGES.name) {
      const direction = label(sample, 'direction') === 'inbound' ? 'inbound' : 'outbound';
      const route = label(sample, 'route');
      routeOf(routes, sample, direction, route, label(sample, 'rule') || route).active += sample.value;
      continue;
    }
    const [, metric = '', part = ''] = /^(.+)_(bucket|count)$/.exec(sample.name) ?? [];
    const direction = DURATIONS.get(metric);
    if (direction === undefined) continue;
    count(
      routeOf(routes, sample, direction, label(sample, 'server_address'), label(sample, 'http_route')),
      part,
      sample,
    );
  }
  return routes;
}

/** Busiest first. */
export function compareReadings(before: Reading, after: Reading, seconds: number): Signals[] {
  return [...after]
    .map(([key, now]) => signalsOf(before.get(key), now, seconds))
    .sort(
      (a, b) => b.ratePerSecond - a.ratePerSecond || (a.service + a.route < b.service + b.route ? -1 : 1),
    );
}

function signalsOf(before: RouteReading | undefined, now: RouteReading, seconds: number): Signals {
  const { service, direction, route, active } = now;
  // All counts of a route begin anew together.
  const base = before === undefined || before.requests > now.requests ? null : before;
  const requests = now.requests - (base?.requests ?? 0);
  const errors = now.errors - (base?.errors ?? 0);
  const buckets = [...now.buckets]
    .map(([bound, total]) => [bound, total - (base?.buckets.get(bound) ?? 0)] as const)
    .sort(([a], [b]) => a - b);
  return {
    service,
    direction,
    route,
    ratePerSecond: requests / seconds,
    errorShare: requests === 0 ? null : errors / requests,
    p50Ms: quantileMs(buckets, 0.5),
    p99Ms: quantileMs(buckets, 0.99),
    active,
  };
}

/** As Prometheus' histogram_quantile: evenly within a bucket, and the last bound for what is above it. */
function quantileMs(
  buckets: readonly (readonly [bound: number, total: number])[],
  quantile: number,
): number | null {
  const total = buckets.at(-1)?.[1] ?? 0;
  if (total === 0) return null;
  const rank = quantile * total;
  let lower = 0;
  let below = 0;
  for (const [bound, upTo] of buckets) {
    if (upTo >= rank) {
      if (bound === Number.POSITIVE_INFINITY) return lower * 1_000;
      return (lower + ((bound - lower) * (rank - below)) / (upTo - below)) * 1_000;
    }
    lower = bound;
    below = upTo;
  }
  return lower * 1_000;
}

function count(route: RouteReading, part: string, sample: Sample): void {
  if (part === 'count') {
    route.requests += sample.value;
    if (label(sample, 'error_type') !== '') route.errors += sample.value;
    return;
  }
  const bound = Number(label(sample, 'le').replace('+Inf', 'Infinity'));
  route.buckets.set(bound, (route.buckets.get(bound) ?? 0) + sample.value);
}

/** The address of outbound requests stands before their rule; inbound, the rule alone tells, and a series of overflow has no address. */
function routeOf(
  routes: Map<string, RouteReading>,
  sample: Sample,
  direction: Signals['direction'],
  address: string,
  rule: string,
): RouteReading {
  const service = label(sample, 'service_name');
  const alone = direction === 'inbound' || address === '' || address === rule;
  const route = alone ? rule : `${address} ${rule}`;
  const key = JSON.stringify([service, direction, route]);
  let found = routes.get(key);
  if (found === undefined) {
    found = { service, direction, route, requests: 0, errors: 0, active: 0, buckets: new Map() };
    routes.set(key, found);
  }
  return found;
}

function label({ labels }: Sample, name: string): string {
  return labels.get(name) ?? '';
}
