import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type OtlpReceiver, startOtlpReceiver } from '../examples/demo/otlp-receiver.ts';
import type { Span } from '../mesh/cli/trace/span.ts';
import { OTHER_API_KEY, Platform, waitFor } from './testing/platform.ts';

// From the gateway through queue and worker to the AI processor and its vector store, and back to a search.

const spans: Span[] = [];
let collector: OtlpReceiver;
let platform: Platform;

beforeAll(async () => {
  collector = await startOtlpReceiver((batch) => spans.push(...batch));
  platform = await Platform.start({ ai: true, telemetryEndpoint: `http://127.0.0.1:${collector.port}` });
});
afterAll(async () => {
  await platform?.stop();
  await collector?.close();
});

interface Found {
  results: { id: string; text: string; score: number }[];
}

async function search(query: string, key?: string): Promise<Found> {
  const response = await platform.call('/v1/search', { body: { query }, ...(key && { key }) });
  expect(response.status).toBe(200);
  return (await response.json()) as Found;
}

async function takeNote(text: string, headers = {}) {
  const { runId } = await platform.startRun('/hooks/ok', headers, { text }, 'note-taken');
  return platform.waitForRun(runId, ({ deliveries }) => deliveries[0]?.state === 'delivered');
}

test('what a workflow has kept is found by its meaning, by its tenant alone', async () => {
  const first = await takeNote('The invoice of March was paid twice.');
  expect(first.results).toEqual({ similar: [] });
  const traceId = randomBytes(16).toString('hex');
  const traceparent = `00-${traceId}-${randomBytes(8).toString('hex')}-01`;
  const second = await takeNote('Please refund what we paid too much.', { traceparent });
  expect(second.results).toMatchObject({ similar: [{ id: `${first.runId}-keep` }] });

  const { results } = await search('double payment');
  expect(results.map(({ id }) => id).sort()).toEqual([`${first.runId}-keep`, `${second.runId}-keep`].sort());
  expect(results[0]?.text).toBe('The invoice of March was paid twice.');
  expect(await search('double payment', OTHER_API_KEY)).toMatchObject({ results: [] });

  const inTrace = async () => spans.filter((span) => span.traceId === traceId);
  const ofAi = (trace: Span[]) => trace.filter(({ service }) => service === 'ai-processor');
  const trace = await waitFor('the spans', inTrace, (found) => ofAi(found).length >= 6);
  expect(
    ofAi(trace)
      .map(({ name }) => name)
      .sort(),
  ).toEqual([
    'POST /collections/{name}/points/query',
    'POST /v1/documents',
    'POST /v1/search',
    'PUT /collections/{name}/points',
    'embeddings all-MiniLM-L6-v2-int8',
    'embeddings all-MiniLM-L6-v2-int8',
  ]);
});

test('documents can be put in directly, and a bad body is refused at the door', async () => {
  const documents = [{ id: 'faq-1', text: 'How do I reset my password?', metadata: { kind: 'faq' } }];
  expect((await platform.call('/v1/documents', { body: { documents } })).status).toBe(200);
  const [best] = (await search('I forgot my login')).results;
  expect(best).toMatchObject({ id: 'faq-1', metadata: { kind: 'faq' } });
  const refused = await platform.call('/v1/search', { body: { query: '' } });
  expect(refused.status).toBe(422);
  expect(await refused.json()).toMatchObject({ errors: [{ pointer: '/query' }] });
});

test('without its vector store a search fails with the reason, and without an AI processor too', async () => {
  await platform.services.get('vector-store')?.stop();
  const refused = await platform.call('/v1/search', { body: { query: 'anything' } });
  expect(refused.status).toBe(502);
  expect(await refused.json()).toMatchObject({
    code: 'ai_unavailable',
    reason: 'unreachable',
    detail: expect.stringMatching(
      /^ai-processor answered 502 \(vector_store_unavailable\): 127\.0\.0\.1:\d+ is unreach/,
    ),
  });
  await platform.services.get('ai-processor')?.stop();
  const gone = await platform.call('/v1/search', { body: { query: 'anything' } });
  expect(gone.status).toBe(502);
  expect(await gone.json()).toMatchObject({ code: 'ai_unavailable', reason: 'unreachable' });
});
