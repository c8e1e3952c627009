/**
 * What a ServiceLevel says: how many of the requests to a service, or to one of its routes, are to be good. Sidecars check it and do
 * nothing else; alerts/ makes rules for Prometheus of it, which count what the inbound side of the service's own sidecar measured.
 */
import { z } from 'zod';
import { HTTP_SERVER_REQUEST_DURATION } from '../observe/request-exposition.ts';
import { dottedName, label, resourceMetadata, text } from './values.ts';

/** Each is the edge of a bucket of the histograms of requests, so that it is counted and not guessed. */
const THRESHOLDS_MS = HTTP_SERVER_REQUEST_DURATION.bounds.map((seconds) => Math.round(seconds * 1e4) / 10);

const thresholdMs = z.number().superRefine((value, context) => {
  if (THRESHOLDS_MS.includes(value)) return;
  const near = THRESHOLDS_MS.toSorted((a, b) => Math.abs(a - value) - Math.abs(b - value))[0];
  const params = { suggestion: `did you mean ${near}? One of ${THRESHOLDS_MS.join(', ')}` };
  context.addIssue({ code: 'custom', message: `must be the edge of a bucket, not ${value}`, params });
});

const indicator = z
  .strictObject({
    /** Good: answered, and neither the service nor the mesh is to blame for an error. */
    availability: z.strictObject({}).optional(),
    /** Good: took at most that long, of those that are good by the above. */
    latency: z.strictObject({ thresholdMs }).optional(),
  })
  .superRefine(({ availability, latency }, context) => {
    if ((availability === undefined) !== (latency === undefined)) return;
    const params = { suggestion: 'write `availability: {}` or `latency: { thresholdMs: 250 }`' };
    context.addIssue({
      code: 'custom',
      message: 'must have exactly one of availability and latency',
      params,
    });
  });

export const spec = z.strictObject({
  service: dottedName,
  /** `http_route` of its metrics: the inbound listener, or `<HTTPRoute>/<rule>`. */
  route: text((value) =>
    /^[a-z0-9.-]{1,253}(\/[a-z0-9.-]{1,253})?$/.test(value)
      ? null
      : 'must be the name of a listener, or those of a route and its rule like orders/search',
  ).optional(),
  protocol: z.enum(['http', 'grpc']).default('http'),
  /** Percent. */
  objective: z.number().min(90).max(99.999),
  window: z.enum(['30d']).default('30d'),
  /** Who is told. */
  team: label,
  indicator,
});

export const serviceLevelDocument = z.strictObject({
  apiVersion: z.literal('mesh.tulle.dev/v1alpha1'),
  kind: z.literal('ServiceLevel'),
  metadata: resourceMetadata,
  spec,
});

export type ServiceLevelDocument = z.output<typeof serviceLevelDocument>;
