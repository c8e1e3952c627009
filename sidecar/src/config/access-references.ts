/**
 * What an AccessPolicy says about listeners: that its rules can be asked where they should hold.
 */
import { type AccessRuleSpec, needsIdentity, needsRequest } from '../filters/access/config.ts';
import { HANDLING } from '../protocol/protocol.ts';
import type { Finding } from './explain.ts';
import { quote } from './problem.ts';
import type { TargetRef } from './resources.ts';
import type { InboundConfig, SidecarConfig } from './schema.ts';
import type { ServiceName } from './services.ts';
import { checkOwnTargets, checkRuleClaims, isOwn } from './token-references.ts';

type AccessFinding = Finding & { readonly severity: 'problem' | 'warning' };

const AT_SERVICE = { about: 'access is decided', decides: 'decides who may call it' };

/** `targets` and `rules` as they stand in the document. */
export function* checkAccess(document: AccessDocument, config: SidecarConfig): Iterable<AccessFinding> {
  const { namespace, targets, rules } = document;
  yield* checkOwnTargets(document, config, AT_SERVICE);
  if (!targets.some(({ kind, name }) => kind === 'Service' && isOwn({ namespace, name }, config))) return;
  for (const [index, rule] of rules.entries()) yield* checkRule(rule, index, config.inbound);
  yield* checkRuleClaims(rules, config);
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
