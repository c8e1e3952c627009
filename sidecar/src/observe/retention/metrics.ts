import type { Registry } from 'prom-client';
import { type Reading, registerCounter } from '../family.ts';
import { REASONS, type Retention } from './retention.ts';

export function registerRetention(registry: Registry, retention: Retention): void {
  registerCounter(
    registry,
    'tulle_traces_kept_total',
    'Traces kept although the head sample left them out, by reason; told are those that another sidecar kept.',
    () => byReason(retention.kept),
  );
  registerCounter(
    registry,
    'tulle_traces_not_kept_total',
    'Traces that were worth keeping, beyond what may be kept in one second.',
    () => byReason(retention.outOfBudget).filter(([{ reason }]) => reason !== 'told'),
  );
  registerCounter(
    registry,
    'tulle_traces_untold_total',
    'Traces kept here of which other sidecars were not told, as there was no stream to the control plane or it was congested.',
    () => [[{}, retention.untold]],
  );
}

function byReason(counts: Float64Array): Reading<number>[] {
  return REASONS.flatMap((reason, i): Reading<number>[] =>
    reason === '' ? [] : [[{ reason }, counts[i] as number]],
  );
}
