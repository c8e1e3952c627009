/**
 * What documents say about one another: that what they name is known, and that none says what another says already. What is right but
 * has no effect is a warning: it may be meant for other sidecars. inert.ts finds what is shadowed.
 */

import type { AccessSpec } from '../filters/access/config.ts';
import type { RateLimitSpec } from '../filters/rate-limit/config.ts';
import type { RouteConfig, RouteKind } from '../routing/route-config.ts';
import { ENDPOINT_SECTIONS } from '../upstream/traffic-policy.ts';
import { checkAccess } from './access-references.ts';
import { closest } from './closest.ts';
import { type DocumentSet, type Placed, placeFinding } from './documents.ts';
import type { Finding } from './explain.ts';
import { findInert } from './inert.ts';
import { type ConfigProblem, type KeyPath, quote } from './problem.ts';
import { isRoute, POLICIES, type PolicyDocument, type ResourceDocument } from './resources.ts';
import { checkRoute } from './route-references.ts';
import type { SidecarConfig } from './schema.ts';
import { type KnownService, listServices, type ServiceName, serviceKey } from './services.ts';
import { checkKeyClaims, checkOwnTargets } from './token-references.ts';
import { explainUnknownService } from './unknown-service.ts';
import { checkWaf } from './waf-references.ts';

export type CheckedReferences = {
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
};

/** A finding about a document, by kind, namespace and name. */
export type DocumentFinding = Finding & {
  readonly document: string;
  readonly severity: 'problem' | 'warning';
};

export type NamedDocument<Content> = Placed<Content> & { readonly namespace: string; readonly name: string };

export function checkReferences(config: SidecarConfig, documents: DocumentSet): CheckedReferences {
  const check = new ReferenceCheck(config);
  check.services(config, documents.sidecar);
  for (const document of sortByName(documents.resources, config.namespace)) check.resource(document);
  // What shadows what can be told once all that is named is there.
  if (check.problems.length === 0) check.inert();
  return check;
}

export function documentKey(kind: string, name: ServiceName): string {
  return `${kind} ${serviceKey(name)}`;
}

class ReferenceCheck implements CheckedReferences {
  readonly problems: ConfigProblem[] = [];
  readonly warnings: ConfigProblem[] = [];
  private readonly config: SidecarConfig;
  private readonly known: ReadonlyMap<string, KnownService>;
  /** By kind, namespace and name. */
  private readonly documents = new Map<string, Placed<ResourceDocument>>();
  /** By kind of policy and target, the policy. */
  private readonly targets = new Map<string, string>();

  constructor(config: SidecarConfig) {
    this.config = config;
    this.known = listServices(config);
  }

  /** A name that two services have would leave open which one is meant. */
  services({ outbound }: SidecarConfig, { origin }: Placed<unknown>): void {
    const first = new Map<string, number>();
    for (const [index, service] of outbound?.services.entries() ?? []) {
      const earlier = first.get(serviceKey(service));
      first.set(serviceKey(service), index);
      if (earlier === undefined) continue;
      const message = `has the name of spec.outbound.services[${earlier}], by which documents refer to it`;
      const suggestion = 'give one of them a `name` of its own';
      const path = ['spec', 'outbound', 'services', index, 'name'];
      this.problems.push(placeFinding({ path, message, suggestion, at: 'value' }, origin));
    }
  }

  resource(document: NamedDocument<ResourceDocument>): void {
    const { content, origin } = document;
    const key = documentKey(content.kind, document);
    if (this.documents.has(key)) {
      this.problems.push(placeFinding(REPEATED, origin));
      return;
    }
    this.documents.set(key, document);
    if (isRoute(content)) {
      this.note(checkRoute({ ...document, content }, this.config.routes, this.known));
      return;
    }
    this.note(this.checkTargets({ ...document, content }));
    const findings = this.checkContent(content, document.namespace);
    this.note(Array.from(findings, (finding) => ({ ...finding, document: key })));
  }

  inert(): void {
    this.note(findInert(this.config));
  }

  private note(findings: Iterable<DocumentFinding>): void {
    for (const finding of findings) {
      const { origin } = this.documents.get(finding.document) as Placed<unknown>;
      (finding.severity === 'problem' ? this.problems : this.warnings).push(placeFinding(finding, origin));
    }
  }

  /** What only one kind of policy can get wrong. */
  private *checkContent(
    { kind, spec }: PolicyDocument,
    namespace: string,
  ): Iterable<Omit<DocumentFinding, 'document'>> {
    const document = { namespace, targets: spec.targetRefs };
    // The schema of each kind is the one of its entry in POLICIES.
    if (kind === POLICIES.access.kind)
      yield* checkAccess({ ...document, ...(spec as unknown as AccessSpec) }, this.config);
    if (kind === POLICIES.jwt.kind) yield* checkOwnTargets(document, this.config, VERIFIED_AT_SERVICE);
    if (kind === POLICIES.waf.kind) yield* checkWaf(document, this.config);
    if (kind === POLICIES.rateLimit.kind)
      yield* checkKeyClaims({ ...document, ...(spec as unknown as RateLimitSpec) }, this.config);
  }

