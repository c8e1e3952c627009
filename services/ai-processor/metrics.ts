/** What is counted of embeddings. Calls of the vector store and of the language model are the sidecar's to count. */
import { counter, gauge, histogram } from '../../sidecar/src/observe/metric.ts';
import type { ServiceMetrics } from '../lib/metrics.ts';

export const EMBEDDING_QUEUE = gauge('tulle_embedding_queued_texts', 'Texts that wait for the model.');
export const EMBEDDING_TEXTS = counter(
  'tulle_embedding_texts_total',
  'Texts that were asked for, by what became of their request: `embedded`, or why not: `tenant_queue_full`, `embedding_queue_full`, `too_late`, `caller_gone`, `model_failed`.',
  ['outcome'],
);
export const EMBEDDING_TOKENS = counter('tulle_embedding_tokens_total', 'Tokens that the model has read.');
export const EMBEDDING_BATCHES = histogram(
  'tulle_embedding_batch_texts',
  'Texts that were computed together.',
  [],
  [1, 2, 4, 8, 16, 32, 64, 130, 260],
);
export const EMBEDDING_BATCH_DURATION = histogram(
  'tulle_embedding_batch_duration_seconds',
  'How long the model took for a batch.',
);
export const LANGUAGE_ANSWERS = counter(
  'tulle_language_answers_total',
  'Summaries and classes, by who answered: `language_model` or `embeddings`.',
  ['answered_by'],
);

const OUTCOMES = [
  'embedded',
  'tenant_queue_full',
  'embedding_queue_full',
  'too_late',
  'caller_gone',
  'model_failed',
];

export class EmbeddingMetrics {
  /** Of the texts of one request. */
  readonly onEnd: (outcome: string, texts: number) => void;
  readonly onBatch: (texts: number, tokens: number, seconds: number) => void;
  /** Tells how many texts wait. */
  readonly watchQueue: (queued: () => number) => void;

  constructor(metrics: ServiceMetrics) {
    const texts = metrics.counter(EMBEDDING_TEXTS);
    const tokens = metrics.counter(EMBEDDING_TOKENS);
    const sizes = metrics.histogram(EMBEDDING_BATCHES);
    const durations = metrics.histogram(EMBEDDING_BATCH_DURATION);
    for (const outcome of OUTCOMES) texts.inc({ outcome }, 0);
    this.onEnd = (outcome, count) => texts.inc({ outcome }, count);
    this.onBatch = (count, read, seconds) => {
      sizes.observe(count);
      tokens.inc(read);
      durations.observe(seconds);
    };
    this.watchQueue = (queued) => {
      metrics.gauge(EMBEDDING_QUEUE, () => [[{}, queued()]]);
    };
  }
}
