// The service as a process: its API, what it refuses, and what it does when there is too much.
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import http from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findMiniLm } from '../../test/parts/minilm.ts';
import { checkMetrics } from '../../test/parts/prometheus.ts';
import { waitFor } from '../testing/platform.ts';
import { type ServiceProcess, startService } from '../testing/service-process.ts';
import { startVectorStore, type VectorStoreServer } from '../testing/vector-store.ts';

const SOME = 'The quick brown fox jumps over the lazy dog. '.repeat(4);
const LONG = SOME.repeat(15);
let store: VectorStoreServer;
let ai: ServiceProcess;

beforeAll(async () => {
  store = await startVectorStore();
  ai = await startService('ai-processor', {
    model: { folder: await findMiniLm() },
    metrics: { listen: '127.0.0.1:0' },
    // The least there may be.
    embedding: { queuedTexts: 64, queuedTextsPerTenant: 32, timeoutMs: 60_000 },
    vectorStore: { url: store.url, timeoutMs: 10_000 },
  });
});
afterAll(async () => {
  expect(await ai.stop()).toBe(0);
  await store.stop();
});

interface Answer {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

async function post(
  path: string,
  body: unknown,
  headers: object = { 'x-tenant-id': 'acme' },
): Promise<Answer> {
  const response = await fetch(ai.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Answer['body'],
  };
}

describe('what is refused', () => {
  test('a start without a model, with what to do', async () => {
    const start = startService('ai-processor', { model: { folder: '/nowhere' } });
    await expect(start).rejects.toThrow(/exited with 1.*model\.json: is not there; fetch the model/s);
  });

  test('a call that names no tenant, or none that can be', async () => {
    for (const headers of [{}, { 'x-tenant-id': 'No Tenant' }]) {
      const { status, body } = await post('/v1/embeddings', { texts: ['a'] }, headers);
      expect({ status, code: body.code }).toEqual({ status: 400, code: 'no_tenant' });
    }
  });

  test.each([
    ['/v1/embeddings', { texts: [] }, '/texts'],
    ['/v1/embeddings', { texts: ['a', ''] }, '/texts/1'],
    ['/v1/embeddings', { texts: ['x'.repeat(8_193)] }, '/texts/0'],
    ['/v1/embeddings', { texts: Array(33).fill('a') }, '/texts'],
    [
      '/v1/documents',
      { documents: [{ id: 'a', text: 'a', metadata: { deep: {} } }] },
      '/documents/0/metadata/deep',
    ],
    [
      '/v1/documents',
      { documents: [{ id: 'a', text: 'a', metadata: { long: 'x'.repeat(4_096) } }] },
      '/documents/0/metadata',
    ],
    ['/v1/search', { query: 'a', limit: 0 }, '/limit'],
    ['/v1/search', { query: 'a', tenant: 'globex' }, '/tenant'],
    ['/v1/summarise', { text: '' }, '/text'],
    ['/v1/classify', { text: 'a', labels: ['same', 'same'] }, '/labels'],
  ])('%s: a body that is wrong at $2', async (path, request, pointer) => {
    const { status, body } = await post(path, request);
    expect(status).toBe(422);
    expect(body.errors).toMatchObject([{ pointer }]);
  });

  test('more texts of one tenant than its share, with when to come back; others are served', async () => {
    const texts = Array(32).fill(SOME);
    const busy = Promise.all([1, 2, 3].map(() => post('/v1/embeddings', { texts })));
    const other = post('/v1/embeddings', { texts: ['short'] }, { 'x-tenant-id': 'globex' });
    const answers = await busy;
    const refused = answers.filter(({ status }) => status !== 200);
    expect(refused.length).toBeGreaterThan(0);
    for (const { status, headers, body } of refused) {
      expect({ status, code: body.code }).toEqual({ status: 429, code: 'tenant_queue_full' });
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect((await other).status).toBe(200);
  });

  test('more texts than may wait altogether', async () => {
    const texts = Array(32).fill(SOME);
    const tenants = ['a', 'b', 'c', 'd', 'e'];
    const answers = await Promise.all(
      tenants.map((tenant) => post('/v1/embeddings', { texts }, { 'x-tenant-id': tenant })),
    );
    const refused = answers.filter(({ status }) => status !== 200);
    expect(refused.length).toBeGreaterThan(0);
    for (const { status, headers, body } of refused) {
      expect({ status, code: body.code }).toEqual({ status: 503, code: 'embedding_queue_full' });
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    }
  });
});

test('the texts of a caller that has gone are not computed', async () => {
  const request = http.request(`${ai.url}/v1/embeddings`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-tenant-id': 'acme', 'x-request-id': 'gone-1' },
  });
  request.on('error', () => {});
  request.end(JSON.stringify({ texts: Array(32).fill(SOME) }));
  await once(request, 'finish');
  request.destroy();
  const lines = async () => ai.lines.filter((line) => line.request_id === 'gone-1');
  const found = await waitFor('the refusal', lines, (them) =>
    them.some(({ code }) => code === 'caller_gone'),
  );
  expect(found.find(({ message }) => message === 'request')).toMatchObject({ aborted: true });
  expect((await post('/v1/embeddings', { texts: Array(32).fill('short') })).status).toBe(200);
});

test('embeddings come in the order of the texts, with what of them was read', async () => {
  const { body } = await post('/v1/embeddings', { texts: ['a', LONG, 'b'] });
  expect(body).toMatchObject({ model: 'all-MiniLM-L6-v2-int8', dimensions: 384 });
  const embeddings = body.embeddings as { embedding: number[]; tokens: number; truncated: boolean }[];
  expect(embeddings.map(({ tokens, truncated }) => ({ tokens, truncated }))).toEqual([
    { tokens: 3, truncated: false },
    { tokens: 256, truncated: true },
    { tokens: 3, truncated: false },
  ]);
  const again = await post('/v1/embeddings', { texts: ['b'] });
  expect(again.body.embeddings).toEqual([embeddings[2]]);
});

test('documents are found by meaning, replaced by id, and removed', async () => {
  const put = (text: string, id = 'pet') =>
    post('/v1/documents', { documents: [{ id, text, metadata: { kind: 'note' } }] });
  const nearest = async (query: string, tenant = 'acme') => {
    const { body } = await post('/v1/search', { query }, { 'x-tenant-id': tenant });
    return (body.results as { id: string; text: string; metadata: object }[])[0];
  };
  await put('The central bank raised interest rates.', 'rates');
  expect((await put('A kitten sleeps on the warm rug.')).body).toMatchObject({
    documents: [{ id: 'pet', truncated: false }],
  });
  expect(await nearest('Where does the cat rest?')).toMatchObject({ id: 'pet', metadata: { kind: 'note' } });
  expect(await nearest('Where does the cat rest?', 'globex')).toBeUndefined();
  await put('A puppy runs in the garden.');
  expect(await nearest('dog')).toMatchObject({ id: 'pet', text: 'A puppy runs in the garden.' });

  const headers = { 'x-tenant-id': 'globex' };
  const removal = (tenant: object) =>
    fetch(`${ai.url}/v1/documents/pet`, { method: 'DELETE', headers: { ...headers, ...tenant } });
  expect((await removal({})).status).toBe(204);
  expect((await nearest('dog'))?.id, 'another tenant removed nothing').toBe('pet');
  expect((await removal({ 'x-tenant-id': 'acme' })).status).toBe(204);
  expect((await nearest('dog'))?.id).toBe('rates');
});

test('what was asked for is counted by what became of it', async () => {
  const read = async () => (await fetch(ai.metricsUrl)).text();
  const count = async (sample: string) => {
    const line = (await read()).split('\n').find((each) => each.startsWith(sample));
    return Number(line?.slice(line.lastIndexOf(' ')));
  };
  await checkMetrics(await read());
  const embedded = 'tulle_embedding_texts_total{outcome="embedded"';
  const before = await count(embedded);
  await post('/v1/embeddings', { texts: ['a', 'b'] });
  await post('/v1/classify', { text: 'a', labels: ['b', 'c'] });
  expect(await count(embedded)).toBe(before + 5);
  expect(await count('tulle_language_answers_total')).toBe(1);
  expect(await count('tulle_embedding_queued_texts')).toBe(0);
  expect(await count('tulle_embedding_texts_total{outcome="caller_gone"')).toBe(32);
});

test('the OpenAPI document tells every path that is served, and no other', async () => {
  const api = (await (await fetch(`${ai.url}/openapi.json`)).json()) as {
    openapi: string;
    paths: Record<string, Record<string, { responses: object }>>;
  };
  expect(api.openapi).toBe('3.1.0');
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, { responses }] of Object.entries(methods)) {
      const response = await fetch(ai.url + path.replace('{id}', 'x'), { method: method.toUpperCase() });
      const { code } = (await response.json()) as { code: string };
      expect({ path, code }).toEqual({ path, code: expect.stringMatching(/^(no_tenant|bad_request)$/) });
      expect(Object.keys(responses)).toContain(String(response.status));
    }
  }
  expect(Object.keys(api.paths).sort()).toEqual([
    '/v1/classify',
    '/v1/documents',
    '/v1/documents/{id}',
    '/v1/embeddings',
    '/v1/search',
    '/v1/summarise',
  ]);
});

test('the process of the model ends with the service, also when that is killed', async () => {
  const own = await startService('ai-processor', { model: { folder: await findMiniLm() } });
  const { pid } = own.lines.find(({ message }) => message === 'model loaded') as { pid: number };
  const isThere = () => existsSync(`/proc/${pid}`);
  expect(isThere()).toBe(true);
  await own.stop('SIGKILL');
  await waitFor(
    'the end of the process',
    async () => isThere(),
    (there) => !there,
  );
});
