/**
 * The local stand-in for Qdrant: the part of its REST API that the platform uses, over LanceDB on disk. Paths, bodies and statuses are
 * Qdrant's, so that a client of this is a client of that.
 *
 * Invariants: what was answered with 200 is on disk; a request that this does not understand is refused with 400 and said why.
 */
import { mkdirSync } from 'node:fs';
import { type Connection, connect } from '@lancedb/lancedb';
import type { FastifyError, FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import { filePath, serviceKeys } from '../lib/config.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Logger } from '../lib/log.ts';
import type { ServiceParts } from '../lib/service.ts';
import { Collection, TooManyWrites } from './collection.ts';
import { collectionName, deletion, fieldIndex, newCollection, query, scroll, upsert } from './requests.ts';

export const vectorStoreConfig = z.strictObject({ ...serviceKeys, folder: filePath });

type VectorStoreConfig = z.infer<typeof vectorStoreConfig>;
type Named = { Params: { name: string } };

export async function buildVectorStore(parts: ServiceParts<VectorStoreConfig>): Promise<void> {
  const folder = parts.pathOf(parts.config.folder);
  mkdirSync(folder, { recursive: true });
  const database = await connect(folder);
  const collections = new Collections(database);
  parts.addCheck('storage', async () => `${(await database.tableNames()).length} collections`);
  parts.onClose(async () => {
    await collections.settle();
    database.close();
  });
  parts.http.register(async (api) => {
    api.setErrorHandler((error: FastifyError, _request, reply) => sendError(error, reply, parts.log));
    api.get('/healthz', () => 'healthz check passed');
    addCollectionRoutes(api, collections);
    addPointRoutes(api, collections);
  });
}

/** Opened when they are first asked for; creating and opening happen one after the other. */
class Collections {
  readonly #database: Connection;
  readonly #opened = new Map<string, Collection>();
  #lastChange: Promise<unknown> = Promise.resolve();

  constructor(database: Connection) {
    this.#database = database;
  }

  async find(name: string): Promise<Collection> {
    const collection = this.#opened.get(name) ?? (await this.#change(() => this.#open(name)));
    if (!collection) throw new StoreError(404, `Not found: Collection \`${name}\` doesn't exist!`);
    return collection;
  }

  async create(name: string, size: number): Promise<void> {
    await this.#change(async () => {
      if (await this.#open(name)) {
        throw new StoreError(409, `Wrong input: Collection \`${name}\` already exists!`);
      }
      if (this.#opened.size >= LIMITS.vectorCollections) {
        throw new StoreError(400, `Wrong input: more than ${LIMITS.vectorCollections} collections`);
      }
      this.#opened.set(name, await Collection.create(this.#database, name, size));
    });
  }

  async settle(): Promise<void> {
    await Promise.all([...this.#opened.values()].map((collection) => collection.settle()));
  }

  async #open(name: string): Promise<Collection | undefined> {
    const opened = this.#opened.get(name);
    if (opened) return opened;
    if (!(await this.#database.tableNames()).includes(name)) return undefined;
    const collection = await Collection.open(this.#database, name);
    this.#opened.set(name, collection);
    return collection;
  }

  #change<T>(perform: () => Promise<T>): Promise<T> {
    const done = this.#lastChange.then(perform);
    this.#lastChange = done.catch(() => {});
    return done;
  }
}

function addCollectionRoutes(api: FastifyInstance, collections: Collections): void {
  api.put<Named>('/collections/:name', async (request, reply) => {
    const { vectors } = parse(newCollection, request.body);
    await collections.create(parse(collectionName, request.params.name), vectors.size);
    return answer(reply, true);
  });

  api.get<Named>('/collections/:name', async (request, reply) => {
    const collection = await collections.find(request.params.name);
    const vectors = { size: collection.size, distance: 'Cosine' };
    const points = await collection.count();
    return answer(reply, { status: 'green', points_count: points, config: { params: { vectors } } });
  });

  // Every scalar of a payload can be matched already.
  api.put<Named>('/collections/:name/index', async (request, reply) => {
    parse(fieldIndex, request.body);
    await collections.find(request.params.name);
    return answer(reply, COMPLETED);
  });
}

function addPointRoutes(api: FastifyInstance, collections: Collections): void {
  const large = { bodyLimit: LIMITS.vectorRequestBytes };

  api.put<Named>('/collections/:name/points', large, async (request, reply) => {
    const collection = await collections.find(request.params.name);
    const { points } = parse(upsert, request.body);
    for (const { vector } of points) checkSize(vector, collection.size);
    await collection.upsert(points);
    return answer(reply, COMPLETED);
  });

  api.post<Named>('/collections/:name/points/delete', large, async (request, reply) => {
    const collection = await collections.find(request.params.name);
    await collection.delete(parse(deletion, request.body));
    return answer(reply, COMPLETED);
  });

  api.post<Named>('/collections/:name/points/query', async (request, reply) => {
    const collection = await collections.find(request.params.name);
    const parsed = parse(query, request.body);
    checkSize(parsed.query, collection.size);
    return answer(reply, { points: await collection.query(parsed) });
  });

  api.post<Named>('/collections/:name/points/scroll', async (request, reply) => {
    const collection = await collections.find(request.params.name);
    return answer(reply, await collection.scroll(parse(scroll, request.body)));
  });
}

const COMPLETED = { operation_id: 0, status: 'completed' };

class StoreError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

function checkSize(vector: readonly number[], size: number): void {
  if (vector.length === size) return;
  throw new StoreError(
    400,
    `Wrong input: Vector dimension error: expected dim: ${size}, got ${vector.length}`,
  );
}

function parse<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new StoreError(
    400,
    `Format error: not in the subset that this stand-in knows: ${z.prettifyError(result.error)}`,
  );
}

function answer(reply: FastifyReply, result: unknown) {
  return { result, status: 'ok', time: reply.elapsedTime / 1_000 };
}

function sendError(error: FastifyError | StoreError, reply: FastifyReply, log: Logger): FastifyReply {
  const status = statusOf(error);
  if (status === 500) log.error({ err: error }, 'request failed');
  const message = error instanceof TooManyWrites ? 'too many writes wait' : error.message;
  return reply.code(status).send({
    status: { error: status === 500 ? 'Service internal error' : message },
    time: reply.elapsedTime / 1_000,
  });
}

function statusOf(error: FastifyError | StoreError): number {
  if (error instanceof StoreError) return error.status;
  if (error instanceof TooManyWrites) return 503;
  return error.statusCode ?? 500;
}
