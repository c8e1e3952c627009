/** The trust bundle on disk, so that a start while Vault is away knows what to trust, and the sequence goes on. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { replaceFile } from '../../sidecar/src/durable-file.ts';
import type { TrustBundle } from './issuer.ts';

const FILE = 'vault-bundle.json';
const bundle = z.strictObject({ sequence: z.int().min(1), rootsPem: z.string().min(1) });

export async function readBundle(folder: string): Promise<TrustBundle | null> {
  const path = join(folder, FILE);
  try {
    return bundle.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new Error(`${path}: cannot be used (${(error as Error).message}); remove it to begin anew`);
  }
}

export function storeBundle(folder: string, { sequence, rootsPem }: TrustBundle): Promise<void> {
  return replaceFile(join(folder, FILE), JSON.stringify({ sequence, rootsPem }));
}
