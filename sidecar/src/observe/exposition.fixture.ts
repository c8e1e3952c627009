/** The exposition of a sidecar that has nothing to show but its series. */
import { AccessControl } from '../filters/access/access-control.ts';
import { openJwt } from '../filters/jwt/jwt.fixture.ts';
import { openLimits } from '../filters/rate-limit/rate-limit.fixture.ts';
import { WafControl } from '../filters/waf/waf-control.ts';
import { createRegistry } from './exposition.ts';
import type { Series } from './series.ts';

export function exposeSeries(service: string, series: Series): Promise<string> {
  const registry = createRegistry(service, {
    series,
    tracing: null,
    linkage: null,
    accessLog: null,
    audit: null,
    rateLimits: openLimits().limits,
    access: new AccessControl(),
    jwt: openJwt(),
    waf: new WafControl(() => {}),
  });
  return registry.metrics();
}
