/**
 * The SVID in a folder of the sidecar's own, so that a restart needs no other join token.
 *
 * Invariants: it holds the private key, so its file is for the owner alone, and one that is open to others is an error. What cannot be used,
 * because it is damaged or expired, is told and counts as none.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { replaceFile } from '../durable-file.ts';
import { denyListDocument, readDenyList, writeDenyList } from './deny-list.ts';
import type { IdentityDeps } from './identity.ts';
import { checkValidity, readSvid, type Svid } from './svid.ts';

const FILE = 'svid.json';

export async function loadSvid(
  folder: string,
  trustDomain: string,
  foreignTrustDomains: readonly string[],
  { clock, report }: Pick<IdentityDeps, 'clock' | 'report'>,
): Promise<Svid | null> {
  const path = join(folder, FILE);
  let text: string;
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) {
      throw new Error(`${path}: holds a private key and is open to other users: chmod 600 it`);
    }
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    const { denied, foreign, ...files } = parse(text);
    // The config may accept fewer by now.
    const accepted = Object.entries(foreign).filter(([name]) => foreignTrustDomains.includes(name));
    const svid = {
      ...readSvid(files, trustDomain),
      denied: readDenyList(denied),
      foreign: new Map(accepted),
    };
    checkValidity(svid, clock.nowMs());
    return svid;
  } catch (error) {
    report({ kind: 'state_rejected', reason: `${path}: ${(error as Error).message}` });
    return null;
  }
}

export function storeSvid(
  folder: string,
  { certificatePem, keyPem, rootsPem, denied, foreign }: Svid,
): Promise<void> {
  const state: Stored = {
    certificatePem,
    keyPem,
    rootsPem,
    denied: writeDenyList(denied),
    foreign: Object.fromEntries(foreign),
  };
  return replaceFile(join(folder, FILE), JSON.stringify(state));
}

type Stored = z.infer<typeof stored>;

const stored = z.strictObject({
  certificatePem: z.string(),
  keyPem: z.string(),
  rootsPem: z.string(),
  denied: denyListDocument,
  foreign: z.record(z.string(), z.string()),
});

function parse(text: string): Stored {
  try {
    return stored.parse(JSON.parse(text));
  } catch {
    // Neither parser's message may be shown: it can hold a piece of the key.
    throw new Error('is damaged');
  }
}
