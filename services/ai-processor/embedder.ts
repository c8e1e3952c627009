/**
 * Texts to vectors: a queue with bounds in front of a thread that holds the model.
 *
 * Invariants: whoever cannot be served in time is told so at once, and when to come back; a thread that died is replaced with the next
 * batch, and costs only the batch that it had.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import {
  ATTR_GEN_AI_OPERATION_NAME,
  ATTR_GEN_AI_REQUEST_MODEL,
  ATTR_GEN_AI_USAGE_INPUT_TOKENS,
} from '@opentelemetry/semantic-conventions/incubating';
import { refuse } from '../lib/config.ts';
import { Problem } from '../lib/problem.ts';
import { inSpan } from '../lib/span.ts';
import { Batcher, QueueFull } from './batcher.ts';
import type { EmbeddedBatch, EmbeddingWorkerData, WorkerMessage } from './embedding-worker.ts';

export interface Embedding {
  vector: Float32Array;
  tokens: number;
  /** Only the beginning of the text is in the vector: the model takes no more tokens. */
  truncated: boolean;
}

export interface EmbedderOptions extends EmbeddingWorkerData {
  batch: number;
  queuedTexts: number;
  queuedTextsPerTenant: number;
  /** How long a call may wait for its last vector. */
  timeoutMs: number;
}

/** Of the time that one text takes, the newest measurement counts so much. */
const NEWEST_WEIGHT = 0.1;
const RETRY_AFTER_MAX_SECONDS = 60;

export class Embedder {
  readonly model: EmbedderOptions['model'];
  readonly #options: EmbedderOptions;
  readonly #batcher: Batcher<string, Embedding>;
  #worker: Worker | null = null;
  #textMs = 0;

  private constructor(options: EmbedderOptions) {
    this.model = options.model;
    this.#options = options;
    this.#batcher = new Batcher({
      batch: options.batch,
      queued: options.queuedTexts,
      queuedPerTenant: options.queuedTextsPerTenant,
      run: (texts) => this.#run(texts),
    });
  }

  /** @throws ConfigError when the model cannot be loaded. */
  static async open(options: EmbedderOptions): Promise<Embedder> {
    const embedder = new Embedder(options);
    await embedder.#start().catch((error: Error) => {
      throw refuse(options.model.weightsFile, `cannot be loaded: ${error.message}`);
    });
    return embedder;
  }

  /**
   * Vectors in the order of the texts.
   * @throws Problem 429 or 503 when too many texts wait, or for too long; the reason of `signal` when that was first.
   */
  async embed(tenant: string, texts: readonly string[], signal: AbortSignal): Promise<Embedding[]> {
    const attributes = {
      [ATTR_GEN_AI_OPERATION_NAME]: 'embeddings',
      [ATTR_GEN_AI_REQUEST_MODEL]: this.model.name,
      'tulle.texts': texts.length,
      'tulle.queue.texts': this.#batcher.queued,
    };
    return inSpan(`embeddings ${this.model.name}`, { attributes }, async (span) => {
      const embeddings = await this.#submit(tenant, texts, signal);
      span.setAttribute(
        ATTR_GEN_AI_USAGE_INPUT_TOKENS,
        embeddings.reduce((sum, it) => sum + it.tokens, 0),
      );
      return embeddings;
    });
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  async #submit(tenant: string, texts: readonly string[], signal: AbortSignal): Promise<Embedding[]> {
    const { timeoutMs } = this.#options;
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(tooLate(timeoutMs)), timeoutMs);
    try {
      return await this.#batcher.submit(tenant, texts, AbortSignal.any([signal, patience.signal]));
    } catch (error) {
      throw error instanceof QueueFull ? this.#toProblem(error) : error;
    } finally {
      clearTimeout(timer);
    }
  }

  async #run(texts: string[]): Promise<Embedding[]> {
    const startedAt = performance.now();
    const worker = this.#worker ?? (await this.#start());
    const answer = nextMessage(worker);
    worker.postMessage(texts);
    const embedded = (await answer) as EmbeddedBatch | { error: string };
    if ('error' in embedded) throw new Error(`the model failed: ${embedded.error}`);
    const textMs = (performance.now() - startedAt) / texts.length;
    this.#textMs += (textMs - this.#textMs) * (this.#textMs === 0 ? 1 : NEWEST_WEIGHT);
    return texts.map((_, at) => this.#pick(embedded, at));
  }

  #pick({ vectors, tokens, truncated }: EmbeddedBatch, at: number): Embedding {
    const { dimensions } = this.model;
    return {
      vector: vectors.subarray(at * dimensions, (at + 1) * dimensions),
      tokens: tokens[at] as number,
      truncated: truncated[at] as boolean,
    };
  }

  async #start(): Promise<Worker> {
    const { model, executionProvider, threads } = this.#options;
    const workerData: EmbeddingWorkerData = { model, executionProvider, threads };
    const worker = new Worker(new URL('./embedding-worker.ts', import.meta.url), { workerData });
    worker.on('error', () => {});
    worker.once('exit', () => {
      if (this.#worker === worker) this.#worker = null;
    });
    await nextMessage(worker);
    this.#worker = worker;
    return worker;
  }

  #toProblem({ ofTenant, message }: QueueFull): Problem {
    const waitSeconds = Math.ceil((this.#batcher.queued * this.#textMs) / 1_000);
    const retryAfter = Math.min(Math.max(waitSeconds, 1), RETRY_AFTER_MAX_SECONDS);
    return new Problem({
      status: ofTenant ? 429 : 503,
      code: ofTenant ? 'tenant_queue_full' : 'embedding_queue_full',
      detail: `The model is busy: ${message}. Try again in ${retryAfter} s, or with fewer texts at a time.`,
      headers: { 'retry-after': String(retryAfter) },
    });
  }
}

function tooLate(timeoutMs: number): Problem {
  return new Problem({
    status: 503,
    code: 'too_late',
    detail: `The texts waited for the model longer than ${timeoutMs} ms.`,
    headers: { 'retry-after': '1' },
  });
}

/** Rejects when the thread ends before. */
async function nextMessage(worker: Worker): Promise<WorkerMessage> {
  const over = new AbortController();
  const { signal } = over;
  try {
    const died = once(worker, 'exit', { signal }).then(() => {
      throw new Error('the thread of the model ended');
    });
    const [message] = await Promise.race([once(worker, 'message', { signal }), died]);
    return message;
  } finally {
    over.abort();
  }
}
