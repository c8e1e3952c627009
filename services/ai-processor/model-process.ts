/**
 * The process that embeds: tokens, model, mean of the last layer over a text's tokens, length 1. ONNX Runtime computes on the thread that calls
 * it, and tokenizing is JavaScript: neither has a place on the service's event loop. A process and no thread, as a native library that
 * fails takes its process along, and a thread of it cannot be ended in the middle of a computation.
 *
 * Invariants: one batch at a time; a text's vector does not depend on what else is in its batch; it ends with the service.
 */
import { readFileSync } from 'node:fs';
import { Tokenizer } from '@huggingface/tokenizers';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { ModelFolder } from './model-folder.ts';

/** JSON in the first argument. */
export interface ModelProcessSettings {
  model: ModelFolder;
  executionProvider: string;
  threads: number;
}

export interface EmbeddedBatch {
  /** One vector after the other. */
  vectors: Float32Array;
  tokens: number[];
  truncated: boolean[];
}

/** `ready` comes first and once, then one answer a batch. What cannot be loaded is an error instead of `ready`. */
export type ModelMessage = 'ready' | EmbeddedBatch | { error: string };

interface Text {
  ids: number[];
  truncated: boolean;
}

/** How much longer the longest text of a group may be than the shortest. */
const MOST_FILLING = 1.5;

const { model, executionProvider, threads } = JSON.parse(process.argv[2] ?? '') as ModelProcessSettings;
// Ctrl-C goes to the whole group, and the service still needs this to answer what is under way.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
process.on('disconnect', () => process.exit());

try {
  const tokenizer = new Tokenizer(readJson(model.tokenizerFile), readJson(model.tokenizerConfigFile));
  const session = await InferenceSession.create(model.weightsFile, {
    executionProviders: [executionProvider],
    intraOpNumThreads: threads,
  });
  const probe = await computeLastLayer(session, [tokenize(tokenizer, 'ready')]);
  if (probe.dims[2] !== model.dimensions) {
    throw new Error(`model.json says ${model.dimensions} dimensions, and the model has ${probe.dims[2]}`);
  }
  process.on('message', (texts: string[]) =>
    embed(
      session,
      texts.map((text) => tokenize(tokenizer, text)),
    ).then(send, sendError),
  );
  send('ready');
} catch (error) {
  sendError(error as Error);
}

function tokenize(tokenizer: Tokenizer, text: string): Text {
  const { ids } = tokenizer.encode(text);
  if (ids.length <= model.maxTokens) return { ids, truncated: false };
  // The end keeps its mark.
  return { ids: [...ids.slice(0, model.maxTokens - 1), ids.at(-1) as number], truncated: true };
}

async function embed(session: InferenceSession, texts: Text[]): Promise<EmbeddedBatch> {
  const vectors = new Float32Array(texts.length * model.dimensions);
  for (const rows of groupByLength(texts)) {
    const layer = await computeLastLayer(
      session,
      rows.map((row) => texts[row] as Text),
    );
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
async function computeLastLayer(session: InferenceSession, texts: Text[]): Promise<Tensor> {
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

function send(message: ModelMessage): void {
  // The service may have ended meanwhile.
  if (process.connected) process.send?.(message);
}

function sendError(error: Error): void {
  send({ error: error.message });
}

function readJson(file: string): object {
  return JSON.parse(readFileSync(file, 'utf8'));
}
