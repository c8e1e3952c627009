// The client against a real store: our stand-in over LanceDB, or the Qdrant that QDRANT_URL names.
import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Outbound, openOutbound } from '../lib/outbound.ts';
import { startVectorStore, type VectorStoreServer } from '../testing/vector-store.ts';
import { QdrantStore } from './store-client.ts';

const DIMENSIONS = 3;
let server: VectorStoreServer;
let outbound: Outbound;

beforeAll(async () => {
  server = await startVectorStore();
  outbound = openOutbound();
});
afterAll(async () => {
  await outbound.close();
  await server.stop();
});

function openStore(changes: object = {}): QdrantStore {
  return new QdrantStore(outbound, {
    url: server.url,
    collection: `test-${randomUUID()}`,
    dimensions: DIMENSIONS,
    timeoutMs: 10_000,
    apiKey: () => undefined,
    ...changes,
  });
}

function document(id: string, vector: number[], text = `text of ${id}`) {
  return { id, text, metadata: { n: 1 }, vector: Float32Array.from(vector) };
}

describe('what goes wrong', () => {
  let answer: (body: string) => { status: number; headers: Record<string, string>; body: string };
  let fake: Server;
  let url: string;

  beforeAll(async () => {
    fake = createServer(async (request, response) => {
      let body = '';
      for await (const part of request) body += part;
      const said = answer(body);
      response.writeHead(said.status, said.headers).end(said.body);
    });
    await new Promise<void>((resolve) => fake.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(fake.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    fake.closeAllConnections();
    fake.close();
  });

  const search = (changes: object = {}) =>
    openStore({ url, ...changes }).search('acme', new Float32Array(3), 1);
  const PROBLEM = { 'content-type': 'application/problem+json' };

  test.each([
    [503, 'circuit_open', 503],
    [504, 'upstream_timeout', 504],
    [502, 'upstream_reset', 502],
    [403, 'access_denied', 502],
  ])('the mesh answers %i (%s)', async (status, code, expected) => {
    const headers = { ...PROBLEM, 'retry-after': '7' };
    answer = () => ({ status, headers, body: JSON.stringify({ code }) });
    await expect(search()).rejects.toMatchObject({
      status: expected,
      code: 'vector_store_unavailable',
      reason: code,
      message: `vector-store answered ${status} (${code})`,
      headers: { 'retry-after': '7' },
    });
  });

  test('the store does not answer, and is not there', async () => {
    answer = () => ({ status: 200, headers: {}, body: 'no JSON' });
    await expect(search()).rejects.toMatchObject({ status: 502, reason: 'unknown_form' });
    const nobody = search({ url: 'http://127.0.0.1:1' });
    await expect(nobody).rejects.toMatchObject({ status: 502, reason: 'unreachable' });
  });

  test('the collection was made for another model', async () => {
    const collection = `test-${randomUUID()}`;
    await openStore({ collection }).upsert('acme', [document('a', [1, 0, 0])]);
    const other = openStore({ collection, dimensions: 4 }).search('acme', new Float32Array(4), 1);
    await expect(other).rejects.toMatchObject({ status: 500, code: 'collection_mismatch' });
  });

  test('a failure is not for ever', async () => {
    const store = openStore({ url });
    answer = () => ({ status: 500, headers: {}, body: '' });
    await expect(store.search('acme', new Float32Array(3), 1)).rejects.toMatchObject({ status: 502 });
    const config = { params: { vectors: { size: DIMENSIONS } } };
    answer = (body) => ({
      status: 200,
      headers: {},
      body: JSON.stringify({ result: body === '' ? { config } : { points: [] } }),
    });
    expect(await store.search('acme', new Float32Array(3), 1)).toEqual([]);
  });
});

test('the nearest come first, with all that was kept', async () => {
  const store = openStore();
  await store.upsert('acme', [
    document('x', [1, 0, 0]),
    document('y', [0, 1, 0]),
    document('xy', [0.8, 0.6, 0]),
  ]);
  const found = await store.search('acme', Float32Array.from([1, 0, 0]), 2);
  expect(found).toEqual([
    { id: 'x', score: expect.closeTo(1, 5), text: 'text of x', metadata: { n: 1 } },
    { id: 'xy', score: expect.closeTo(0.8, 5), text: 'text of xy', metadata: { n: 1 } },
  ]);
});

test('two that make the same collection at once both succeed', async () => {
  const collection = `test-${randomUUID()}`;
  const stores = [openStore({ collection }), openStore({ collection })];
  await Promise.all(stores.map((store, at) => store.upsert('acme', [document(`d${at}`, [1, 0, 0])])));
  expect(await openStore({ collection }).search('acme', Float32Array.from([1, 0, 0]), 9)).toHaveLength(2);
});

const name = fc.constantFrom('a', 'b', "a'b", '["tenant","a"]', 'ä=ö', '--', '%', '\\');

test('whatever is written, by whatever names: a tenant finds its own documents, in their last form', async () => {
  const store = openStore();
  const written = new Map<string, Map<string, string>>();
  const step = fc.record({ tenant: name, id: name, text: fc.option(fc.string(), { nil: null }) });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
      for (const { tenant, id, text } of steps) {
        const own = written.get(tenant) ?? new Map();
        written.set(tenant, own);
        if (text === null) {
          own.delete(id);
          await store.remove(tenant, [id]);
        } else {
          own.set(id, text);
          await store.upsert(tenant, [document(id, [1, 0, 0], text)]);
        }
      }
      for (const [tenant, own] of written) {
        const found = await store.search(tenant, Float32Array.from([1, 0, 0]), 50);
        expect(new Map(found.map(({ id, text }) => [id, text]))).toEqual(own);
      }
    }),
    { numRuns: 12 },
  );
});
