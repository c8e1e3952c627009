/**
 * A name that should be that of a service, and is not.
 */
import { closest } from './closest.ts';
import type { Finding } from './explain.ts';
import { type KeyPath, quote } from './problem.ts';
import { type KnownService, type ServiceName, serviceKey } from './services.ts';

export function explainUnknownService(
  path: KeyPath,
  wanted: ServiceName,
  known: ReadonlyMap<string, KnownService>,
  otherwise = 'name the own service (spec.service), or one of spec.outbound.services',
): Finding {
  const { namespace, name } = wanted;
  const message = `names no service of this sidecar: ${quote(name)} in namespace ${quote(namespace)}`;
  return { path, message, suggestion: suggestService(wanted, [...known.keys()]) ?? otherwise, at: 'value' };
}

function suggestService({ namespace, name }: ServiceName, known: readonly string[]): string | null {
  const elsewhere = known.find((key) => key.endsWith(`/${name}`));
  if (elsewhere !== undefined) return `it is in namespace ${quote(elsewhere.split('/')[0])}`;
  const names = known
    .filter((key) => key.startsWith(serviceKey({ namespace, name: '' })))
    .map((key) => key.split('/')[1] ?? '');
  const near = closest(name, names);
  return near === null ? null : `did you mean ${quote(near)}?`;
}
