import type { Registry } from 'prom-client';
import { register } from '../../sidecar/src/observe/family.ts';
import { counter, gauge } from '../../sidecar/src/observe/metric.ts';
import type { TraceSharing } from './trace-sharing.ts';

export const CONTROL_TRACE_SUBSCRIBERS = gauge(
  'tulle_control_trace_subscribers',
  'Sidecars that share which traces they keep.',
);
export const CONTROL_TRACE_IDS_TOLD = counter(
  'tulle_control_trace_ids_told_total',
  'Ids of kept traces that were passed on, counted for each sidecar that was told.',
);
export const CONTROL_TRACE_IDS_DROPPED = counter(
  'tulle_control_trace_ids_dropped_total',
  'Ids of kept traces that were not passed on: one sidecar said too many, all together did, or one was too slow to hear.',
  ['reason'],
);

export function registerTraceSharing(registry: Registry, traces: TraceSharing): void {
  register(registry, CONTROL_TRACE_SUBSCRIBERS, () => [[{}, traces.subscribers]]);
  register(registry, CONTROL_TRACE_IDS_TOLD, () => [[{}, traces.told]]);
  register(registry, CONTROL_TRACE_IDS_DROPPED, () =>
    Object.entries(traces.dropped).map(([reason, count]) => [{ reason }, count] as const),
  );
}
