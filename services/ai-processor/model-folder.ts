/**
 * The folder of an embedding model: model.onnx, tokenizer.json, tokenizer_config.json, and model.json, which says what it is.
 *
 * Invariant: what is loaded are the files whose SHA-256 model.json names; anything else ends the start with what to do about it.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { loadConfig, refuse } from '../lib/config.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits');

const manifest = z.strictObject({
  /** Stands in answers and in the collection's name: vectors of two models are not comparable. */
  name: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
  dimensions: z.int().min(1).max(4_096),
  /** Of one text, with the two that mark its ends; what is beyond is cut off. */
  maxTokens: z.int().min(3).max(8_192),
  sha256: z.strictObject({ 'model.onnx': sha256, 'tokenizer.json': sha256, 'tokenizer_config.json': sha256 }),
});

export interface ModelFolder {
  name: string;
  dimensions: number;
  maxTokens: number;
  weightsFile: string;
  tokenizerFile: string;
  tokenizerConfigFile: string;
}

const ADVICE = 'fetch the model again with `npm run fetch-model -- <folder>`';

export function openModelFolder(folder: string): ModelFolder {
  const file = join(folder, 'model.json');
  if (!existsSync(file)) throw refuse(file, `is not there; ${ADVICE}`);
  const model = loadConfig(file, manifest);
  for (const [name, expected] of Object.entries(model.sha256)) verify(join(folder, name), expected);
  return {
    name: model.name,
    dimensions: model.dimensions,
    maxTokens: model.maxTokens,
    weightsFile: join(folder, 'model.onnx'),
    tokenizerFile: join(folder, 'tokenizer.json'),
    tokenizerConfigFile: join(folder, 'tokenizer_config.json'),
  };
}

function verify(file: string, expected: string): void {
  let content: Buffer;
  try {
    content = readFileSync(file);
  } catch (error) {
    throw refuse(file, `cannot be read: ${(error as Error).message}; ${ADVICE}`);
  }
  const actual = createHash('sha256').update(content).digest('hex');
  if (actual !== expected) {
    throw refuse(file, `is not the file that model.json describes (its SHA-256 is ${actual}); ${ADVICE}`);
  }
}
