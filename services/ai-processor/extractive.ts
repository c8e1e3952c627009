/**
 * Summaries and classes from embeddings alone, for when there is no language model or it does not answer.
 *
 * Invariants: a summary consists of sentences of the text, unchanged and in their order; the same text gives the same answer.
 */
import type { Embedding } from './embedder.ts';

export interface Summary {
  sentences: string[];
  /** Only the beginning of the text was looked at. */
  truncated: boolean;
}

export interface Classification {
  /** The nearest first. */
  scores: { label: string; score: number }[];
  truncated: boolean;
}

/** In the order of the texts; the vectors have the length 1. */
export type Embed = (texts: readonly string[]) => Promise<Embedding[]>;

const SENTENCES_READ = 128;
/** A sentence this near to one that is in already says the same. */
const SAME = 0.9;
const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' });

/** The sentences nearest to the middle of all: a centroid summary (Radev et al. 2004), without saying anything twice. */
export async function summarise(text: string, count: number, embed: Embed): Promise<Summary> {
  const { sentences, truncated } = splitSentences(text);
  if (sentences.length <= count) return { sentences, truncated };
  const vectors = (await embed(sentences)).map(({ vector }) => vector);
  const middle = sum(vectors);
  const ranked = vectors
    .map((vector, at) => ({ at, vector, score: dot(vector, middle) }))
    .sort((a, b) => b.score - a.score || a.at - b.at);
  const chosen: typeof ranked = [];
  for (const candidate of ranked) {
    if (chosen.length === count) break;
    const isNew = chosen.every(({ vector }) => dot(vector, candidate.vector) < SAME);
    if (isNew) chosen.push(candidate);
  }
  const places = chosen.map(({ at }) => at).sort((a, b) => a - b);
  return { sentences: places.map((at) => sentences[at] as string), truncated };
}

/** How near the text is to each label. */
export async function classify(
  text: string,
  labels: readonly string[],
  embed: Embed,
): Promise<Classification> {
  const [{ vector, truncated }, ...others] = (await embed([text, ...labels])) as [Embedding, ...Embedding[]];
  const scores = others.map((other, at) => ({
    label: labels[at] as string,
    score: dot(vector, other.vector),
  }));
  return { scores: scores.sort((a, b) => b.score - a.score), truncated };
}

function splitSentences(text: string): Summary {
  const sentences: string[] = [];
  for (const { segment } of segmenter.segment(text)) {
    const sentence = segment.replace(/\s+/g, ' ').trim();
    if (sentence === '') continue;
    if (sentences.length === SENTENCES_READ) return { sentences, truncated: true };
    sentences.push(sentence);
  }
  return { sentences, truncated: false };
}

function sum(vectors: readonly Float32Array[]): Float32Array {
  const total = new Float32Array(vectors[0]?.length ?? 0);
  for (const vector of vectors) {
    for (const [at, value] of vector.entries()) total[at] = (total[at] as number) + value;
  }
  return total;
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((total, value, at) => total + value * (b[at] as number), 0);
}
