/**
 * Embeds texts, keeps them by tenant in a vector store and finds the nearest.
 *
 * Invariants: the event loop computes no vector; the model is loaded and verified before the service is ready; without the vector store
 * everything else still works.
 */
import { z } from 'zod';
import { filePath, httpUrl, secretRef, serviceKeys } from '../lib/config.ts';
import { documentsRequest, searchRequest } from '../lib/contracts.ts';
import { LIMITS } from '../lib/limits.ts';
import { parseBody } from '../lib/problem.ts';
import type { ServiceParts } from '../lib/service.ts';
import { aiProcessorApi, classifyRequest, documentId, embeddingsRequest, summariseRequest } from './api.ts';
import { callerOf } from './caller.ts';
import { Embedder, type Embedding } from './embedder.ts';
import type { Embed } from './extractive.ts';
import { classifyText, LOCAL, summariseText } from './language.ts';
import { LanguageModel } from './language-model.ts';
import { EmbeddingMetrics, LANGUAGE_ANSWERS } from './metrics.ts';
import { openModelFolder } from './model-folder.ts';
import { QdrantStore, type VectorStore } from './store-client.ts';

export const aiProcessorConfig = z.strictObject({
  ...serviceKeys,
  secrets: z
    .strictObject({ vectorStore: secretRef.optional(), languageModel: secretRef.optional() })
    .prefault({}),
  model: z.strictObject({
    folder: filePath,
    /** What ONNX Runtime computes on: cpu, or for instance cuda where its libraries are installed. */
    executionProvider: z.enum(['cpu', 'cuda', 'tensorrt', 'coreml', 'dml', 'webgpu']).default('cpu'),
    threads: z.int().min(1).max(256).default(1),
  }),
  embedding: z
    .strictObject({
      batch: z.int().min(1).max(256).default(8),
      // So that any request can be served when nothing else is.
      queuedTexts: z.int().min(LIMITS.textsPerRequest).max(100_000).default(512),
      queuedTextsPerTenant: z.int().min(LIMITS.textsPerRequest).max(100_000).default(128),
      timeoutMs: z.int().min(1).max(60_000).default(5_000),
      batchTimeoutMs: z.int().min(1).max(600_000).default(30_000),
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
  /** Without it, summaries and classes come from embeddings. */
  languageModel: z
    .strictObject({
      url: httpUrl,
      model: z.string().min(1).max(128),
      timeoutMs: z.int().min(1).max(120_000).default(10_000),
    })
    .optional(),
});

type AiProcessorConfig = z.infer<typeof aiProcessorConfig>;

export async function buildAiProcessor(parts: ServiceParts<AiProcessorConfig>): Promise<void> {
  const { config, http } = parts;
  const model = openModelFolder(parts.pathOf(config.model.folder));
  const { executionProvider, threads } = config.model;
  const embedder = await Embedder.open({
    model,
    executionProvider,
    threads,
    ...config.embedding,
    metrics: new EmbeddingMetrics(parts.metrics),
  });
  parts.log.info({ model: model.name, pid: embedder.pid }, 'model loaded');
  // A start is the next batch's business: to take requests away would keep it from happening.
  parts.addCheck('model', async () => (embedder.pid === undefined ? 'starts with the next batch' : 'ok'));
  parts.onClose(() => embedder.close());
  addEmbeddingRoutes(parts, embedder);
  addDocumentRoutes(parts, embedder);
  addLanguageRoutes(parts, embedder);
  http.get('/openapi.json', () => aiProcessorApi);
}

function addEmbeddingRoutes({ http }: ServiceParts<AiProcessorConfig>, embedder: Embedder): void {
  http.post('/v1/embeddings', async (request, reply) => {
    const { tenant, signal } = callerOf(request, reply);
    const { texts } = parseBody(embeddingsRequest, request.body);
    const embeddings = await embedder.embed(tenant, texts, signal);
    const { name, dimensions } = embedder.model;
    return {
      model: name,
      dimensions,
      embeddings: embeddings.map(({ vector, ...rest }) => ({ embedding: [...vector], ...rest })),
    };
  });
}

function addDocumentRoutes(parts: ServiceParts<AiProcessorConfig>, embedder: Embedder): void {
  const { http, outbound, config } = parts;
  const { name: model, dimensions } = embedder.model;
  const apiKey = watchKey(parts, 'vectorStore');
  const store: VectorStore = new QdrantStore(outbound, { ...config.vectorStore, dimensions, apiKey });

  http.post('/v1/documents', async (request, reply) => {
    const { tenant, signal } = callerOf(request, reply);
    const { documents } = parseBody(documentsRequest, request.body);
    const texts = documents.map((document) => document.text);
    const embeddings = await embedder.embed(tenant, texts, signal);
    const embedded = documents.map((document, at) => ({ ...document, ...(embeddings[at] as Embedding) }));
    await store.upsert(tenant, embedded);
    return { model, documents: embedded.map(({ id, tokens, truncated }) => ({ id, tokens, truncated })) };
  });

  http.delete<{ Params: { id: string } }>('/v1/documents/:id', async (request, reply) => {
    const { tenant } = callerOf(request, reply);
    await store.remove(tenant, [parseBody(documentId, request.params.id)]);
    return reply.code(204).send();
  });

  http.post('/v1/search', async (request, reply) => {
    const { tenant, signal } = callerOf(request, reply);
    const { query, limit } = parseBody(searchRequest, request.body);
    const [{ vector, truncated }] = (await embedder.embed(tenant, [query], signal)) as [Embedding];
    return { model, truncated, results: await store.search(tenant, vector, limit) };
  });
}

function addLanguageRoutes(parts: ServiceParts<AiProcessorConfig>, embedder: Embedder): void {
  const { http, outbound, config, log } = parts;
  const key = watchKey(parts, 'languageModel');
  const model = config.languageModel ? new LanguageModel(outbound, { ...config.languageModel, key }) : null;
  const answers = parts.metrics.counter(LANGUAGE_ANSWERS);
  const counted = <A extends { answeredBy: string }>(answer: A): A => {
    answers.inc({ answered_by: answer.answeredBy === LOCAL ? LOCAL : 'language_model' });
    return answer;
  };

  http.post('/v1/summarise', async (request, reply) => {
    const { tenant, signal } = callerOf(request, reply);
    const { text, sentences } = parseBody(summariseRequest, request.body);
    return counted(await summariseText(text, sentences, model, embedIn(embedder, tenant, signal), log));
  });

  http.post('/v1/classify', async (request, reply) => {
    const { tenant, signal } = callerOf(request, reply);
    const { text, labels } = parseBody(classifyRequest, request.body);
    return counted(await classifyText(text, labels, model, embedIn(embedder, tenant, signal), log));
  });
}

/** In pieces, so that one long text takes no more of the queue than any other request. */
function embedIn(embedder: Embedder, tenant: string, signal: AbortSignal): Embed {
  return async (texts) => {
    const embeddings: Embedding[] = [];
    for (let at = 0; at < texts.length; at += LIMITS.textsPerRequest) {
      const piece = texts.slice(at, at + LIMITS.textsPerRequest);
      embeddings.push(...(await embedder.embed(tenant, piece, signal)));
    }
    return embeddings;
  };
}

/** The key of another service as it is now, where the config names one. */
function watchKey(
  { config, watchSecret }: ServiceParts<AiProcessorConfig>,
  name: keyof AiProcessorConfig['secrets'],
): () => string | undefined {
  let key: string | undefined;
  if (config.secrets[name] !== undefined) {
    watchSecret(name, z.string().min(1), (value) => {
      key = value;
    });
  }
  return () => key;
}
