/**
 * The root key and certificate on disk: one PEM file that only its owner may read, made at first start.
 *
 * Invariants: key and certificate appear together or not at all (written aside, then linked), and an existing root is never
 * overwritten: losing it would cut every workload off from its peers.
 */

import { randomUUID } from 'node:crypto';
import { chmod, link, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The private key and the certificate, PEM. */
export interface RootPair {
  readonly keyPem: string;
  readonly certificatePem: string;
}

const ROOT_FILE = 'root.pem';
const ROOTS_FILE = 'roots.pem';

export async function loadRoot(folder: string): Promise<RootPair | null> {
  const path = join(folder, ROOT_FILE);
  let text: string;
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) {
      throw new Error(`${path} holds the root key and is open to other users: chmod 600 it`);
    }
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null;
    throw error;
  }
  const keyPem = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n/.exec(text)?.[0];
  const certificatePem = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/.exec(text)?.[0];
  if (keyPem === undefined || certificatePem === undefined) {
    throw new Error(`${path} does not hold a private key and a certificate: restore it from a backup`);
  }
  return { keyPem, certificatePem };
}

/** Returns the pair that is on disk in the end: another process may have been faster. */
export async function storeRoot(folder: string, pair: RootPair): Promise<RootPair> {
  await mkdir(folder, { recursive: true });
  const aside = join(folder, `.${ROOT_FILE}.${randomUUID()}`);
  try {
    await writeFile(aside, pair.keyPem + pair.certificatePem, { mode: 0o600, flag: 'wx', flush: true });
    // The process's umask may only have taken rights away, but the owner must be able to read it.
    await chmod(aside, 0o600);
    await link(aside, join(folder, ROOT_FILE));
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error;
  } finally {
    await rm(aside, { force: true });
  }
  const stored = await loadRoot(folder);
  if (stored === null) throw new Error(`${join(folder, ROOT_FILE)} disappeared while the authority started`);
  return stored;
}

/** Puts the public part next to the root, for whoever hands it out to the sidecars. */
export async function publishRoots(folder: string, rootsPem: string): Promise<void> {
  const aside = join(folder, `.${ROOTS_FILE}.${randomUUID()}`);
  await writeFile(aside, rootsPem);
  await rename(aside, join(folder, ROOTS_FILE));
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
