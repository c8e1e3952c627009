// The vector store behind the service's own sidecar, with deadline and breaker: what callers see when it hangs.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Sidecar, startSidecar } from '../../sidecar/src/app.ts';
import { createFolder, type Folder, sidecarConfig } from '../../test/e2e/mesh-fixture.ts';
import { findMiniLm } from '../../test/parts/minilm.ts';
import { waitFor } from '../testing/platform.ts';
import { type ServiceProcess, startService } from '../testing/service-process.ts';
import { type OwnVectorStore, startOwnVectorStore } from '../testing/vector-store.ts';

let folder: Folder;
let store: OwnVectorStore;
let sidecar: Sidecar;
let ai: ServiceProcess;

const POLICY = {
  apiVersion: 'mesh.tulle.dev/v1alpha1',
  kind: 'TrafficPolicy',
  metadata: { name: 'vector-store' },
  spec: {
    targetRefs: [{ kind: 'Service', name: 'vector-store' }],
    timeouts: { attemptMs: 400 },
    loadBalancer: { panicThreshold: 0 },
    outlierDetection: {
      consecutive: { gatewayFailures: 3 },
      ejection: { baseMs: 1_000, maxMs: 1_000, maxShare: 1 },
    },
  },
};

beforeAll(async () => {
  folder = await createFolder();
  store = await startOwnVectorStore();
  const services = [{ host: 'vector-store', mtls: 'off', endpoints: [new URL(store.url).host] }];
  const config = sidecarConfig('ai-processor', { outbound: { listen: '127.0.0.1:0', services } });
  const configPath = await folder.write('sidecar.yaml', `${config}\n---\n${JSON.stringify(POLICY)}\n`);
  sidecar = await startSidecar({ configPath });
  ai = await startService('ai-processor', {
    sidecar: { outbound: `http://127.0.0.1:${sidecar.outboundPort}` },
    model: { folder: await findMiniLm() },
  });
});

afterAll(async () => {
  process.kill(store.process.pid, 'SIGCONT');
  await ai?.stop();
  await sidecar?.drain();
  await store?.stop();
  await folder?.remove();
});

async function post(path: string, body: object) {
  const headers = { 'content-type': 'application/json', 'x-tenant-id': 'acme' };
  const response = await fetch(ai.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

test('callers fail by the deadline, then at once, each with the reason, while the rest goes on', async () => {
  const search = () => post('/v1/search', { query: 'cat' });
  const documents = [{ id: 'cats', text: 'A kitten sleeps.' }];
  expect((await post('/v1/documents', { documents })).status).toBe(200);
  expect((await search()).status).toBe(200);

  // Nothing below could be answered if anybody waited for the store.
  process.kill(store.process.pid, 'SIGSTOP');
  expect(await search()).toMatchObject({
    status: 504,
    body: {
      code: 'vector_store_unavailable',
      reason: 'upstream_timeout',
      detail: 'vector-store answered 504 (upstream_timeout)',
    },
  });
  const refused = await waitFor('the breaker', search, ({ status }) => status === 503);
  expect(refused.body).toMatchObject({ code: 'vector_store_unavailable', reason: 'circuit_open' });
  expect((await post('/v1/embeddings', { texts: ['cat'] })).status).toBe(200);
  expect((await fetch(`${ai.url}/healthz/ready`)).status).toBe(200);

  process.kill(store.process.pid, 'SIGCONT');
  const { body } = await waitFor('the store', search, ({ status }) => status === 200);
  expect(body.results).toMatchObject([{ id: 'cats' }]);
});
