// Qdrant's own client does with the stand-in what it does with Qdrant.
import { randomUUID } from 'node:crypto';
import { QdrantClient } from '@qdrant/js-client-rest';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startVectorStore, type VectorStoreServer } from '../testing/vector-store.ts';

let server: VectorStoreServer;
let client: QdrantClient;

beforeAll(async () => {
  server = await startVectorStore();
  client = new QdrantClient({ url: server.url, checkCompatibility: false });
});
afterAll(() => server.stop());

const of = (tenant: string) => ({ must: [{ key: 'tenant', match: { value: tenant } }] });

test('a collection is made, filled, asked, looked through and emptied', async () => {
  const name = `test-${randomUUID()}`;
  await expect(client.getCollection(name)).rejects.toMatchObject({ status: 404 });
  expect(await client.createCollection(name, { vectors: { size: 2, distance: 'Cosine' } })).toBe(true);
  const again = client.createCollection(name, { vectors: { size: 2, distance: 'Cosine' } });
  await expect(again).rejects.toMatchObject({ status: 409 });
  const index = { field_name: 'tenant', field_schema: { type: 'keyword', is_tenant: true } } as const;
  expect(await client.createPayloadIndex(name, { ...index, wait: true })).toMatchObject({
    status: 'completed',
  });

  const ids = [randomUUID(), randomUUID(), randomUUID()].sort() as [string, string, string];
  const points = [
    { id: ids[0], vector: [1, 0], payload: { tenant: 'acme', n: 0 } },
    { id: ids[1], vector: [1, 1], payload: { tenant: 'acme', n: 1 } },
    { id: ids[2], vector: [1, 0], payload: { tenant: 'globex', n: 2 } },
  ];
  expect(await client.upsert(name, { wait: true, points })).toMatchObject({ status: 'completed' });
  const { config, points_count } = await client.getCollection(name);
  expect(config.params.vectors).toMatchObject({ size: 2, distance: 'Cosine' });
  expect(points_count).toBe(3);

  const { points: found } = await client.query(name, {
    query: [1, 0],
    filter: of('acme'),
    limit: 2,
    with_payload: true,
  });
  expect(found).toMatchObject([
    { id: ids[0], payload: { n: 0 } },
    { id: ids[1], payload: { n: 1 } },
  ]);
  expect(found[1]?.score).toBeCloseTo(Math.SQRT1_2, 5);

  const page = await client.scroll(name, { limit: 2 });
  expect(page.points.map(({ id }) => id)).toEqual([ids[0], ids[1]]);
  expect(page.next_page_offset).toBe(ids[2]);
  const rest = await client.scroll(name, { limit: 2, offset: page.next_page_offset as string });
  expect(rest).toMatchObject({
    points: [{ id: ids[2], payload: { tenant: 'globex' } }],
    next_page_offset: null,
  });

  await client.delete(name, { wait: true, points: [ids[0]] });
  await client.delete(name, { wait: true, filter: of('globex') });
  expect((await client.scroll(name)).points.map(({ id }) => id)).toEqual([ids[1]]);
});
