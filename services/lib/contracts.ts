/**
 * What the services say to each other: queue names, job payloads, request and answer bodies, each declared once.
 */
import { z } from 'zod';
import { httpUrl } from './config.ts';
import { LIMITS } from './limits.ts';

/** Who a call is for. Set by the service that authenticated it; access policies say who may call and so be believed. */
export const TENANT_HEADER = 'x-tenant-id';

export const RUN_QUEUE = 'workflow-runs';
export const DELIVERY_QUEUE = 'webhook-deliveries';

/** The list of waiting jobs in Redis, as BullMQ names it; the first to be taken is at its end. What scales workers by its length (KEDA) reads the same. */
export function waitListOf(queue: string): string {
  return `bull:${queue}:wait`;
}

/** Lower-case words with dashes: safe in a path, a Redis key and a webhook id. */
export const slug = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'must be lower-case words joined by dashes');

const json = z
  .unknown()
  .refine(
    (value) => isNestedAtMost(value, LIMITS.jsonDepth),
    `nested deeper than ${LIMITS.jsonDepth} levels`,
  );

/** POST /v1/workflows/{name}/runs. */
export const runRequest = z.strictObject({
  webhookUrl: httpUrl,
  input: z.record(z.string(), json),
});

export const runWork = runRequest.extend({ workflow: slug });
export type RunWork = z.infer<typeof runWork>;

/** POST /v1/deliveries. The id is the sender's: sending it again changes nothing. */
export const deliveryRequest = z.strictObject({
  deliveryId: z.string().regex(/^[a-z0-9_-]{1,128}$/, 'must be 1 to 128 of a-z, 0-9, _ and -'),
  tenant: slug,
  url: httpUrl,
  event: z.strictObject({
    type: z
      .string()
      .regex(/^[a-z0-9_]+(\.[a-z0-9_]+)*$/, 'must be words joined by dots, such as order.placed'),
    timestamp: z.iso.datetime(),
    data: json,
  }),
});
export type DeliveryRequest = z.infer<typeof deliveryRequest>;

/** The body is kept as text, so that every attempt signs and sends the same bytes. */
export const deliveryWork = z.strictObject({ url: httpUrl, body: z.string() });
export type DeliveryWork = z.infer<typeof deliveryWork>;

export const deliveryView = z.object({
  deliveryId: z.string(),
  tenant: z.string(),
  url: z.string(),
  state: z.enum(['queued', 'delivering', 'retrying', 'delivered', 'dead']),
  attempts: z.int(),
  reason: z.string().optional(),
  createdAt: z.string(),
  finishedAt: z.string().optional(),
});
export type DeliveryView = z.infer<typeof deliveryView>;

export const runId = z.string().regex(/^run_[0-9a-f-]{36}$/);

/** GET /v1/runs/{runId}. */
export const runView = z.object({
  runId: z.string(),
  tenant: z.string(),
  workflow: z.string(),
  state: z.enum(['queued', 'running', 'succeeded', 'failed']),
  attempts: z.int(),
  reason: z.string().optional(),
  createdAt: z.string(),
  finishedAt: z.string().optional(),
  results: z.record(z.string(), z.unknown()).optional(),
  deliveries: z.array(
    z.object({
      deliveryId: z.string(),
      state: z.union([deliveryView.shape.state, z.literal('unknown')]),
      attempts: z.int().optional(),
      reason: z.string().optional(),
    }),
  ),
});
export type RunView = z.infer<typeof runView>;

export const text = z.string().min(1).max(LIMITS.textChars);

/** POST /v1/documents. An id that is there already is replaced. */
export const documentsRequest = z.strictObject({
  documents: z
    .array(
      z.strictObject({
        id: z.string().min(1).max(LIMITS.documentIdChars),
        text,
        metadata: z
          .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))
          .refine(
            (metadata) => JSON.stringify(metadata).length <= LIMITS.documentMetadataChars,
            `longer than ${LIMITS.documentMetadataChars} characters as JSON`,
          )
          .default({}),
      }),
    )
    .min(1)
    .max(LIMITS.textsPerRequest),
});
export type DocumentsRequest = z.input<typeof documentsRequest>;

/** POST /v1/search. */
export const searchRequest = z.strictObject({
  query: text,
  limit: z.int().min(1).max(LIMITS.searchResults).default(10),
});
export type SearchRequest = z.input<typeof searchRequest>;

export const searchAnswer = z.object({
  model: z.string(),
  /** Only the beginning of the query was looked for: the model takes no more. */
  truncated: z.boolean(),
  results: z.array(
    z.object({
      id: z.string(),
      score: z.number(),
      text: z.string(),
      metadata: z.record(z.string(), z.unknown()),
    }),
  ),
});

function isNestedAtMost(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((item) => isNestedAtMost(item, depth - 1));
}
