/**
 * What documents say about claims of tokens: that somebody verifies the tokens where claims are read.
 *
 * Invariant: a claim decides nothing unless a JwtPolicy verifies it here, or somebody has said that another one does.
 */
import type { AccessRuleSpec } from '../filters/access/config.ts';
import type { RateLimitSpec } from '../filters/rate-limit/config.ts';
import type { Finding } from './explain.ts';
import { type KeyPath, quote } from './problem.ts';
import type { TargetRef } from './resources.ts';
import type { SidecarConfig } from './schema.ts';
import { type ServiceName, serviceKey } from './services.ts';

type TokenFinding = Finding & { readonly severity: 'problem' | 'warning' };

/** Of a policy; `targets` as they stand in the document. */
interface TargetedDocument extends Pick<ServiceName, 'namespace'> {
  readonly targets: readonly Pick<TargetRef, 'kind' | 'name'>[];
}

/** Only the sidecar of a service verifies tokens that are for it. */
export function* checkOwnTargets(
  { namespace, targets }: TargetedDocument,
  config: SidecarConfig,
  { about, decides }: { readonly about: string; readonly decides: string },
): Iterable<TokenFinding> {
  for (const [index, { kind, name }] of targets.entries()) {
    const path = ['spec', 'targetRefs', index];
    if (kind !== 'Service') {
      const message = `is ${kind}, and ${about} at the service, whatever route led there`;
      const suggestion = 'target the Service';
      yield { path: [...path, 'kind'], message, suggestion, at: 'value', severity: 'problem' };
    } else if (!isOwn({ namespace, name }, config)) {
      const message = `has no effect here: the sidecar of ${quote(name)} ${decides}`;
      yield { path: [...path, 'name'], message, suggestion: null, at: 'value', severity: 'warning' };
    }
  }
}

export function isOwn(service: ServiceName, { namespace, service: name }: SidecarConfig): boolean {
  return serviceKey(service) === serviceKey({ namespace, name });
}

/** Of an AccessPolicy of the own service. */
export function* checkRuleClaims(
  rules: readonly AccessRuleSpec[],
  config: SidecarConfig,
): Iterable<TokenFinding> {
  const own = { namespace: config.namespace, name: config.service };
  if (verifierOf(own, config) !== null) return;
  for (const [index, { when }] of rules.entries()) {
    if (when.claims === undefined) continue;
    const path = ['spec', 'rules', index, 'when', 'claims'];
    const message = 'can never hold: no JwtPolicy verifies the tokens of requests to the service';
    const suggestion = `attach a JwtPolicy to Service ${quote(own.name)}`;
    yield { path, message, suggestion, at: 'value', severity: 'problem' };
  }
}

/** Of a RateLimitPolicy. */
export function* checkKeyClaims(
  { namespace, targets, limits }: TargetedDocument & Pick<RateLimitSpec, 'limits'>,
  config: SidecarConfig,
): Iterable<TokenFinding> {
  const judged = targets.map(({ kind, name }) => {
    const service = { namespace, name };
    const verifier = kind === 'Service' ? verifierOf(service, config) : null;
    return { verifier, here: verifier !== null && isOwn(service, config) };
  });
  for (const [path, trustUnverified] of claimsOf(limits)) {
    const finding = trustUnverified ? judgeTrust(judged) : judgeVerified(judged);
    if (finding !== null) yield { path, at: 'value', ...finding };
  }
}

interface JudgedTarget {
  /** The JwtPolicy of the service; null without one. */
  readonly verifier: string | null;
  /** It is this sidecar that verifies. */
  readonly here: boolean;
}

function judgeTrust(targets: readonly JudgedTarget[]): Omit<TokenFinding, 'path' | 'at'> | null {
  const verified = targets.find(({ here }) => here);
  if (verified === undefined) return null;
  const message = `does not need trustUnverified: JwtPolicy ${verified.verifier} verifies the token, and only then the claim is read`;
  return { message, suggestion: 'leave it out', severity: 'warning' };
}

function judgeVerified(targets: readonly JudgedTarget[]): Omit<TokenFinding, 'path' | 'at'> | null {
  if (targets.some(({ verifier }) => verifier === null)) {
    const message = 'is read from a token that no JwtPolicy verifies';
    const suggestion =
      'attach a JwtPolicy to the service, or if something before this sidecar checks signatures, write `trustUnverified: true`';
    return { message, suggestion, severity: 'problem' };
  }
  if (targets.every(({ here }) => here)) return null;
  const message = 'is absent here: tokens are verified by the sidecar of the service to whom they are sent';
  return { message, suggestion: null, severity: 'warning' };
}

function* claimsOf(limits: RateLimitSpec['limits']): Iterable<[path: KeyPath, trustUnverified: boolean]> {
  for (const [index, { key }] of limits.entries()) {
    for (const [part, spec] of key.entries()) {
      if ('claim' in spec) yield [['spec', 'limits', index, 'key', part, 'claim'], spec.trustUnverified];
    }
  }
}

function verifierOf({ namespace, name }: ServiceName, { policies }: SidecarConfig): string | null {
  const policy = policies.jwt.find(
    ({ namespace: own, targets, spec }) =>
      spec.mode !== 'off' &&
      own === namespace &&
      targets.some((target) => target.kind === 'Service' && target.name === name),
  );
  return policy?.name ?? null;
}
