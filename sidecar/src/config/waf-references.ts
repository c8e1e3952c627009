/**
 * What a WafPolicy says about listeners: that nothing gets past it unread. A service that speaks no HTTP at all is found with any policy.
 */
import { HANDLING } from '../protocol/protocol.ts';
import type { Finding } from './explain.ts';
import { quote } from './problem.ts';
import type { TargetRef } from './resources.ts';
import type { SidecarConfig } from './schema.ts';
import { serviceKey } from './services.ts';

type WafFinding = Finding & { readonly severity: 'warning' };

/** `targets` as they stand in the document. */
export function* checkWaf(
  { namespace, targets }: { namespace: string; targets: readonly Pick<TargetRef, 'kind' | 'name'>[] },
  { inbound, ...own }: SidecarConfig,
): Iterable<WafFinding> {
  const guarded = serviceKey({ namespace: own.namespace, name: own.service });
  // There a client decides by its first bytes, and some services read what is hardly HTTP.
  const detected = inbound.filter(({ protocol }) => HANDLING[protocol] === 'detect');
  if (detected.length === 0) return;
  const names = detected.map(({ name }) => quote(name)).join(', ');
  for (const [index, { kind, name }] of targets.entries()) {
    if (kind !== 'Service' || serviceKey({ namespace, name }) !== guarded) continue;
    const path = ['spec', 'targetRefs', index, 'name'];
    const message = `can be got around at inbound ${names}, where what does not begin as HTTP is passed on unread`;
    yield { path, message, suggestion: 'write `protocol: http` there', at: 'value', severity: 'warning' };
  }
}
