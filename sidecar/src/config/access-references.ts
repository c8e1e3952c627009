/**
 * What an AccessPolicy says about listeners: that its rules can be asked where they should hold.
 */
import { type AccessRuleSpec, needsIdentity, needsRequest } from '../filters/access/config.ts';
import { HANDLING } from '../protocol/protocol.ts';
import type { Finding } from './explain.ts';
import { quote } from './problem.ts';
import type { TargetRef } from './resources.ts';
import type { InboundConfig, SidecarConfig } from './schema.ts';
import { type ServiceName, serviceKey } from './services.ts';

type AccessFinding = Finding & { readonly severity: 'problem' | 'warning' };

/** `targets` and `rules` as they stand in the document. */
export function* checkAccess(
  { namespace, targets, rules }: AccessDocument,
  config: SidecarConfig,
): Iterable<AccessFinding> {
  const own = serviceKey({ namespace: config.namespace, name: config.service });
  let guards = false;
  for (const [index, { kind, name }] of targets.entries()) {
    const path = ['spec', 'targetRefs', index];
    if (kind !== 'Service') {
      const message = `is ${kind}, and access is decided at the service, whatever route led there`;
      const suggestion = 'target the Service';
      yield { path: [...path, 'kind'], message, suggestion, at: 'value', severity: 'problem' };
      continue;
    }
    const isOwn = serviceKey({ namespace, name }) === own;
    guards ||= isOwn;
    if (isOwn) continue;
    const message = `has no effect here: the sidecar of ${quote(name)} decides who may call it`;
    yield { path: [...path, 'name'], message, suggestion: null, at: 'value', severity: 'warning' };
  }
  if (guards) for (const [index, rule] of rules.entries()) yield* checkRule(rule, index, config.inbound);
}

interface AccessDocument extends Pick<ServiceName, 'namespace'> {
  readonly targets: readonly Pick<TargetRef, 'kind' | 'name'>[];
  readonly rules: readonly AccessRuleSpec[];
}

function* checkRule(
  rule: AccessRuleSpec,
  index: number,
  inbound: readonly InboundConfig[],
): Iterable<AccessFinding> {
  const path = ['spec', 'rules', index];
  const { ports } = rule.to;
  const entries = inbound.filter(({ target }) => ports?.includes(target.port) ?? true);
  if (entries.length === 0) {
    if (ports === undefined) return;
    const message = 'names no port of the service that an inbound entry leads to';
    const known = inbound.map(({ target }) => target.port).join(', ');
    const suggestion = known === '' ? null : `known are ${known}`;
    yield { path: [...path, 'to', 'ports'], message, suggestion, at: 'value', severity: 'warning' };
    return;
  }
  const unread = entries.filter(({ protocol }) => HANDLING[protocol] === 'tcp');
  if (needsRequest(rule) && unread.length > 0) {
    const names = unread.map(({ name }) => quote(name)).join(', ');
    const message = `asks about requests, and inbound ${names} passes connections on unread, where the rule ${
      rule.action === 'allow' ? 'lets nobody in' : 'keeps out everybody it might be about'
    }`;
    const suggestion = 'give it `to.ports` of entries that speak HTTP';
    const severity = unread.length === entries.length ? 'problem' : 'warning';
    yield { path, message, suggestion, at: 'value', severity };
  }
  if (needsIdentity(rule) && entries.every(({ mtls }) => mtls === 'off')) {
    const message = 'can never apply: where it holds, mtls is off and nobody can prove an identity';
    yield { path: [...path, 'from'], message, suggestion: null, at: 'value', severity: 'warning' };
  }
}
