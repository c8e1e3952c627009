/**
 * Embeds texts, keeps them by tenant in a vector store and finds the nearest.
 *
 * Invariants: the event loop computes no vector; the model is loaded and verified before the service is ready; without the vector store
 * everything else still works.
 */
import { z } from 'zod';
import { filePath, httpUrl, secretRef, serviceKeys } from '../lib/config.ts';
import { documentsRequest, searchRequest, text } from '../lib/contracts.ts';
import { LIMITS } from '../lib/limits.ts';
import { parseBody } from '../lib/problem.ts';
import type { ServiceParts } from '../lib/service.ts';
import { callerOf } from './caller.ts';
import { Embedder, type Embedding } from './embedder.ts';
import { openModelFolder } from './model-folder.ts';
import { QdrantStore } from './store-client.ts';

export const aiProcessorConfig = z.strictObject({
  ...serviceKeys,
  secrets: z.strictObject({ vectorStore: secretRef.optional() }).prefault({}),
  model: z.strictObject({
    folder: filePath,
    /** What ONNX Runtime computes on: cpu, or for instance cuda where its libraries are installed. */
    executionProvider: z.enum(['cpu', 'cuda', 'tensorrt', 'coreml', 'dml', 'webgpu']).default('cpu'),
    threads: z.int().min(1).max(256).default(1),
  }),
  embedding: z
    .strictObject({
      batch: z.int().min(1).max(256).default(16),
      queuedTexts: z.int().min(1).max(100_000).default(512),
      queuedTextsPerTenant: z.int().min(1).max(100_000).default(128),
      timeoutMs: z.int().min(1).max(60_000).default(5_000),
    })
    .prefault({}),
  vectorStore: z
    .strictObject({
      url: httpUrl.default('http://vector-store'),
      collection: z
        .string()
        .regex(/^[a-zA-Z0-9_-]{1,64}$/)
        .default('documents'),
      timeoutMs: z.int().min(1).max(60_000).default(2_000),
    })
    .prefault({}),
});

type AiProcessorConfig = z.infer<typeof aiProcessorConfig>;

const embeddingsRequest = z.strictObject({ texts: z.array(text).min(1).max(LIMITS.textsPerRequest) });

export async function buildAiProcessor(parts: ServiceParts<AiProcessorConfig>): Promise<void> {
  const { config, http } = parts;
  const model = openModelFolder(parts.pathOf(config.model.folder));
  const { executionProvider, threads } = config.model;
  const embedder = await Embedder.open({ model, executionProvider, threads, ...config.embedding });
  parts.onClose(() => embedder.close());
  const store = openStore(parts, model.dimensions);
  const { timeoutMs } = config.embedding;

  http.post('/v1/embeddings', async (request, reply) => {
    const { tenant, signal } = callerOf(request, reply, timeoutMs);
    const { texts } = parseBody(embeddingsRequest, request.body);
    const embeddings = await embedder.embed(tenant, texts, signal);
    return {
      model: model.name,
      dimensions: model.dimensions,
      embeddings: embeddings.map(({ vector, tokens, truncated }) => ({
        embedding: [...vector],
        tokens,
        truncated,
      })),
    };
  });

  http.post('/v1/documents', async (request, reply) => {
    const { tenant, signal } = callerOf(request, reply, timeoutMs);
    const { documents } = parseBody(documentsRequest, request.body);
    const texts = documents.map((document) => document.text);
    const embeddings = await embedder.embed(tenant, texts, signal);
    const embedded = documents.map((document, at) => ({ ...document, ...(embeddings[at] as Embedding) }));
    await store.upsert(tenant, embedded);
    return {
      model: model.name,
      documents: embedded.map(({ id, tokens, truncated }) => ({ id, tokens, truncated })),
    };
  });

  http.delete<{ Params: { id: string } }>('/v1/documents/:id', async (request, reply) => {
    const { tenant } = callerOf(request, reply, timeoutMs);
    await store.remove(tenant, [request.params.id]);
    reply.code(204);
  });

  http.post('/v1/search', async (request, reply) => {
    const { tenant, signal } = callerOf(request, reply, timeoutMs);
    const { query, limit } = parseBody(searchRequest, request.body);
    const [{ vector, truncated }] = (await embedder.embed(tenant, [query], signal)) as [Embedding];
    const results = await store.search(tenant, vector, limit);
    return { model: model.name, truncated, results };
  });
}

function openStore(parts: ServiceParts<AiProcessorConfig>, dimensions: number): QdrantStore {
  const { config, outbound } = parts;
  let apiKey: string | undefined;
  if (config.secrets.vectorStore !== undefined) {
    parts.watchSecret('vectorStore', z.string().min(1), (key) => {
      apiKey = key;
    });
  }
  return new QdrantStore(outbound, { ...config.vectorStore, dimensions, apiKey: () => apiKey });
}
