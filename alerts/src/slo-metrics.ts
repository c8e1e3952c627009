/**
 * What the rules of service levels record: series that alerts and dashboards read.
 */
import { gauge } from '../../sidecar/src/observe/metric.ts';

/** Of every recorded series; `service_name` it has as all of ours do. */
const LEVEL = ['slo', 'team'] as const;

export const SLO_ERROR_RATIO = gauge(
  'tulle:slo_errors:ratio',
  'Share of the requests in a window that were bad.',
  [...LEVEL, 'window'],
);
export const SLO_ERROR_RATE = gauge('tulle:slo_errors:rate', 'Bad requests a second.', LEVEL);
export const SLO_REQUEST_RATE = gauge('tulle:slo_requests:rate', 'Requests a second.', LEVEL);
export const SLO_OBJECTIVE = gauge('tulle:slo_objective:ratio', 'Share that is to be good.', LEVEL);
export const SLO_BUDGET_REMAINING = gauge(
  'tulle:slo_budget_remaining:ratio',
  'Share of the error budget of the period that is left; negative when more was used than there was.',
  LEVEL,
);
