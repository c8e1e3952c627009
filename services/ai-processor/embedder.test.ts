// The real model in its process.
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findMiniLm } from '../../test/parts/minilm.ts';
import { ServiceMetrics } from '../lib/metrics.ts';
import { Embedder, type EmbedderOptions, type Embedding } from './embedder.ts';
import { EmbeddingMetrics } from './metrics.ts';
import { type ModelFolder, openModelFolder } from './model-folder.ts';

const metrics = new ServiceMetrics('test');
const SETTINGS = {
  executionProvider: 'cpu',
  threads: 1,
  batch: 16,
  queuedTexts: 512,
  queuedTextsPerTenant: 512,
  timeoutMs: 30_000,
  batchTimeoutMs: 30_000,
  metrics: new EmbeddingMetrics(metrics),
};
const WAIT = { timeout: 20_000 };
const patient = new AbortController().signal;
const LONG = 'The quick brown fox jumps over the lazy dog. '.repeat(60);

let folder: string;
let embedder: Embedder;

beforeAll(async () => {
  folder = await findMiniLm();
  embedder = await open();
});
afterAll(() => embedder.close());

function open(changes: Partial<EmbedderOptions> = {}): Promise<Embedder> {
  return Embedder.open({ ...SETTINGS, model: openModelFolder(folder), ...changes });
}

async function embed(...texts: string[]): Promise<Embedding[]> {
  return embedder.embed('acme', texts, patient);
}

function cosine(a: Embedding | undefined, b: Embedding | undefined): number {
  const [one, other] = [a?.vector ?? [], b?.vector ?? []];
  return [...one].reduce((total, value, at) => total + value * (other[at] ?? 0), 0);
}

describe('a model folder that cannot be used says what to do', () => {
  let broken: string;

  beforeAll(async () => {
    broken = await mkdtemp(join(tmpdir(), 'tulle-model-'));
    await cp(folder, broken, { recursive: true });
  });
  afterAll(() => rm(broken, { recursive: true }));

  test('none', () => {
    expect(() => openModelFolder(join(broken, 'nowhere'))).toThrow(
      /model\.json: is not there; .*npm run fetch-model/,
    );
  });

  test('a file that was changed, and one that is missing', async () => {
    const file = join(broken, 'tokenizer.json');
    await writeFile(file, (await readFile(file, 'utf8')).replace('hello', 'h3llo'));
    expect(() => openModelFolder(broken)).toThrow(
      /tokenizer\.json.*is not the file that model\.json describes.*fetch-model/s,
    );
    await rm(file);
    expect(() => openModelFolder(broken)).toThrow(/tokenizer\.json.*cannot be read.*fetch-model/s);
  });

  test('weights that are none, whatever their sum', async () => {
    const weightsFile = join(broken, 'model.onnx');
    await writeFile(weightsFile, 'no weights');
    const model: ModelFolder = { ...openModelFolder(folder), weightsFile };
    await expect(open({ model })).rejects.toThrow(/model\.onnx.*cannot be loaded/s);
  });

  test('a model of another size than model.json says', async () => {
    const model = { ...openModelFolder(folder), dimensions: 100 };
    await expect(open({ model })).rejects.toThrow('model.json says 100 dimensions, and the model has 384');
  });

  test('a provider that is not there', async () => {
    await expect(open({ executionProvider: 'cuda' })).rejects.toThrow(/model\.onnx.*cannot be loaded/s);
  });
});

test('what means the same is near, what does not is far', async () => {
  const [cat, kitten, rates, hike] = await embed(
    'A cat sits on the mat.',
    'A kitten rests on a rug.',
    'Interest rates were raised by the central bank.',
    'The bank lifted the price of borrowing.',
  );
  expect(cosine(cat, kitten)).toBeGreaterThan(0.5);
  expect(cosine(rates, hike)).toBeGreaterThan(0.5);
  for (const [one, other] of [
    [cat, rates],
    [cat, hike],
    [kitten, rates],
    [kitten, hike],
  ]) {
    expect(cosine(one, other)).toBeLessThan(0.2);
  }
});

test('a vector does not depend on what else is in its batch, and is the same each time', async () => {
  const texts = [
    'short',
    'A sentence of a middle length, with commas.',
    LONG,
    'naïve café 你好 🙂',
    ' ',
    'short',
  ];
  const together = await embed(...texts);
  for (const [at, text] of texts.entries()) {
    const [alone] = await embed(text);
    for (const [dimension, value] of (alone?.vector ?? []).entries()) {
      expect(Math.abs(value - (together[at]?.vector[dimension] ?? Number.NaN))).toBeLessThan(1e-5);
    }
    expect(cosine(alone, alone)).toBeCloseTo(1, 5);
  }
  expect(together[5]).toEqual(together[0]);
  expect(await embed(...texts)).toEqual(together);
});

test('a text that is too long is cut off, and that is said', async () => {
  const [long, same, short] = await embed(LONG, `${LONG} And something else.`, 'short');
  expect(long).toMatchObject({ tokens: 256, truncated: true });
  expect(same?.vector).toEqual(long?.vector);
  expect(short).toMatchObject({ tokens: 3, truncated: false });
});

test('while the model computes, the event loop has nothing to do', async () => {
  const before = performance.eventLoopUtilization();
  await embed(...Array.from({ length: 8 }, () => LONG));
  expect(performance.eventLoopUtilization(before).utilization).toBeLessThan(0.5);
});

test('a caller that waited too long learns so', async () => {
  const hasty = await open({ timeoutMs: 1 });
  try {
    const late = hasty.embed('acme', Array(8).fill(LONG), patient);
    await expect(late).rejects.toMatchObject({
      status: 503,
      code: 'too_late',
      headers: { 'retry-after': '1' },
    });
  } finally {
    await hasty.close();
  }
});

test('a process that dies costs the batch that it had, and is replaced', async () => {
  const lost = expect(embed(LONG)).rejects.toMatchObject({ status: 503, code: 'model_failed' });
  process.kill(embedder.pid as number, 'SIGKILL');
  await lost;
  const [again] = await embed('short');
  expect(again?.tokens).toBe(3);
});

test('a process that hangs is taken for dead', async () => {
  const impatient = await open({ batchTimeoutMs: 300 });
  try {
    process.kill(impatient.pid as number, 'SIGSTOP');
    const lost = impatient.embed('acme', ['a'], patient);
    await expect(lost).rejects.toMatchObject({ code: 'model_failed' });
    await expect.poll(() => impatient.embed('acme', ['a'], patient).catch(() => []), WAIT).toHaveLength(1);
  } finally {
    await impatient.close();
  }
});
