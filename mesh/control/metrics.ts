import type { Registry } from 'prom-client';
import { registerCounter, registerGauge } from '../../sidecar/src/observe/family.ts';
import type { TraceSharing } from './trace-sharing.ts';

export function registerTraceSharing(registry: Registry, traces: TraceSharing): void {
  registerGauge(
    registry,
    'tulle_control_trace_subscribers',
    'Sidecars that share which traces they keep.',
    () => [[{}, traces.subscribers]],
  );
  registerCounter(
    registry,
    'tulle_control_trace_ids_told_total',
    'Ids of kept traces that were passed on, counted for each sidecar that was told.',
    () => [[{}, traces.told]],
  );
  registerCounter(
    registry,
    'tulle_control_trace_ids_dropped_total',
    'Ids of kept traces that were not passed on: one sidecar said too many, all together did, or one was too slow to hear.',
    () => Object.entries(traces.dropped).map(([reason, count]) => [{ reason }, count] as const),
  );
}
