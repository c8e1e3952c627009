/**
 * Every metric of a sidecar, as declared beside the code that counts it.
 */
import * as access from '../filters/access/metrics.ts';
import * as audit from '../filters/audit/metrics.ts';
import * as backend from '../filters/backend/metrics.ts';
import * as baggage from '../filters/baggage/metrics.ts';
import * as concurrency from '../filters/concurrency/metrics.ts';
import * as fault from '../filters/fault/metrics.ts';
import * as hedge from '../filters/hedge/metrics.ts';
import * as jwt from '../filters/jwt/metrics.ts';
import * as linkage from '../filters/linkage/metrics.ts';
import * as mirror from '../filters/mirror/metrics.ts';
import * as rateLimit from '../filters/rate-limit/metrics.ts';
import * as retry from '../filters/retry/metrics.ts';
import * as waf from '../filters/waf/metrics.ts';
import * as cardinality from './cardinality-exposition.ts';
import * as connections from './connection-exposition.ts';
import * as dataStores from './datastore-exposition.ts';
import * as groups from './group-exposition.ts';
import * as intake from './intake/metrics.ts';
import * as listeners from './listener-exposition.ts';
import { declarationsOf } from './metric.ts';
import * as node from './process-exposition.ts';
import * as requests from './request-exposition.ts';
import * as retention from './retention/metrics.ts';
import * as sidecar from './sidecar-exposition.ts';
import * as upstreams from './upstream-exposition.ts';

export const SIDECAR_METRICS = declarationsOf(
  ...[requests, connections, dataStores, listeners, upstreams, groups],
  ...[retry, hedge, concurrency, rateLimit, access, jwt, waf, audit, fault, backend, mirror, baggage],
  ...[sidecar, retention, intake, linkage, cardinality],
);

/** Of any process of the mesh. */
export const PROCESS_METRICS = declarationsOf(node);
