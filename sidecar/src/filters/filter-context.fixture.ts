/** What filters are built of where nothing but the policies of a route is of interest. */
import { RandomWords } from '../observe/random-words.ts';
import { Series } from '../observe/series.ts';
import type { AuditLog } from './audit/audit-log.ts';
import type { FilterContext } from './index.ts';
import { openJwt } from './jwt/jwt.fixture.ts';
import { openLimits } from './rate-limit/rate-limit.fixture.ts';
import { WafControl } from './waf/waf-control.ts';

export function filterContext(audit: AuditLog): FilterContext {
  return {
    random: new RandomWords(Math.random),
    series: new Series(),
    keeping: null,
    linkage: null,
    headers: { requestId: true, forwarded: true },
    headSampleRatio: 0,
    baggage: { fromStrangers: [], toStrangers: [] },
    serverTiming: 'off',
    accessLog: null,
    audit,
    gates: new Map(),
    rateLimits: openLimits().limits,
    jwt: openJwt(),
    waf: new WafControl(() => {}),
    ownIdentity: () => '',
  };
}
