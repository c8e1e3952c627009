/**
 * THE chain: what the sidecar does to a request, in this order, and to its response in reverse.
 */
import type { HeadersConfig } from '../config/schema.ts';
import type { RouteProfile } from '../config/snapshot.ts';
import type { Filter } from '../core/filter.ts';
import type { AccessLog } from '../observe/access-log.ts';
import type { RandomWords } from '../observe/random-words.ts';
import type { Series } from '../observe/series.ts';
import type { SpanRing } from '../observe/spans.ts';
import { AccessLogFilter } from './access-log/access-log.ts';
import { ConcurrencyFilter } from './concurrency/concurrency.ts';
import type { ConcurrencySpec } from './concurrency/config.ts';
import type { ConcurrencySeries } from './concurrency/metrics.ts';
import { DeadlineFilter } from './deadline/deadline.ts';
import { FaultFilter } from './fault/fault.ts';
import { clientCertGuard, ForwardedFilter } from './forwarded/forwarded.ts';
import { MetricsFilter } from './metrics/metrics.ts';
import { RateLimitFilter } from './rate-limit/rate-limit.ts';
import type { RateLimits } from './rate-limit/rate-limits.ts';
import { RequestIdFilter } from './request-id/request-id.ts';
import { TraceFilter } from './trace/trace.ts';

/** What filters work with, one of each a sidecar. Telemetry that is off is null. */
export interface FilterContext {
  readonly random: RandomWords;
  readonly series: Series;
  readonly ring: SpanRing | null;
  readonly headers: HeadersConfig;
  readonly headSampleRatio: number;
  readonly accessLog: AccessLog | null;
  readonly gates: Map<ConcurrencySeries, ConcurrencyFilter>;
  readonly rateLimits: RateLimits;
  ownIdentity(): string;
}

export function buildFilters(profile: RouteProfile, context: FilterContext): Filter[] {
  const { direction, name, trustsPeer, policies } = profile;
  const { random, series, ring, headers, accessLog, rateLimits } = context;
  const filters: Filter[] = [
    // First, so that whatever happens next is counted.
    new MetricsFilter(series.route(direction, name)),
  ];
  // Before anything that may answer, so that every answer carries an id.
  if (headers.requestId) filters.push(new RequestIdFilter(trustsPeer, random));
  filters.push(
    // Before anything that takes time or fails, so that the span tells of it.
    new TraceFilter(
      trustsPeer,
      random,
      context.headSampleRatio,
      ring,
      ring?.addOrigin({ direction, route: name }) ?? 0,
    ),
    // Behind what identifies a call, before what may take time.
    new DeadlineFilter(),
  );
  // Before everything that costs more than to be refused.
  if (policies.rateLimit !== null && policies.rateLimit.spec.mode !== 'off') {
    filters.push(new RateLimitFilter(policies.rateLimit, rateLimits.compile(policies.rateLimit)));
  }
  // As if the endpoint were slow or failing: behind what every answer carries, before what is done to forward a request.
  if (policies.fault !== null && policies.fault.spec.mode !== 'off') {
    filters.push(new FaultFilter(policies.fault.spec, series.fault(direction, name), random));
  }
  // Last of what may turn a request away, so that whoever gets a place uses it.
  const concurrency = policies.traffic?.spec.concurrency;
  if (concurrency !== undefined && concurrency.mode !== 'off') {
    filters.push(concurrencyFilter(concurrency, series.concurrencyOf(direction, name), context.gates));
  }
  // Only the service behind this sidecar is told who called; what it says to others is its own affair.
  if (direction === 'inbound') {
    filters.push(
      headers.forwarded ? new ForwardedFilter(trustsPeer, () => context.ownIdentity()) : clientCertGuard,
    );
  }
  // Last at the end of an exchange, when all there is to tell is known.
  if (accessLog !== null) filters.push(new AccessLogFilter(accessLog, accessLog.originOf(profile)));
  return filters;
}

/** A route keeps its filter, since what the former one let in is still under way. */
function concurrencyFilter(
  spec: ConcurrencySpec,
  series: ConcurrencySeries,
  gates: Map<ConcurrencySeries, ConcurrencyFilter>,
): ConcurrencyFilter {
  const known = gates.get(series);
  if (known !== undefined) {
    known.follow(spec);
    return known;
  }
  const gate = new ConcurrencyFilter(spec, series);
  gates.set(series, gate);
  return gate;
}
