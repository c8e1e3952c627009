/**
 * What a route says of services: those whose requests it routes, and those that they go to.
 */
import type { RouteConfig } from '../routing/route-config.ts';
import { type DocumentFinding, documentKey, type NamedDocument } from './check-references.ts';
import { type KeyPath, quote } from './problem.ts';
import type { RouteDocument } from './resources.ts';
import { type KnownService, type ServiceName, serviceKey } from './services.ts';
import { explainUnknownService } from './unknown-service.ts';

type Known = ReadonlyMap<string, KnownService>;
type Judgement = Omit<DocumentFinding, 'document'>;
type Reference = { readonly name: string; readonly namespace?: string | undefined };

export function* checkRoute(
  route: NamedDocument<RouteDocument>,
  routes: readonly RouteConfig[],
  known: Known,
): Iterable<DocumentFinding> {
  const { content, namespace } = route;
  const { kind, spec } = content;
  const document = documentKey(kind, route);
  for (const [index, ref] of spec.parentRefs.entries()) {
    const finding =
      judgeNamespace(['spec', 'parentRefs', index], ref, namespace) ??
      judgeParent(['spec', 'parentRefs', index, 'name'], { namespace, name: ref.name }, kind, routes, known);
    if (finding !== null) yield { ...finding, document };
  }
  if (spec.hostnames.length > 0) {
    const message = 'has no effect: requests to a Service are routed whatever host they name';
    yield {
      path: ['spec', 'hostnames'],
      message,
      suggestion: null,
      at: 'key',
      severity: 'warning',
      document,
    };
  }
  for (const { path, ref, lost } of listBackends(content)) {
    const finding =
      judgeNamespace(path, ref, namespace) ??
      judgeBackend([...path, 'name'], { namespace, name: ref.name }, lost, known);
    if (finding !== null) yield { ...finding, document };
  }
}

/** Every service that requests go to, and what happens to them if it does not exist. */
function* listBackends({ spec }: RouteDocument): Iterable<{ path: KeyPath; ref: Reference; lost: string }> {
  for (const [ruleIndex, { backendRefs, filters }] of spec.rules.entries()) {
    const rule = ['spec', 'rules', ruleIndex];
    for (const [index, ref] of backendRefs.entries()) {
      const lost = 'its share of the requests is answered with status 500';
      yield { path: [...rule, 'backendRefs', index], ref, lost };
    }
    for (const [index, { requestMirror }] of filters.entries()) {
      if (requestMirror === undefined) continue;
      const path = [...rule, 'filters', index, 'requestMirror', 'backendRef'];
      yield { path, ref: requestMirror.backendRef, lost: 'nothing is mirrored' };
    }
  }
}

function judgeNamespace(path: KeyPath, ref: Reference, namespace: string): Judgement | null {
  if (ref.namespace === undefined || ref.namespace === namespace) return null;
  return {
    path: [...path, 'namespace'],
    message: `is not that of the route, ${quote(namespace)}: a route is for its own namespace here`,
    suggestion: 'put the route into the namespace of the services that it names',
    at: 'value',
    severity: 'problem',
  };
}

function judgeParent(
  path: KeyPath,
  service: ServiceName,
  kind: RouteConfig['kind'],
  routes: readonly RouteConfig[],
  known: Known,
): Judgement | null {
  const parent = known.get(serviceKey(service));
  if (parent === undefined) return { ...explainUnknownService(path, service, known), severity: 'problem' };
  const rival = kind === 'HTTPRoute' ? routes.find((other) => isGrpcRouteOf(other, service)) : undefined;
  if (rival !== undefined) {
    const message = `is the parent of GRPCRoute ${rival.name}, too, and one service has routes of one kind`;
    return { path, message, suggestion: 'keep one of the two', at: 'value', severity: 'problem' };
  }
  const inert = { path, suggestion: null, at: 'value', severity: 'warning' } as const;
  if (!parent.called) {
    const message = `has no effect: routes apply where requests are sent, and this sidecar sends none to ${quote(service.name)}`;
    return { message, ...inert };
  }
  if (parent.speaksHttp) return null;
  return { message: `has no effect: ${quote(service.name)} speaks no HTTP`, ...inert };
}

function isGrpcRouteOf({ kind, namespace, parents }: RouteConfig, service: ServiceName): boolean {
  if (kind !== 'GRPCRoute') return false;
  return parents.some(({ name }) => serviceKey({ namespace, name }) === serviceKey(service));
}

function judgeBackend(path: KeyPath, service: ServiceName, lost: string, known: Known): Judgement | null {
  const backend = known.get(serviceKey(service));
  if (backend?.called && backend.speaksHttp) return null;
  if (backend?.called) {
    const message = `speaks no HTTP, so that no request can be sent there`;
    return { path, message, suggestion: 'set its protocol', at: 'value', severity: 'problem' };
  }
  // As the Gateway API has it: a backend may come after its route, and until then a part of the requests fails.
  const unknown = explainUnknownService(path, service, called(known), 'add it to spec.outbound.services');
  return { ...unknown, message: `${unknown.message}, so that ${lost}`, severity: 'warning' };
}

function called(known: Known): Known {
  return new Map([...known].filter(([, service]) => service.called));
}