  private *checkTargets(policy: NamedDocument<PolicyDocument>): Iterable<DocumentFinding> {
    const { content, namespace, name } = policy;
    const document = documentKey(content.kind, policy);
    for (const [index, { kind, name: target, sectionName }] of content.spec.targetRefs.entries()) {
      const path = ['spec', 'targetRefs', index, 'name'];
      const key = documentKey(kind, { namespace, name: target });
      const finding =
        kind === 'Service'
          ? judgeService(path, { namespace, name: target }, this.known, content.kind)
          : judgeRoute(path, { namespace, name: target }, kind, sectionName, this.config.routes);
      if (finding !== null) {
        yield { ...finding, document };
        if (finding.severity === 'problem') continue;
      }
      if (kind !== 'Service') yield* this.checkSections(policy, kind);
      const place = `${content.kind} of ${key} ${sectionName ?? ''}`;
      const earlier = this.targets.get(place);
      this.targets.set(place, name);
      if (earlier === undefined) continue;
      const message = `is a target of ${content.kind} ${earlier}, too, and only one of a kind can apply`;
      yield { path, message, suggestion: 'keep one of the two', at: 'value', document, severity: 'problem' };
    }
  }

  private *checkSections(policy: NamedDocument<PolicyDocument>, kind: RouteKind): Iterable<DocumentFinding> {
    const { content, origin } = policy;
    if (content.kind !== POLICIES.traffic.kind) return;
    // As it was written: what was not said has a default by now.
    const { spec } = origin.source.value as { spec: object };
    for (const section of ENDPOINT_SECTIONS) {
      if (!Object.hasOwn(spec, section)) continue;
      const message = `is about the endpoints of a service, and the policy is for an ${kind}`;
      const suggestion = 'attach it to the services to which the route sends requests';
      const document = documentKey(content.kind, policy);
      yield { path: ['spec', section], message, suggestion, at: 'key', document, severity: 'problem' };
    }
  }
}

const VERIFIED_AT_SERVICE = { about: 'tokens are verified', decides: 'verifies tokens that are for it' };

const REPEATED: Finding = {
  path: ['metadata', 'name'],
  message: 'is the name of another document of this kind',
  suggestion: 'give each a name of its own',
  at: 'value',
};

type Judgement = Omit<DocumentFinding, 'document'> | null;

function judgeService(
  path: KeyPath,
  wanted: ServiceName,
  known: ReadonlyMap<string, KnownService>,
  policy: string,
): Judgement {
  const service = known.get(serviceKey(wanted));
  if (service === undefined) return { ...explainUnknownService(path, wanted, known), severity: 'problem' };
  // Who may connect can be said of every protocol.
  if (service.speaksHttp || policy === POLICIES.access.kind) return null;
  const message = `has no effect: ${quote(wanted.name)} speaks no HTTP, which is all that policies see`;
  return { path, message, suggestion: null, at: 'value', severity: 'warning' };
}

function judgeRoute(
  path: KeyPath,
  wanted: ServiceName,
  kind: RouteKind,
  sectionName: string | undefined,
  routes: readonly RouteConfig[],
): Judgement {
  const candidates = routes.filter((route) => route.kind === kind && route.namespace === wanted.namespace);
  const route = candidates.find(({ name }) => name === wanted.name);
  const problem = { at: 'value', severity: 'problem' } as const;
  if (route === undefined) {
    const near = closest(
      wanted.name,
      candidates.map(({ name }) => name),
    );
    const message = `names no ${kind} in namespace ${quote(wanted.namespace)}`;
    return { path, message, suggestion: near === null ? null : `did you mean ${quote(near)}?`, ...problem };
  }
  const rules = route.rules.flatMap(({ name }) => name ?? []);
  if (sectionName === undefined || rules.includes(sectionName)) return null;
  const near = closest(sectionName, rules);
  return {
    path: [...path.slice(0, -1), 'sectionName'],
    message: `names no rule of ${kind} ${route.name}`,
    suggestion: near === null ? 'give the rule a `name`' : `did you mean ${quote(near)}?`,
    ...problem,
  };
}

/** So that which of two is called the second does not depend on the files in which they stand. */
function sortByName(
  documents: readonly Placed<ResourceDocument>[],
  namespace: string,
): NamedDocument<ResourceDocument>[] {
  return documents
    .map((document) => {
      const { metadata } = document.content;
      return { ...document, namespace: metadata.namespace ?? namespace, name: metadata.name };
    })
    .sort((a, b) => (serviceKey(a) < serviceKey(b) ? -1 : 1));
}
