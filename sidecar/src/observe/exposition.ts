/**
 * The metrics by name: which series each family reads, in the text format of Prometheus.
 *
 * Invariants: names and labels are stable, because dashboards and alerts match on them; a family reads only, it never counts; every
 * sample carries `service_name`.
 */
import { type Metric, Registry } from 'prom-client';
import { type AccessReadings, registerAccess } from '../filters/access/metrics.ts';
import { registerAudit } from '../filters/audit/metrics.ts';
import { registerBackends } from '../filters/backend/metrics.ts';
import { registerBaggage } from '../filters/baggage/metrics.ts';
import { registerConcurrency } from '../filters/concurrency/metrics.ts';
import { registerFaults } from '../filters/fault/metrics.ts';
import { registerHedges } from '../filters/hedge/metrics.ts';
import { type JwtReadings, registerJwt } from '../filters/jwt/metrics.ts';
import type { Linkage } from '../filters/linkage/linkage.ts';
import { registerLinkage } from '../filters/linkage/metrics.ts';
import { registerMirrors } from '../filters/mirror/metrics.ts';
import { type RateLimitReadings, registerRateLimits } from '../filters/rate-limit/metrics.ts';
import { registerRetries } from '../filters/retry/metrics.ts';
import { registerWaf, type WafReadings } from '../filters/waf/metrics.ts';
import { registerCardinality } from './cardinality-exposition.ts';
import { registerRelayed } from './connection-exposition.ts';
import { registerDataStores } from './datastore-exposition.ts';
import { registerGroups } from './group-exposition.ts';
import { registerIntake } from './intake/metrics.ts';
import type { LineSource } from './line-writer.ts';
import { registerListeners } from './listener-exposition.ts';
import { processMetrics } from './process-exposition.ts';
import { registerRequests } from './request-exposition.ts';
import { registerRetention } from './retention/metrics.ts';
import type { Series } from './series.ts';
import { registerAccessLog, registerSidecar, registerSpans } from './sidecar-exposition.ts';
import type { Tracing } from './tracing.ts';
import { registerUpstreams } from './upstream-exposition.ts';

/** What the sidecar has to show; telemetry that is off is null and has no metrics. */
export interface Sources {
  readonly series: Series;
  readonly tracing: Tracing | null;
  readonly linkage: Linkage | null;
  readonly accessLog: LineSource | null;
  readonly audit: LineSource | null;
  readonly rateLimits: RateLimitReadings;
  readonly access: AccessReadings;
  readonly jwt: JwtReadings;
  readonly waf: WafReadings;
}

export function createRegistry(service: string, sources: Sources): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ service_name: service });
  registerRequests(registry, sources.series);
  registerListeners(registry, sources.series);
  registerUpstreams(registry, sources.series);
  registerRelayed(registry, sources.series);
  registerDataStores(registry, sources.series);
  registerGroups(registry, sources.series);
  registerBaggage(registry, sources.series.baggage);
  registerFaults(registry, sources.series.faults);
  registerBackends(registry, sources.series.backends);
  registerMirrors(registry, sources.series.mirrors);
  registerRetries(registry, sources.series.retries);
  registerHedges(registry, sources.series.hedges);
  registerConcurrency(registry, sources.series.concurrency);
  registerRateLimits(registry, sources.rateLimits);
  registerAccess(registry, sources.access);
  registerJwt(registry, sources.jwt);
  registerWaf(registry, sources.waf);
  registerSidecar(registry, sources.series);
  registerCardinality(registry, sources.series);
  if (sources.tracing !== null) {
    const { keeping, ownExport, appExport } = sources.tracing;
    registerSpans(registry, keeping.ring, ownExport);
    registerRetention(registry, keeping.retention);
    if (keeping.appSpans !== null && appExport !== null)
      registerIntake(registry, keeping.appSpans, appExport);
  }
  if (sources.linkage !== null) registerLinkage(registry, sources.linkage);
  if (sources.accessLog !== null) registerAccessLog(registry, sources.accessLog);
  if (sources.audit !== null) registerAudit(registry, sources.audit);
  for (const metric of processMetrics()) registry.registerMetric(metric as unknown as Metric);
  return registry;
}
