/**
 * What an authority with its keys in Vault keeps over restarts, so that one in the middle of an outage answers and knows whom to trust: the trust bundle, whose sequence goes
 * on, and the certificate of its own HTTPS interface with its key. Files for the owner alone.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { replaceFile } from '../../sidecar/src/durable-file.ts';
import type { ServerCertificate, TrustBundle } from './issuer.ts';

export interface KeptServerCertificate extends ServerCertificate {
  readonly names: readonly string[];
}

const BUNDLE = 'vault-bundle.json';
const SERVER = 'vault-server.json';

const bundle = z.strictObject({ sequence: z.int().min(1), rootsPem: z.string().min(1) });
const server = z.strictObject({
  names: z.array(z.string()),
  certificatePem: z.string().min(1),
  keyPem: z.string().min(1),
  notAfterMs: z.number(),
});

export function readBundle(folder: string): Promise<TrustBundle | null> {
  return readState(join(folder, BUNDLE), bundle);
}

export function storeBundle(folder: string, { sequence, rootsPem }: TrustBundle): Promise<void> {
  return replaceFile(join(folder, BUNDLE), JSON.stringify({ sequence, rootsPem }));
}

export function readServerCertificate(folder: string): Promise<KeptServerCertificate | null> {
  return readState(join(folder, SERVER), server);
}

export function storeServerCertificate(folder: string, kept: KeptServerCertificate): Promise<void> {
  return replaceFile(join(folder, SERVER), JSON.stringify(kept));
}

async function readState<State>(path: string, schema: z.ZodType<State>): Promise<State | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    // Neither parser's message may be shown: it can hold a piece of a key.
    throw new Error(`${path}: is damaged; remove it to begin anew`);
  }
}
