/**
 * THE chain: what the sidecar does to a request, in this order, and to its response in reverse.
 */
import type { HeadersConfig } from '../config/schema.ts';
import type { RouteProfile } from '../config/snapshot.ts';
import type { Filter } from '../core/filter.ts';
import { type AccessLog, lineOrigin } from '../observe/access-log.ts';
import type { RandomWords } from '../observe/random-words.ts';
import type { TraceKeeping } from '../observe/retention/trace-keeping.ts';
import type { Series } from '../observe/series.ts';
import type { RuleProfile } from '../routing/rule-profile.ts';
import { AccessFilter } from './access/access.ts';
import { AccessLogFilter } from './access-log/access-log.ts';
import { AuditFilter } from './audit/audit.ts';
import type { AuditLog } from './audit/audit-log.ts';
import { BackendFilter } from './backend/backend.ts';
import { InboundBaggageFilter, OutboundBaggageFilter } from './baggage/baggage.ts';
import type { BaggageConfig } from './baggage/config.ts';
import { ConcurrencyFilter } from './concurrency/concurrency.ts';
import type { ConcurrencySpec } from './concurrency/config.ts';
import type { ConcurrencySeries } from './concurrency/metrics.ts';
import { DeadlineFilter } from './deadline/deadline.ts';
import { FaultFilter } from './fault/fault.ts';
import { clientCertGuard, ForwardedFilter } from './forwarded/forwarded.ts';
import { RequestHeaderFilter, ResponseHeaderFilter } from './header-modifier/header-modifier.ts';
import { JwtFilter } from './jwt/jwt.ts';
import type { JwtPolicies } from './jwt/jwt-policies.ts';
import { type Linkage, LinkageFilter } from './linkage/linkage.ts';
import { MetricsFilter } from './metrics/metrics.ts';
import { MirrorFilter } from './mirror/mirror.ts';
import { RateLimitFilter } from './rate-limit/rate-limit.ts';
import type { RateLimits } from './rate-limit/rate-limits.ts';
import { RedirectFilter } from './redirect/redirect.ts';
import { RequestIdFilter } from './request-id/request-id.ts';
import type { ServerTimingAudience } from './server-timing/config.ts';
import { ServerTimingFilter } from './server-timing/server-timing.ts';
import { TraceFilter } from './trace/trace.ts';
import { UrlRewriteFilter } from './url-rewrite/url-rewrite.ts';
import type { WafControl } from './waf/waf-control.ts';

/** What filters work with, one of each a sidecar. Telemetry that is off is null. */
export interface FilterContext {
  readonly random: RandomWords;
  readonly series: Series;
  readonly keeping: TraceKeeping | null;
  readonly linkage: Linkage | null;
  readonly headers: HeadersConfig;
  readonly headSampleRatio: number;
  readonly baggage: BaggageConfig;
  readonly serverTiming: ServerTimingAudience;
  readonly accessLog: AccessLog | null;
  readonly gates: Map<ConcurrencySeries, ConcurrencyFilter>;
  readonly rateLimits: RateLimits;
  readonly jwt: JwtPolicies;
  readonly waf: WafControl;
  readonly audit: AuditLog;
  ownIdentity(): string;
}

