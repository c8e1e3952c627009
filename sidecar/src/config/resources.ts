/**
 * The kinds of documents that a config may hold, and what of them the rest of the sidecar reads.
 *
 * A feature owns the schema of its policy in its own folder and is entered in `POLICIES` here: from that line follow the kind of
 * document, `SidecarConfig.policies` and `RouteProfile.policies`.
 */
import { z } from 'zod';
import { spec as fault } from '../filters/fault/config.ts';
import { spec as rateLimit } from '../filters/rate-limit/config.ts';
import { spec as traffic } from '../upstream/traffic-policy.ts';
import { sidecarDocument } from './schema.ts';
import { dottedName, label } from './values.ts';

/** By the key under which configs and routes hold them. */
export const POLICIES = {
  fault: { kind: 'FaultPolicy', spec: fault },
  rateLimit: { kind: 'RateLimitPolicy', spec: rateLimit },
  traffic: { kind: 'TrafficPolicy', spec: traffic },
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

/** In the namespace of the policy. */
export type TargetRef = { readonly kind: 'Service'; readonly name: string };

/** Sorted by namespace and name, so that neither the order of documents nor their files matter. */
export type PoliciesConfig = { readonly [K in PolicyKey]: readonly Policy<PolicySpecs[K]>[] };

/** What applies to one route: of each kind the most specific, or null. */
export type RoutePolicies = { readonly [K in PolicyKey]: Policy<PolicySpecs[K]> | null };

const targetRef = z.strictObject({
  // The group of Services in Kubernetes is the empty one.
  group: z.literal('').optional(),
  kind: z.literal('Service'),
  name: dottedName,
});

const metadata = z.strictObject({
  name: dottedName,
  namespace: label.optional(),
  // For people and other tools.
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});

const MAX_TARGETS = 16;

const policyDocuments = Object.values(POLICIES).map(({ kind, spec }) =>
  z.strictObject({
    apiVersion: z.literal('mesh.tulle.dev/v1alpha1'),
    kind: z.literal(kind),
    metadata,
    spec: spec.safeExtend({ targetRefs: z.array(targetRef).min(1).max(MAX_TARGETS) }),
  }),
);

/** A document besides the Sidecar, parsed. */
export type ResourceDocument = z.output<(typeof policyDocuments)[number]>;

/** The schema of each kind of document. */
export const DOCUMENT_KINDS: ReadonlyMap<string, z.ZodObject> = new Map(
  [sidecarDocument, ...policyDocuments].map((schema) => [schema.shape.kind.value, schema]),
);
