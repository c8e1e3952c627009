/**
 * The kinds of documents that a config may hold, and what of them the rest of the sidecar reads.
 *
 * A feature owns the schema of its policy in its own folder and is entered in `POLICIES` here: from that line follow the kind of
 * document, `SidecarConfig.policies` and `RouteProfile.policies`.
 */
import { z } from 'zod';
import { spec as access } from '../filters/access/config.ts';
import { spec as fault } from '../filters/fault/config.ts';
import { spec as jwt } from '../filters/jwt/config.ts';
import { spec as rateLimit } from '../filters/rate-limit/config.ts';
import { spec as waf } from '../filters/waf/config.ts';
import { spec as grpcRoute } from '../routing/grpc-route.ts';
import { spec as httpRoute } from '../routing/http-route.ts';
import type { RouteKind } from '../routing/route-config.ts';
import { spec as traffic } from '../upstream/traffic-policy.ts';
import { sidecarDocument } from './schema.ts';
import { serviceLevelDocument } from './service-level.ts';
import { dottedName, resourceMetadata } from './values.ts';

const GATEWAY_GROUP = 'gateway.networking.k8s.io';

/** By the key under which configs and routes hold them. */
export const POLICIES = {
  access: { kind: 'AccessPolicy', spec: access },
  fault: { kind: 'FaultPolicy', spec: fault },
  jwt: { kind: 'JwtPolicy', spec: jwt },
  rateLimit: { kind: 'RateLimitPolicy', spec: rateLimit },
  traffic: { kind: 'TrafficPolicy', spec: traffic },
  waf: { kind: 'WafPolicy', spec: waf },
} as const;

export type PolicyKey = keyof typeof POLICIES;
export type PolicySpecs = { readonly [K in PolicyKey]: z.output<(typeof POLICIES)[K]['spec']> };

export type Policy<Spec> = {
  readonly name: string;
  readonly namespace: string;
  /** At least one. */
  readonly targets: readonly TargetRef[];
  readonly spec: Spec;
};

/** In the namespace of the policy. `sectionName` is the name of a rule; null for all of a route. */
export type TargetRef = {
  readonly kind: 'Service' | RouteKind;
  readonly name: string;
  readonly sectionName: string | null;
};

/** Sorted by namespace and name, so that neither the order of documents nor their files matter. */
export type PoliciesConfig = { readonly [K in PolicyKey]: readonly Policy<PolicySpecs[K]>[] };

/** What applies to one route: of each kind the most specific, or null. */
export type RoutePolicies = { readonly [K in PolicyKey]: Policy<PolicySpecs[K]> | null };

const targetRef = z
  .strictObject({
    // The group of Services in Kubernetes is the empty one.
    group: z.enum(['', GATEWAY_GROUP]).optional(),
    kind: z.enum(['Service', 'HTTPRoute', 'GRPCRoute']),
    name: dottedName,
    sectionName: dottedName.optional(),
  })
  .superRefine(({ kind, sectionName }, context) => {
    if (kind !== 'Service' || sectionName === undefined) return;
    const params = { suggestion: 'target a rule of a route, or leave it out' };
    context.addIssue({ code: 'custom', path: ['sectionName'], message: 'is not for a Service', params });
  });

const MAX_TARGETS = 16;

const policyDocuments = Object.values(POLICIES).map(({ kind, spec }) =>
  z.strictObject({
    apiVersion: z.literal('mesh.tulle.dev/v1alpha1'),
    kind: z.literal(kind),
    metadata: resourceMetadata,
    spec: spec.safeExtend({ targetRefs: z.array(targetRef).min(1).max(MAX_TARGETS) }),
  }),
);

const httpRouteDocument = routeDocument('HTTPRoute', httpRoute);
const grpcRouteDocument = routeDocument('GRPCRoute', grpcRoute);

function routeDocument<Kind extends RouteKind, Spec extends z.ZodObject>(kind: Kind, spec: Spec) {
  const apiVersion = z.literal(`${GATEWAY_GROUP}/v1`);
  return z.strictObject({ apiVersion, kind: z.literal(kind), metadata: resourceMetadata, spec });
}

export type PolicyDocument = z.output<(typeof policyDocuments)[number]>;
export type RouteDocument = z.output<typeof httpRouteDocument> | z.output<typeof grpcRouteDocument>;

/** A document besides the Sidecar, parsed. */
export type ResourceDocument = PolicyDocument | RouteDocument;

export function isRoute(document: ResourceDocument): document is RouteDocument {
  return document.kind === 'HTTPRoute' || document.kind === 'GRPCRoute';
}

/** The schema of each kind of document. */
export const DOCUMENT_KINDS: ReadonlyMap<string, z.ZodObject> = new Map(
  [sidecarDocument, httpRouteDocument, grpcRouteDocument, ...policyDocuments, serviceLevelDocument].map(
    (schema) => [schema.shape.kind.value, schema],
  ),
);
