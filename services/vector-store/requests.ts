/**
 * What this stand-in understands of Qdrant's REST API (v1.14), as schemas. What it does not understand it refuses: a client that works here
 * works there, not the other way round.
 */
import { z } from 'zod';
import { LIMITS } from '../lib/limits.ts';

export const collectionName = z
  .string()
  .regex(/^[a-zA-Z0-9_-]{1,64}$/, 'must be 1 to 64 of a-z, A-Z, 0-9, _ and -');

export const newCollection = z.strictObject({
  vectors: z.strictObject({
    size: z.int().min(1).max(LIMITS.vectorDimensions),
    distance: z.literal('Cosine'),
  }),
});

const vector = z.array(z.number()).min(1).max(LIMITS.vectorDimensions);
// Qdrant takes whole numbers, too.
const pointId = z.uuid();
const payload = z.record(z.string(), z.unknown());

const point = z.strictObject({ id: pointId, vector, payload: payload.default({}) });
export type Point = z.infer<typeof point>;

export const upsert = z.strictObject({ points: z.array(point).min(1).max(LIMITS.pointsPerRequest) });

const scalar = z.union([z.string(), z.int(), z.boolean()]);
const condition = z.union([
  z.strictObject({
    key: z.string().regex(/^[^.[\]]+$/, 'must be a field of the payload, not of what is in it'),
    match: z.strictObject({ value: scalar }),
  }),
  z.strictObject({ has_id: z.array(pointId).max(LIMITS.pointsPerRequest) }),
]);
const filter = z.strictObject({ must: z.array(condition).max(16) });
export type PointFilter = z.infer<typeof filter>;

const limit = z.int().min(1).max(LIMITS.pointsPerRequest).default(10);
/** Qdrant's own client says so with each request. */
const withoutVector = z.literal(false).optional();

export const query = z.strictObject({
  query: vector,
  filter: filter.optional(),
  limit,
  score_threshold: z.number().optional(),
  with_payload: z.boolean().default(false),
  with_vector: withoutVector,
});
export type Query = z.infer<typeof query>;

export const scroll = z.strictObject({
  filter: filter.optional(),
  limit,
  offset: pointId.nullish(),
  // There, unlike with a query, the default is true.
  with_payload: z.boolean().default(true),
  with_vector: withoutVector,
});
export type Scroll = z.infer<typeof scroll>;

export const deletion = z.union([
  z.strictObject({ points: z.array(pointId).min(1).max(LIMITS.pointsPerRequest) }),
  z.strictObject({ filter }),
]);
export type Deletion = z.infer<typeof deletion>;

export const fieldIndex = z.strictObject({
  field_name: z.string().min(1),
  field_schema: z.union([
    z.literal('keyword'),
    z.strictObject({ type: z.literal('keyword'), is_tenant: z.boolean().optional() }),
  ]),
});
