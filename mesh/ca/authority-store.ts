/**
 * What the embedded authority keeps: `authority.json` with the certificates, the stage of a rotation and the sealed key of the intermediate,
 * `root-<id>.key.json` with the sealed key of a root, and `roots.pem` for whoever hands it out to the sidecars.
 *
 * Invariants: a state is on disk, whole, before anything follows from it. No private key is written in clear. A damaged file is never
 * replaced by a new start: losing the root would cut every workload off. The key of a root may be taken elsewhere while nothing needs it.
 */
import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { createFile, replaceFile } from '../../sidecar/src/durable-file.ts';
import type { AuthorityState } from './root-rotation.ts';
import { openKey, type SealedKey, sealedKey, sealKey } from './sealed-key.ts';

export interface AuthorityStore {
  load(): Promise<AuthorityState | null>;
  /** The first state; false when there is one already. */
  create(state: AuthorityState): Promise<boolean>;
  save(state: AuthorityState): Promise<void>;
  /** PEM. Throws when it is kept elsewhere. */
  readRootKey(id: string): Promise<string>;
  writeRootKey(id: string, keyPem: string): Promise<void>;
  removeRootKey(id: string): Promise<void>;
}

/** Lives as long as the process: tests, benchmarks. */
export class MemoryStore implements AuthorityStore {
  readonly #rootKeys = new Map<string, string>();

  load = async () => null;
  create = async () => true;
  save = async () => {};

  async readRootKey(id: string): Promise<string> {
    return this.#rootKeys.get(id) ?? '';
  }

  async writeRootKey(id: string, keyPem: string): Promise<void> {
    this.#rootKeys.set(id, keyPem);
  }

  async removeRootKey(id: string): Promise<void> {
    this.#rootKeys.delete(id);
  }
}

const STATE_FILE = 'authority.json';
const ROOTS_FILE = 'roots.pem';

export class FileStore implements AuthorityStore {
  readonly #folder: string;
  readonly #trustDomain: string;
  readonly #passphrase: string;
  /** Sealing takes long, and most states differ in something else. */
  #sealed: { readonly keyPem: string; readonly key: SealedKey } | null = null;

  constructor(folder: string, trustDomain: string, passphrase: string) {
    this.#folder = folder;
    this.#trustDomain = trustDomain;
    this.#passphrase = passphrase;
  }

  async load(): Promise<AuthorityState | null> {
    const stored = await readAuthorityState(this.#folder);
    if (stored === null) return null;
    const { trustDomain, intermediate, sequence, roots } = stored;
    if (trustDomain !== this.#trustDomain) {
      throw new Error(
        `${this.#folder}: belongs to trust domain ${trustDomain}, not to ${this.#trustDomain}; give each its own folder`,
      );
    }
    const { key, ...certified } = intermediate;
    const keyPem = await openKey(key, this.#passphrase, this.#purpose('intermediate'));
    this.#sealed = { keyPem, key };
    const state = { sequence, roots, intermediate: { ...certified, keyPem } };
    await this.#publishRoots(state);
    return state;
  }

  async create(state: AuthorityState): Promise<boolean> {
    if (!(await createFile(join(this.#folder, STATE_FILE), await this.#encode(state)))) return false;
    await this.#publishRoots(state);
    return true;
  }

  async save(state: AuthorityState): Promise<void> {
    await replaceFile(join(this.#folder, STATE_FILE), await this.#encode(state));
    await this.#publishRoots(state);
  }

  async readRootKey(id: string): Promise<string> {
    const path = this.#rootKeyFile(id);
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new Error(
        `${path}: the key of the root cannot be read (${error.code}); put it there for as long as it is needed`,
      );
    });
    return openKey(parse(text, sealedKey, path), this.#passphrase, this.#purpose(`root ${id}`));
  }

  async writeRootKey(id: string, keyPem: string): Promise<void> {
    const sealed = await sealKey(keyPem, this.#passphrase, this.#purpose(`root ${id}`));
    await createFile(this.#rootKeyFile(id), toText(sealed));
  }

  removeRootKey(id: string): Promise<void> {
    return rm(this.#rootKeyFile(id), { force: true });
  }

  async #encode({ sequence, roots, intermediate }: AuthorityState): Promise<string> {
    const { keyPem, ...certified } = intermediate;
    if (this.#sealed?.keyPem !== keyPem) {
      this.#sealed = {
        keyPem,
        key: await sealKey(keyPem, this.#passphrase, this.#purpose('intermediate')),
      };
    }
    const stored = { ...certified, key: this.#sealed.key };
    return toText({ trustDomain: this.#trustDomain, sequence, roots, intermediate: stored });
  }

  /** Not secret, hence readable by all. */
  async #publishRoots({ roots }: AuthorityState): Promise<void> {
    const aside = join(this.#folder, `.${ROOTS_FILE}.${randomUUID()}`);
    await writeFile(aside, roots.map(({ certificatePem }) => certificatePem).join(''));
    await rename(aside, join(this.#folder, ROOTS_FILE));
  }

  #rootKeyFile(id: string): string {
    return join(this.#folder, `root-${id}.key.json`);
  }

  #purpose(what: string): string {
    return `${what} of ${this.#trustDomain}`;
  }
}

export type StoredAuthority = z.infer<typeof storedAuthority>;

/** Certificates and stages, for whoever looks without the passphrase; null before the first start. */
export async function readAuthorityState(folder: string): Promise<StoredAuthority | null> {
  const path = join(folder, STATE_FILE);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  return text === null ? null : parse(text, storedAuthority, path);
}

const timeMs = z.number().nonnegative();

const storedAuthority = z.strictObject({
  trustDomain: z.string(),
  sequence: z.int().positive(),
  roots: z
    .array(
      z.strictObject({
        id: z.string().regex(/^[0-9a-f]+$/),
        certificatePem: z.string(),
        role: z.enum(['next', 'signing', 'old']),
        sinceMs: timeMs,
        signedUntilMs: timeMs,
      }),
    )
    .min(1)
    .max(2),
  intermediate: z.strictObject({ rootId: z.string(), certificatePem: z.string(), key: sealedKey }),
});

function parse<Value>(text: string, schema: z.ZodType<Value>, path: string): Value {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new Error(`${path}: is damaged; restore it from a backup`);
  }
}

function toText(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
