/**
 * Texts to vectors: a queue with bounds in front of a process that holds the model.
 *
 * Invariants: whoever cannot be served in time is told so at once, and when to come back; a process that died is replaced with the next
 * batch, and costs only the batch that it had.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import {
  ATTR_GEN_AI_OPERATION_NAME,
  ATTR_GEN_AI_REQUEST_MODEL,
  ATTR_GEN_AI_USAGE_INPUT_TOKENS,
} from '@opentelemetry/semantic-conventions/incubating';
import { refuse } from '../lib/config.ts';
import { Problem } from '../lib/problem.ts';
import { inSpan } from '../lib/span.ts';
import { Batcher, QueueFull } from './batcher.ts';
import type { EmbeddingMetrics } from './metrics.ts';
import type { EmbeddedBatch, ModelMessage, ModelProcessSettings } from './model-process.ts';

export interface Embedding {
  vector: Float32Array;
  tokens: number;
  /** Only the beginning of the text is in the vector: the model takes no more tokens. */
  truncated: boolean;
}

export interface EmbedderOptions extends ModelProcessSettings {
  batch: number;
  queuedTexts: number;
  queuedTextsPerTenant: number;
  /** How long a call may wait for its last vector. */
  timeoutMs: number;
  /** How long the process may take for a batch before it is taken for dead. */
  batchTimeoutMs: number;
  metrics: EmbeddingMetrics;
}

const PROGRAM = new URL('./model-process.ts', import.meta.url);
/** Of the time that one text takes, the newest measurement counts so much. */
const NEWEST_WEIGHT = 0.1;
const RETRY_AFTER_MAX_SECONDS = 60;

export class Embedder {
  readonly model: EmbedderOptions['model'];
  readonly #options: EmbedderOptions;
  readonly #batcher: Batcher<string, Embedding>;
  #process: ChildProcess | null = null;
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
    options.metrics.watchQueue(() => this.#batcher.queued);
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

  /** Of the process that computes; undefined while there is none. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  async close(): Promise<void> {
    const running = this.#process;
    if (running === null) return;
    running.kill('SIGKILL');
    await once(running, 'exit');
  }

  async #submit(tenant: string, texts: readonly string[], signal: AbortSignal): Promise<Embedding[]> {
    const { timeoutMs, metrics } = this.#options;
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(tooLate(timeoutMs)), timeoutMs);
    try {
      const both = AbortSignal.any([signal, patience.signal]);
      const embeddings = await this.#batcher.submit(tenant, texts, both);
      metrics.onEnd('embedded', texts.length);
      return embeddings;
    } catch (error) {
      const problem = this.#toProblem(error as Error);
      metrics.onEnd(problem.code, texts.length);
      throw problem;
    } finally {
      clearTimeout(timer);
    }
  }

  async #run(texts: string[]): Promise<Embedding[]> {
    const startedAt = performance.now();
    const computer = this.#process ?? (await this.#start());
    const hanging = setTimeout(() => computer.kill('SIGKILL'), this.#options.batchTimeoutMs);
    const answer = nextMessage(computer).finally(() => clearTimeout(hanging));
    // Why nothing could be sent is that the process ended, and that is told.
    computer.send(texts, () => {});
    const embedded = (await answer) as EmbeddedBatch;
    const batchMs = performance.now() - startedAt;
    const tokens = embedded.tokens.reduce((sum, it) => sum + it, 0);
    this.#options.metrics.onBatch(texts.length, tokens, batchMs / 1_000);
    const textMs = batchMs / texts.length;
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

  async #start(): Promise<ChildProcess> {
    const { model, executionProvider, threads } = this.#options;
    const settings: ModelProcessSettings = { model, executionProvider, threads };
    // stdout is the service's, for lines of JSON.
    const started = fork(PROGRAM, [JSON.stringify(settings)], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    started.on('error', () => {});
    started.once('exit', () => {
      if (this.#process === started) this.#process = null;
    });
    this.#process = started;
    try {
      await nextMessage(started);
    } catch (error) {
      started.kill('SIGKILL');
      throw error;
    }
    return started;
  }

  #toProblem(error: Error): Problem {
    if (error instanceof Problem) return error;
    if (!(error instanceof QueueFull)) return modelFailed(error);
    const waitSeconds = Math.ceil((this.#batcher.queued * this.#textMs) / 1_000);
    const retryAfter = Math.min(Math.max(waitSeconds, 1), RETRY_AFTER_MAX_SECONDS);
    return new Problem({
      status: error.ofTenant ? 429 : 503,
      code: error.ofTenant ? 'tenant_queue_full' : 'embedding_queue_full',
      detail: `The model is busy: ${error.message}. Try again in ${retryAfter} s, or with fewer texts at a time.`,
      headers: { 'retry-after': String(retryAfter) },
    });
  }
}

function modelFailed(cause: Error): Problem {
  return new Problem({
    status: 503,
    code: 'model_failed',
    detail: 'The model failed at this batch; try again.',
    headers: { 'retry-after': '1' },
    cause,
  });
}

function tooLate(timeoutMs: number): Problem {
  return new Problem({
    status: 503,
    code: 'too_late',
    detail: `The texts waited for the model longer than ${timeoutMs} ms.`,
    headers: { 'retry-after': '1' },
  });
}

/** Rejects when the process ends before, or says that it failed. */
async function nextMessage(computer: ChildProcess): Promise<ModelMessage> {
  const over = new AbortController();
  const { signal } = over;
  try {
    const died = once(computer, 'exit', { signal }).then(() => {
      throw new Error('the process of the model ended');
    });
    const [message] = (await Promise.race([once(computer, 'message', { signal }), died])) as [ModelMessage];
    if (typeof message === 'object' && 'error' in message) throw new Error(message.error);
    return message;
  } finally {
    over.abort();
  }
}
