/**
 * From a document that passed every check to the config the sidecar runs on: defaults filled in, absent sections null,
 * paths absolute. The result is frozen all the way down, so that exchanges can share it without copies.
 */
import { resolve } from 'node:path';
import { normaliseAudit } from '../filters/audit/config.ts';
import { placeKeyFiles } from '../filters/jwt/config.ts';
import { placeStoreFiles } from '../filters/rate-limit/config.ts';
import { toRules as toGrpcRules } from '../routing/grpc-route.ts';
import { toRules as toHttpRules } from '../routing/http-route.ts';
import type { RouteConfig } from '../routing/route-config.ts';
import { toParents } from '../routing/route-parts.ts';
import {
  isRoute,
  POLICIES,
  type PoliciesConfig,
  type Policy,
  type PolicyDocument,
  type ResourceDocument,
  type RouteDocument,
} from './resources.ts';
import type {
  AccessLogConfig,
  AuthorityIdentity,
  IdentityConfig,
  SidecarConfig,
  SidecarDocument,
} from './schema.ts';
import { serviceKey } from './services.ts';

/** `folder` is where relative paths start: the folder of the config file, even for a copy kept elsewhere. */
export function normalise(
  document: SidecarDocument,
  resources: readonly ResourceDocument[],
  folder: string,
): SidecarConfig {
  const { metadata, spec } = document;
  const { identity, outbound, telemetry } = spec;
  return deepFreeze<SidecarConfig>({
    name: metadata.name,
    namespace: metadata.namespace,
    service: spec.service,
    zone: spec.zone ?? '',
    identity: identity === undefined ? null : normaliseIdentity(identity, folder),
    control: spec.control ?? null,
    admin: spec.admin,
    inbound: spec.inbound.map((entry) => ({ ...entry, listen: entry.listen ?? null })),
    inboundCapture: spec.inboundCapture ?? null,
    outbound:
      outbound === undefined
        ? null
        : {
            listen: outbound.listen,
            capture: outbound.capture ?? null,
            services: outbound.services.map((service) => ({
              ...service,
              name: service.name ?? service.host,
              namespace: service.namespace ?? metadata.namespace,
              identity: service.identity ?? null,
              listen: service.listen ?? null,
            })),
          },
    accessDefault: spec.access.default,
    timeouts: spec.timeouts,
    headers: { requestId: spec.headers.requestId === 'on', forwarded: spec.headers.forwarded === 'on' },
    telemetry: {
      accessLog: normaliseAccessLog(telemetry.accessLog, folder),
      audit: normaliseAudit(telemetry.audit, folder),
      keyPrefixes: telemetry.keyPrefixes === 'on',
      baggage: telemetry.baggage,
      serverTiming: telemetry.serverTiming,
      metrics: { ...telemetry.metrics, nativeHistograms: telemetry.metrics.nativeHistograms === 'on' },
      traces:
        telemetry.traces === undefined
          ? null
          : { ...telemetry.traces, intake: telemetry.traces.intake ?? null },
    },
    routes: normaliseRoutes(resources, metadata.namespace),
    policies: normalisePolicies(resources, metadata.namespace, folder),
  });
}

function normalisePolicies(
  resources: readonly ResourceDocument[],
  namespace: string,
  folder: string,
): PoliciesConfig {
  const policies = resources.filter((resource) => !isRoute(resource));
  const entries = Object.entries(POLICIES).map(([key, { kind }]) => [
    key,
    policies
      .filter((policy) => policy.kind === kind)
      .map((policy) => normalisePolicy(policy, namespace, folder))
      .sort((a, b) => compareText(serviceKey(a), serviceKey(b))),
  ]);
  // The schema of each kind is the one of its entry in POLICIES.
  return Object.fromEntries(entries) as PoliciesConfig;
}

function normalisePolicy(
  { kind, metadata, spec }: PolicyDocument,
  namespace: string,
  folder: string,
): Policy<unknown> {
  const { targetRefs, ...rest } = spec;
  return {
    name: metadata.name,
    namespace: metadata.namespace ?? namespace,
    targets: targetRefs.map(({ kind, name, sectionName = null }) => ({ kind, name, sectionName })),
    spec: PLACE_FILES[kind]?.(rest, folder) ?? rest,
  };
}

/** For policies that name files. */
const PLACE_FILES: Partial<Record<PolicyDocument['kind'], (spec: object, folder: string) => object>> = {
  [POLICIES.rateLimit.kind]: placeStoreFiles,
  [POLICIES.jwt.kind]: placeKeyFiles,
};

/** The order in which the Gateway API breaks ties: the older one, then the one whose name comes first. */
function normaliseRoutes(resources: readonly ResourceDocument[], namespace: string): RouteConfig[] {
  return resources
    .filter(isRoute)
    .map((route) => normaliseRoute(route, namespace))
    .sort((a, b) => compareAge(a.createdAt, b.createdAt) || compareText(serviceKey(a), serviceKey(b)));
}

function normaliseRoute(document: RouteDocument, namespace: string): RouteConfig {
  const { kind, metadata, spec } = document;
  return {
    kind,
    name: metadata.name,
    namespace: metadata.namespace ?? namespace,
    createdAt: metadata.creationTimestamp ?? '',
    parents: toParents(spec.parentRefs),
    rules: document.kind === 'HTTPRoute' ? toHttpRules(document.spec) : toGrpcRules(document.spec),
  };
}

function compareAge(a: string, b: string): number {
  const [left, right] = [a, b].map((time) => (time === '' ? Number.MAX_VALUE : Date.parse(time)));
  return (left ?? 0) - (right ?? 0);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function findEvidence(
  { tokenFile, podTokenFile }: { tokenFile?: string | undefined; podTokenFile?: string | undefined },
  folder: string,
): AuthorityIdentity['evidence'] {
  if (podTokenFile !== undefined) return { kind: 'kubernetes', file: resolve(folder, podTokenFile) };
  if (tokenFile === undefined) throw new Error('authority without a token: check.ts lets none through');
  return { kind: 'join-token', file: resolve(folder, tokenFile) };
}

/** Of two optional sections one kind, so that readers have a case for each and none for both or neither. */
function normaliseIdentity(
  identity: NonNullable<SidecarDocument['spec']['identity']>,
  folder: string,
): IdentityConfig {
  const { trustDomain, minTlsVersion, authority, files } = identity;
  if (authority !== undefined) {
    return {
      trustDomain,
      minTlsVersion,
      source: {
        kind: 'authority',
        url: authority.url,
        rootsFile: resolve(folder, authority.rootsFile),
        evidence: findEvidence(authority, folder),
        stateDir: authority.stateDir === undefined ? null : resolve(folder, authority.stateDir),
        foreignTrustDomains: authority.foreignTrustDomains,
      },
    };
  }
  if (files === undefined) throw new Error('identity without a source: check.ts lets none through');
  return {
    trustDomain,
    minTlsVersion,
    source: {
      kind: 'files',
      certificateFile: resolve(folder, files.certificate),
      keyFile: resolve(folder, files.key),
      rootsFile: resolve(folder, files.roots),
    },
  };
}

function normaliseAccessLog(text: string, folder: string): AccessLogConfig {
  if (text === 'stdout' || text === 'off') return { kind: text };
  return { kind: 'file', path: resolve(folder, text) };
}

/** Parsed once, shared by all: whoever tries to change a config in place gets an error instead of a race. */
function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}
