/**
 * Documents in a vector store. What is kept and found belongs to a tenant; there is no way to ask across tenants.
 *
 * Invariants: a document's point is named by tenant and document id, so that writing it again replaces it and no tenant can reach
 * another's; a store that does not answer in time, or whose breaker is open, is a Problem with the reason that the mesh gave.
 */
import { createHash } from 'node:crypto';
import type { Schemas } from '@qdrant/js-client-rest';
import { z } from 'zod';
import { LIMITS } from '../lib/limits.ts';
import {
  codeOf,
  describeResponse,
  type Outbound,
  type OutboundError,
  type OutboundResponse,
  retryAfterOf,
  statusOf,
} from '../lib/outbound.ts';
import { Problem } from '../lib/problem.ts';

export interface StoredDocument {
  id: string;
  text: string;
  metadata: Record<string, unknown>;
  vector: Float32Array;
}

export interface FoundDocument {
  id: string;
  /** Cosine of the angle: 1 is the same direction. */
  score: number;
  text: string;
  metadata: Record<string, unknown>;
}

export interface VectorStore {
  upsert: (tenant: string, documents: readonly StoredDocument[]) => Promise<void>;
  remove: (tenant: string, ids: readonly string[]) => Promise<void>;
  search: (tenant: string, vector: Float32Array, limit: number) => Promise<FoundDocument[]>;
}

export interface QdrantOptions {
  url: string;
  collection: string;
  dimensions: number;
  timeoutMs: number;
  apiKey: () => string | undefined;
}

const queryAnswer = z.object({
  result: z.object({
    points: z.array(
      z.object({
        score: z.number(),
        payload: z.object({
          document: z.string(),
          text: z.string(),
          metadata: z.record(z.string(), z.unknown()),
        }),
      }),
    ),
  }),
});
const collectionAnswer = z.object({
  result: z.object({
    config: z.object({ params: z.object({ vectors: z.object({ size: z.int() }) }) }),
  }),
});

/** A client of Qdrant's REST API (v1.10 and newer), https://api.qdrant.tech. */
export class QdrantStore implements VectorStore {
  readonly #outbound: Outbound;
  readonly #options: QdrantOptions;
  #prepared: Promise<void> | null = null;

  constructor(outbound: Outbound, options: QdrantOptions) {
    this.#outbound = outbound;
    this.#options = options;
  }

  async upsert(tenant: string, documents: readonly StoredDocument[]): Promise<void> {
    await this.#prepare();
    const points = documents.map(({ id, text, metadata, vector }) => ({
      id: pointId(tenant, id),
      vector: [...vector],
      payload: { tenant, document: id, text, metadata },
    }));
    await this.#call('PUT', '/points?wait=true', { points } satisfies Schemas['PointsList']);
  }

  async remove(tenant: string, ids: readonly string[]): Promise<void> {
    await this.#prepare();
    const points = ids.map((id) => pointId(tenant, id));
    await this.#call('POST', '/points/delete?wait=true', { points } satisfies Schemas['PointIdsList']);
  }

  async search(tenant: string, vector: Float32Array, limit: number): Promise<FoundDocument[]> {
    await this.#prepare();
    const filter = { must: [{ key: 'tenant', match: { value: tenant } }] };
    const query = { query: [...vector], filter, limit, with_payload: true } satisfies Schemas['QueryRequest'];
    const response = await this.#call('POST', '/points/query', query);
    const { points } = read(queryAnswer, response).result;
    return points.map(({ score, payload: { document, text, metadata } }) => ({
      id: document,
      score,
      text,
      metadata,
    }));
  }

  /** Once, and again after a failure: the collection is there, and its vectors are as long as the model's. */
  #prepare(): Promise<void> {
    this.#prepared ??= this.#createCollection().catch((error) => {
      this.#prepared = null;
      throw error;
    });
    return this.#prepared;
  }

  async #createCollection(): Promise<void> {
    const { dimensions, collection } = this.#options;
    const there = await this.#call('GET', '', undefined, [404]);
    if (there.status === 404) {
      // 409: somebody else was quicker.
      await this.#call('PUT', '', { vectors: { size: dimensions, distance: 'Cosine' } }, [409]);
      const index = {
        field_name: 'tenant',
        field_schema: { type: 'keyword', is_tenant: true },
      } satisfies Schemas['CreateFieldIndex'];
      await this.#call('PUT', '/index?wait=true', index);
      return;
    }
    const { size } = read(collectionAnswer, there).result.config.params.vectors;
    if (size === dimensions) return;
    throw new Problem({
      status: 500,
      code: 'collection_mismatch',
      detail: `The vectors of ${collection} have ${size} dimensions, those of the model ${dimensions}; configure another collection.`,
    });
  }

  async #call(
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    body?: object,
    accepted: number[] = [],
  ): Promise<OutboundResponse> {
    const { url, collection, timeoutMs, apiKey } = this.#options;
    const key = apiKey();
    const response = await this.#outbound
      .request({
        method,
        url: new URL(`/collections/${collection}${path}`, url).href,
        route: `/collections/{name}${path.split('?')[0]}`,
        headers: { 'content-type': 'application/json', ...(key === undefined ? {} : { 'api-key': key }) },
        ...(body && { body: JSON.stringify(body) }),
        timeoutMs,
        responseBytes: LIMITS.vectorResponseBytes,
      })
      .catch((error: OutboundError) => {
        throw storeFailed(statusOf(error), error.code, error.message);
      });
    if (response.status === 200 || accepted.includes(response.status)) return response;
    const status = response.status === 503 || response.status === 504 ? response.status : 502;
    throw storeFailed(status, codeOf(response), `vector-store ${describeResponse(response)}`, response);
  }
}

/** A UUID, as Qdrant's ids are, by hashing (RFC 9562, section 5.8). */
function pointId(tenant: string, id: string): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([tenant, id]))
    .digest();
  hash[6] = ((hash[6] as number) & 0x0f) | 0x80;
  hash[8] = ((hash[8] as number) & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  );
}

function read<S extends z.ZodType>(schema: S, response: OutboundResponse): z.infer<S> {
  try {
    return schema.parse(JSON.parse(response.body));
  } catch (error) {
    throw storeFailed(
      502,
      'unknown_form',
      `vector-store answered in an unknown form: ${(error as Error).message}`,
    );
  }
}

function storeFailed(
  status: number,
  reason: string | undefined,
  detail: string,
  response?: OutboundResponse,
): Problem {
  return new Problem({
    status,
    code: 'vector_store_unavailable',
    detail,
    ...(reason === undefined ? {} : { reason }),
    ...(response && { headers: retryAfterOf(response) }),
  });
}
