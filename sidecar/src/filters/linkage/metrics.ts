import type { Registry } from 'prom-client';
import { registerCounter } from '../../observe/family.ts';
import type { Linkage } from './linkage.ts';

export function registerLinkage(registry: Registry, linkage: Linkage): void {
  registerCounter(
    registry,
    'tulle_outbound_contexts_total',
    'Requests of the own service by the trace context that they came with: linked to a request that it serves, of its own, or none.',
    () => [
      [{ context: 'linked' }, linkage.linked],
      [{ context: 'own' }, linkage.own],
      [{ context: 'none' }, linkage.none],
    ],
  );
}
