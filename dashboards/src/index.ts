/**
 * All dashboards, and the files they are generated into.
 */
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { controlPlane } from './control-plane.ts';
import { mesh } from './mesh.ts';
import { phases } from './phases.ts';
import { queues } from './queues.ts';
import { rateLimits } from './rate-limits.ts';
import { route } from './route.ts';
import { service } from './service.ts';
import { sidecar } from './sidecar.ts';
import { slo } from './slo.ts';
import { telemetry } from './telemetry.ts';
import { waf } from './waf.ts';

export const DASHBOARDS: readonly Dashboard[] = [
  mesh,
  slo,
  service,
  route,
  phases,
  queues,
  sidecar,
  controlPlane,
  rateLimits,
  waf,
  telemetry,
];

/** JSON by file name. */
export function renderDashboards(): ReadonlyMap<string, string> {
  return new Map(DASHBOARDS.map((each) => [`${each.uid}.json`, `${JSON.stringify(each, null, 2)}\n`]));
}
