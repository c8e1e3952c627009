/**
 * Metrics of the process, as prom-client has them: there is one event loop and one collector of garbage in it, however many sidecars run in it
 * (in tests, several).
 */
import { collectDefaultMetrics, Registry } from 'prom-client';
import { counter, gauge, histogram } from './metric.ts';

// Those of prom-client that dashboards and alerts look at.
export const PROCESS_CPU = counter('process_cpu_seconds_total', 'CPU time of the process, user and system.');
export const PROCESS_START_TIME = gauge(
  'process_start_time_seconds',
  'When the process began, in Unix time.',
);
export const PROCESS_RESIDENT_MEMORY = gauge(
  'process_resident_memory_bytes',
  'Memory of the process that is in RAM.',
);
export const PROCESS_OPEN_FDS = gauge('process_open_fds', 'Open file descriptors, sockets included.');
export const PROCESS_MAX_FDS = gauge('process_max_fds', 'File descriptors that the process may have.');
export const NODEJS_HEAP_SIZE_USED = gauge('nodejs_heap_size_used_bytes', 'Heap that JavaScript uses.');
export const NODEJS_EVENTLOOP_LAG_P99 = gauge(
  'nodejs_eventloop_lag_p99_seconds',
  'How late the event loop came to timers since the last scrape: 99 of 100 times less.',
);
export const NODEJS_GC_DURATION = histogram(
  'nodejs_gc_duration_seconds',
  'Pauses of the garbage collector, by kind.',
  ['kind'],
  [0.001, 0.01, 0.1, 1, 2, 5],
);

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
