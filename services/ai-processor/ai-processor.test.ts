import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findMiniLm } from '../../test/parts/minilm.ts';
import { type ServiceProcess, startService } from '../testing/service-process.ts';

let folder: string;
let store: ServiceProcess;
let ai: ServiceProcess;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-vectors-'));
  const model = { folder: await findMiniLm() };
  store = await startService('vector-store', { folder });
  ai = await startService('ai-processor', { model, vectorStore: { url: store.url } });
});

afterAll(async () => {
  expect(await ai.stop()).toBe(0);
  expect(await store.stop()).toBe(0);
  await rm(folder, { recursive: true });
});

function post(path: string, body: object, tenant = 'acme') {
  const headers = { 'content-type': 'application/json', 'x-tenant-id': tenant };
  return fetch(ai.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
}

test('what was put in is found by its meaning', async () => {
  const documents = [
    { id: 'cats', text: 'A kitten sleeps on the warm rug.', metadata: { form: 'pets' } },
    { id: 'rates', text: 'The central bank raised interest rates.' },
    { id: 'bikes', text: 'How to repair the chain of a bicycle.' },
  ];
  const put = await post('/v1/documents', { documents });
  expect(await put.json()).toMatchObject({ documents: [{ id: 'cats', truncated: false }, {}, {}] });
  const found = await post('/v1/search', { query: 'Where does the cat rest?', limit: 2 });
  const { results } = (await found.json()) as { results: { id: string; score: number }[] };
  expect(results[0]).toMatchObject({ id: 'cats', metadata: { form: 'pets' } });
  expect(results).toHaveLength(2);
});
