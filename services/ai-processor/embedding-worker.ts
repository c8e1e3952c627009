/**
 * The thread that embeds: tokens, model, mean of the last layer over a text's tokens, length 1. ONNX Runtime computes in the thread that calls
 * it, and tokenizing is JavaScript; neither has a place on the service's event loop.
 *
 * Invariant: one batch at a time; a text's vector does not depend on what else is in its batch.
 */
import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { Tokenizer } from '@huggingface/tokenizers';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { ModelFolder } from './model-folder.ts';

export interface EmbeddingWorkerData {
  model: ModelFolder;
  executionProvider: string;
  threads: number;
}

export interface EmbeddedBatch {
  /** One vector after the other. */
  vectors: Float32Array<ArrayBuffer>;
  tokens: number[];
  truncated: boolean[];
}

/** `ready` comes first and once, then one answer a batch. */
export type WorkerMessage = 'ready' | EmbeddedBatch | { error: string };

interface Text {
  ids: number[];
  truncated: boolean;
}

/** How much longer the longest text of a group may be than the shortest. */
const MOST_FILLING = 1.5;

const { model, executionProvider, threads } = workerData as EmbeddingWorkerData;
const tokenizer = new Tokenizer(readJson(model.tokenizerFile), readJson(model.tokenizerConfigFile));
const session = await InferenceSession.create(model.weightsFile, {
  executionProviders: [executionProvider],
  intraOpNumThreads: threads,
});

const probe = await computeLastLayer([tokenize('ready')]);
if (probe.dims[2] !== model.dimensions) {
  throw new Error(`model.json says ${model.dimensions} dimensions, and the model has ${probe.dims[2]}`);
}
parentPort?.on('message', async (texts: string[]) => {
  try {
    const batch = await embed(texts.map(tokenize));
    post(batch, [batch.vectors.buffer]);
  } catch (error) {
    post({ error: (error as Error).message });
  }
});
post('ready');

function tokenize(text: string): Text {
  const { ids } = tokenizer.encode(text);
  if (ids.length <= model.maxTokens) return { ids, truncated: false };
  // The end keeps its mark.
  return { ids: [...ids.slice(0, model.maxTokens - 1), ids.at(-1) as number], truncated: true };
}

async function embed(texts: Text[]): Promise<EmbeddedBatch> {
  const vectors = new Float32Array(texts.length * model.dimensions);
  for (const rows of groupByLength(texts)) {
    const layer = await computeLastLayer(rows.map((row) => texts[row] as Text));
    const hidden = layer.data as Float32Array;
    const stride = hidden.length / rows.length;
    for (const [at, row] of rows.entries()) {
      const vector = vectors.subarray(row * model.dimensions, (row + 1) * model.dimensions);
      addTokens(vector, hidden.subarray(at * stride), (texts[row] as Text).ids.length);
      scaleToLengthOne(vector);
    }
  }
  return {
    vectors,
    tokens: texts.map((text) => text.ids.length),
    truncated: texts.map((text) => text.truncated),
  };
}

/** Rows of texts that are computed together, since little of them would be filling: a short text beside a long one costs as much as it. */
function groupByLength(texts: Text[]): number[][] {
  const rows = [...texts.keys()].sort((a, b) => lengthOf(texts, a) - lengthOf(texts, b));
  const groups: number[][] = [];
  let shortest = 0;
  for (const row of rows) {
    if (groups.length === 0 || lengthOf(texts, row) > shortest * MOST_FILLING) {
      groups.push([]);
      shortest = lengthOf(texts, row);
    }
    groups.at(-1)?.push(row);
  }
  return groups;
}

function lengthOf(texts: Text[], row: number): number {
  return texts[row]?.ids.length ?? 0;
}

/** By text, token and dimension; texts are filled up to the longest one, behind a mask. */
async function computeLastLayer(texts: Text[]): Promise<Tensor> {
  const length = Math.max(...texts.map(({ ids }) => ids.length));
  const shape = [texts.length, length];
  const ids = new BigInt64Array(texts.length * length);
  const mask = new BigInt64Array(ids.length);
  for (const [row, text] of texts.entries()) {
    for (const [column, id] of text.ids.entries()) {
      ids[row * length + column] = BigInt(id);
      mask[row * length + column] = 1n;
    }
  }
  const { last_hidden_state } = await session.run({
    input_ids: new Tensor('int64', ids, shape),
    attention_mask: new Tensor('int64', mask, shape),
    token_type_ids: new Tensor('int64', new BigInt64Array(ids.length), shape),
  });
  if (last_hidden_state === undefined) throw new Error('the model has no output last_hidden_state');
  return last_hidden_state;
}

/** The sum instead of the mean: the length is made 1 afterwards. */
function addTokens(vector: Float32Array, hidden: Float32Array, tokens: number): void {
  const dimensions = vector.length;
  for (let at = 0; at < tokens * dimensions; at++) {
    vector[at % dimensions] = (vector[at % dimensions] as number) + (hidden[at] as number);
  }
}

function scaleToLengthOne(vector: Float32Array): void {
  const length = Math.hypot(...vector) || 1;
  for (const [at, value] of vector.entries()) vector[at] = value / length;
}

function post(message: WorkerMessage, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}

function readJson(file: string): object {
  return JSON.parse(readFileSync(file, 'utf8'));
}
