import type { Registry } from 'prom-client';
import { register } from '../../observe/family.ts';
import { counter } from '../../observe/metric.ts';
import type { Linkage } from './linkage.ts';

export const OUTBOUND_CONTEXTS = counter(
  'tulle_outbound_contexts_total',
  'Requests of the own service by the trace context that they came with: linked to a request that it serves, of its own, or none.',
  ['context'],
);

export function registerLinkage(registry: Registry, linkage: Linkage): void {
  register(registry, OUTBOUND_CONTEXTS, () => [
    [{ context: 'linked' }, linkage.linked],
    [{ context: 'own' }, linkage.own],
    [{ context: 'none' }, linkage.none],
  ]);
}
