import type { Registry } from 'prom-client';
import { type Reading, register } from '../family.ts';
import { counter } from '../metric.ts';
import { REASONS, type Retention } from './retention.ts';

export const TRACES_KEPT = counter(
  'tulle_traces_kept_total',
  'Traces kept although the head sample left them out, by reason; told are those that another sidecar kept.',
  ['reason'],
);
export const TRACES_NOT_KEPT = counter(
  'tulle_traces_not_kept_total',
  'Traces that were worth keeping, beyond what may be kept in one second.',
  ['reason'],
);
export const TRACES_UNTOLD = counter(
  'tulle_traces_untold_total',
  'Traces kept here of which other sidecars were not told, as there was no stream to the control plane or it was congested.',
);

export function registerRetention(registry: Registry, retention: Retention): void {
  register(registry, TRACES_KEPT, () => byReason(retention.kept));
  register(registry, TRACES_NOT_KEPT, () =>
    byReason(retention.outOfBudget).filter(([{ reason }]) => reason !== 'told'),
  );
  register(registry, TRACES_UNTOLD, () => [[{}, retention.untold]]);
}

function byReason(counts: Float64Array): Reading<number>[] {
  return REASONS.flatMap((reason, i): Reading<number>[] =>
    reason === '' ? [] : [[{ reason }, counts[i] as number]],
  );
}