export function buildFilters(profile: RouteProfile, context: FilterContext): Filter[] {
  const { direction, name, trustsPeer, access, policies, rule } = profile;
  const { random, series, keeping, headers, baggage, accessLog, audit, rateLimits } = context;
  const auditsAllowed = audit.decisions === 'all';
  const filters: Filter[] = [
    // First, so that the span tells of whatever happens next; at the end it is the first to know whether the trace is kept.
    new TraceFilter(
      trustsPeer,
      random,
      context.headSampleRatio,
      keeping,
      keeping?.ring.addOrigin({ direction, route: name, ...(rule === null ? {} : { rule: rule.label }) }) ??
        0,
    ),
    // Before anything that may answer, so that it is counted.
    new MetricsFilter(series.route(direction, name, rule?.label)),
  ];
  // Before anything that may answer: it tells of those answers as well.
  if (context.serverTiming !== 'off') {
    filters.push(new ServerTimingFilter(context.serverTiming, direction, profile.service));
  }
  // Before anything that may answer, so that every answer carries an id.
  if (headers.requestId) {
    filters.push(new RequestIdFilter(trustsPeer, random, direction === 'outbound' ? context.linkage : null));
  }
  // Behind what identifies a call, before what may take time.
  filters.push(new DeadlineFilter());
  if (context.linkage !== null) filters.push(new LinkageFilter(context.linkage, direction));
  // Before anything that might go by it.
  if (direction === 'inbound') {
    filters.push(new InboundBaggageFilter(trustsPeer, baggage.fromStrangers, series.baggage.inbound));
  }
  // Before what goes by claims. Tokens are for the service to whom they are sent: only its own sidecar judges them.
  const verifies = direction === 'inbound' && policies.jwt !== null && policies.jwt.spec.mode !== 'off';
  if (verifies)
    filters.push(new JwtFilter(policies.jwt, context.jwt.verifierOf(policies.jwt), auditsAllowed));
  // Before limits: who may not call at all must use up nothing of those who may.
  if (access !== null) filters.push(new AccessFilter(access.requests, auditsAllowed));
  // Before everything that costs more than to be refused.
  if (policies.rateLimit !== null && policies.rateLimit.spec.mode !== 'off') {
    const limits = rateLimits.compile(policies.rateLimit);
    filters.push(new RateLimitFilter(policies.rateLimit, limits, verifies, auditsAllowed));
  }
  // Behind what costs less; before what is done to forward a request, and before it takes a place that it may wait in for its body.
  if (policies.waf !== null && policies.waf.spec.mode !== 'off') {
    filters.push(context.waf.compile(policies.waf, auditsAllowed));
  }
  // As if the endpoint were slow or failing: behind what every answer carries, before what is done to forward a request.
  if (policies.fault !== null && policies.fault.spec.mode !== 'off') {
    filters.push(new FaultFilter(policies.fault, series.fault(direction, name), random));
  }
  // Before a request takes a place that it will not use.
  if (rule !== null && rule.config.redirect !== null) filters.push(new RedirectFilter(rule.config.redirect));
  // Last of what may turn a request away, so that whoever gets a place uses it.
  const concurrency = policies.traffic?.spec.concurrency;
  if (concurrency !== undefined && concurrency.mode !== 'off') {
    const scope = rule?.ownTraffic ? `${name}/${rule.label}` : name;
    filters.push(concurrencyFilter(concurrency, series.concurrencyOf(direction, scope), context.gates));
  }
  // Only the service behind this sidecar is told who called; what it says to others is its own affair.
  if (direction === 'inbound') {
    filters.push(
      headers.forwarded ? new ForwardedFilter(trustsPeer, () => context.ownIdentity()) : clientCertGuard,
    );
  }
  if (rule !== null) filters.push(...buildRuleFilters(name, rule, context));
  // Behind what chooses the backend, on which it depends what may be said.
  if (direction === 'outbound') {
    const { upstreamIdentity } = profile;
    filters.push(new OutboundBaggageFilter(upstreamIdentity, baggage.toStrangers, series.baggage.outbound));
  }
  // Last at the end of an exchange, when all there is to tell is known.
  const origin = lineOrigin(profile);
  if (accessLog !== null) filters.push(new AccessLogFilter(accessLog, origin));
  if (audit.decisions !== 'off') filters.push(new AuditFilter(audit, origin));
  return filters;
}

/** What a rule does to a request that it lets through. */
function buildRuleFilters(route: string, rule: RuleProfile, { random, series }: FilterContext): Filter[] {
  const { requestHeaders, responseHeaders, rewrite, redirect } = rule.config;
  const filters: Filter[] = [];
  if (requestHeaders !== null) filters.push(new RequestHeaderFilter(requestHeaders));
  if (responseHeaders !== null) filters.push(new ResponseHeaderFilter(responseHeaders));
  if (rewrite !== null) filters.push(new UrlRewriteFilter(rewrite));
  // Behind what changes a request for all, before what changes it for one backend.
  if (rule.mirrors.length > 0) filters.push(new MirrorFilter(rule.mirrors, random));
  if (redirect === null) {
    filters.push(new BackendFilter(rule.backends, random, series.backend(route, rule.label)));
  }
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
