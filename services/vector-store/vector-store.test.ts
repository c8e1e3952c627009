// The stand-in as a process, by the requests of Qdrant's documentation, on real LanceDB.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ServiceProcess, startService } from '../testing/service-process.ts';

let folder: string;
let store: ServiceProcess;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-vectors-'));
  store = await startService('vector-store', { folder });
});
afterAll(async () => {
  expect(await store.stop()).toBe(0);
  await rm(folder, { recursive: true });
});

interface FoundPoint {
  id: string;
  score: number;
  payload: Record<string, unknown>;
}

interface Result {
  points: FoundPoint[];
  points_count: number;
  next_page_offset: string | null;
}

interface Answer {
  status: number;
  result: Result;
  error: string | undefined;
}

async function call(method: string, path: string, body?: object): Promise<Answer> {
  const response = await fetch(`${store.url}/collections/${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const { result, status, time } = (await response.json()) as {
    result: Result;
    status: { error?: string };
    time: number;
  };
  expect(time).toBeGreaterThanOrEqual(0);
  return { status: response.status, result, error: status.error };
}

async function createCollection(size = 2): Promise<string> {
  const name = `test-${randomUUID()}`;
  const created = await call('PUT', name, { vectors: { size, distance: 'Cosine' } });
  expect(created).toMatchObject({ status: 200, result: true });
  return name;
}

function point(vector: number[], payload: Record<string, unknown> = {}) {
  return { id: randomUUID(), vector, payload };
}

describe('what is refused, and why', () => {
  test('collections: none of that name, one too many of that name, what a stand-in does not know', async () => {
    expect(await call('GET', 'nothing')).toMatchObject({
      status: 404,
      error: expect.stringMatching(/doesn't exist/),
    });
    const query = { query: [1, 0] };
    expect((await call('POST', 'nothing/points/query', query)).status).toBe(404);
    const name = await createCollection();
    const vectors = { size: 2, distance: 'Cosine' };
    expect(await call('PUT', name, { vectors })).toMatchObject({
      status: 409,
      error: expect.stringMatching(/already exists/),
    });
    const euclidean = await call('PUT', 'x', { vectors: { size: 2, distance: 'Euclid' } });
    expect(euclidean).toMatchObject({ status: 400, error: expect.stringMatching(/vectors\.distance/) });
    expect((await call('PUT', '..%2Fx', { vectors })).status).toBe(400);
  });

  test.each([
    ['a vector of another size', [point([1, 0, 0])], /expected dim: 2, got 3/],
    ['an id that is no UUID', [{ id: 'a', vector: [1, 0] }], /points\[0\]\.id/],
    ['no points', [], /points/],
  ])('points: %s', async (_what, points, error) => {
    const name = await createCollection();
    expect(await call('PUT', `${name}/points`, { points })).toMatchObject({
      status: 400,
      error: expect.stringMatching(error),
    });
    expect((await call('GET', name)).result.points_count).toBe(0);
  });

  test('filters beyond the subset, instead of passing over them', async () => {
    const name = await createCollection();
    const filter = { should: [{ key: 'a', match: { value: 1 } }] };
    expect((await call('POST', `${name}/points/query`, { query: [1, 0], filter })).status).toBe(400);
    const nested = { must: [{ key: 'a.b', match: { value: 1 } }] };
    expect((await call('POST', `${name}/points/scroll`, { filter: nested })).status).toBe(400);
    expect((await call('POST', `${name}/points/delete`, { filter })).status).toBe(400);
  });

  test('what is no JSON', async () => {
    const response = await fetch(`${store.url}/collections/x`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: '{',
    });
    expect(response.status).toBe(400);
  });
});

test('points are found by direction, within a filter, down to a score', async () => {
  const name = await createCollection();
  const points = [
    point([1, 0], { tenant: 'a', n: 1, deep: { x: 1 } }),
    point([1, 1], { tenant: 'a', n: 2 }),
    point([1, 0], { tenant: "a' OR true --", n: 1 }),
    point([-1, 0], { tenant: ['b', 'a'], n: true }),
  ];
  await call('PUT', `${name}/points?wait=true`, { points });
  const search = async (more: object) => {
    const body = { query: [2, 0], with_payload: true, ...more };
    const { result } = await call('POST', `${name}/points/query`, body);
    return result.points.map((it) => [points.findIndex(({ id }) => id === it.id), it.score]);
  };
  const where = (key: string, value: unknown) => ({ key, match: { value } });
  const near = (score: number) => expect.closeTo(score, 5);
  expect(await search({ filter: { must: [where('tenant', 'a')] } })).toEqual([
    [0, near(1)],
    [1, near(Math.SQRT1_2)],
    [3, near(-1)],
  ]);
  expect(await search({ filter: { must: [where('tenant', 'a')] }, limit: 1 })).toEqual([[0, near(1)]]);
  expect(await search({ filter: { must: [where('tenant', 'a')] }, score_threshold: 0.9 })).toHaveLength(1);
  expect(await search({ filter: { must: [where('tenant', "a' OR true --")] } })).toEqual([[2, near(1)]]);
  expect(await search({ filter: { must: [where('tenant', 'a'), where('n', 2)] } })).toHaveLength(1);
  expect(await search({ filter: { must: [where('n', true)] } })).toEqual([[3, near(-1)]]);
  expect(await search({ filter: { must: [{ has_id: [points[1]?.id] }] } })).toHaveLength(1);
  expect(await search({ filter: { must: [{ has_id: [] }] } })).toEqual([]);
  expect(await search({})).toHaveLength(4);
});

test('a point is replaced by its id, also within one request, and removed by id or filter', async () => {
  const name = await createCollection();
  const [one, two, three] = [point([1, 0], { v: 1 }), point([0, 1], { v: 2 }), point([0, 1], { v: 3 })];
  const newer = { ...one, payload: { v: 4 } };
  await call('PUT', `${name}/points`, { points: [one, two, three, newer] });
  const all = async () => {
    const { points } = (await call('POST', `${name}/points/scroll`, {})).result;
    return points.map((it) => it.payload.v).sort();
  };
  expect(await all()).toEqual([2, 3, 4]);
  await call('PUT', `${name}/points`, { points: [{ ...one, payload: { v: 5 } }] });
  expect(await all()).toEqual([2, 3, 5]);
  await call('POST', `${name}/points/delete`, { points: [one.id] });
  await call('POST', `${name}/points/delete`, { filter: { must: [{ key: 'v', match: { value: 3 } }] } });
  expect(await all()).toEqual([2]);
});

test('scrolling shows every point once', async () => {
  const name = await createCollection();
  const points = Array.from({ length: 25 }, (_, n) => point([1, n], { even: n % 2 === 0 }));
  await call('PUT', `${name}/points`, { points });
  const seen: string[] = [];
  const filter = { must: [{ key: 'even', match: { value: true } }] };
  for (let offset: string | null | undefined; offset !== null; ) {
    const { result } = await call('POST', `${name}/points/scroll`, { filter, limit: 4, offset });
    expect(result.points.length).toBeGreaterThan(0);
    seen.push(...result.points.map(({ id }) => id));
    offset = result.next_page_offset;
  }
  expect(seen).toEqual(
    points
      .filter(({ payload }) => payload.even)
      .map(({ id }) => id)
      .sort(),
  );
});

test('many write at once, through the folding of versions, and nothing is lost', async () => {
  const name = await createCollection();
  const writers = Array.from({ length: 120 }, (_, n) =>
    call('PUT', `${name}/points`, { points: [point([1, n])] }),
  );
  const reads = Array.from({ length: 20 }, () => call('POST', `${name}/points/query`, { query: [1, 0] }));
  for (const { status } of await Promise.all([...writers, ...reads])) expect(status).toBe(200);
  expect((await call('GET', name)).result.points_count).toBe(120);
});

test('what was answered is there after the process was killed in the middle of writing', async () => {
  const name = await createCollection();
  const written: string[] = [];
  let unanswered = 0;
  const writers = Array.from({ length: 60 }, async (_, n) => {
    const one = point([1, n]);
    await call('PUT', `${name}/points`, { points: [one] }).then(
      () => written.push(one.id),
      () => unanswered++,
    );
  });
  await expect.poll(() => written.length).toBeGreaterThan(5);
  await store.stop('SIGKILL');
  await Promise.all(writers);
  expect(unanswered).toBeGreaterThan(0);
  store = await startService('vector-store', { folder });
  const { result } = await call('POST', `${name}/points/scroll`, { limit: 100 });
  const there = new Set(result.points.map(({ id }) => id));
  for (const id of written) expect(there).toContain(id);
  expect((await call('PUT', `${name}/points`, { points: [point([1, 0])] })).status).toBe(200);
});

test('health is answered as there and as here', async () => {
  expect(await (await fetch(`${store.url}/healthz`)).text()).toBe('healthz check passed');
  expect((await fetch(`${store.url}/healthz/ready`)).status).toBe(200);
});
