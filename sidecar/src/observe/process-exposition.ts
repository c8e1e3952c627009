/**
 * Metrics of the process, as prom-client has them: there is one event loop and one collector of garbage in it, however many sidecars run in it
 * (in tests, several).
 */
import { collectDefaultMetrics, Registry } from 'prom-client';

/** Gauges that are named like counters, and say what others say by type. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

let shared: Registry | null = null;

export function processMetrics(): ReturnType<Registry['getMetricsAsArray']> {
  if (shared === null) {
    shared = new Registry();
    collectDefaultMetrics({ register: shared });
    for (const name of MISNAMED) shared.removeSingleMetric(name);
  }
  return shared.getMetricsAsArray();
}
