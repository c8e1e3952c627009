/**
 * Private keys at rest: AES-256-GCM under a key that scrypt (RFC 7914) makes from a passphrase.
 *
 * Invariants: each sealing has its own salt and nonce, so no key encrypts twice. The purpose is authenticated with the key: the file of one key
 * can not take the place of another. What was changed, or sealed with another passphrase, is refused and never returned.
 */
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { z } from 'zod';

export const sealedKey = z.strictObject({
  kdf: z.literal('scrypt'),
  /** N of scrypt; stored, so that it can grow without making old files unreadable, and bounded, as it is memory. */
  cost: z.int().min(1_024).max(1_048_576),
  salt: z.base64(),
  cipher: z.literal('aes-256-gcm'),
  nonce: z.base64(),
  tag: z.base64(),
  ciphertext: z.base64(),
});
export type SealedKey = z.infer<typeof sealedKey>;

/** 32 MB and about 100 ms for each guess. */
const COST = 32_768;
const BLOCK_SIZE = 8;
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
/** scrypt slows guessing down; what is short can be guessed nevertheless. */
const MIN_PASSPHRASE_LENGTH = 20;

/** `purpose` names the key; it must be the same when the key is opened. */
export async function sealKey(keyPem: string, passphrase: string, purpose: string): Promise<SealedKey> {
  const salt = randomBytes(SALT_BYTES);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', await deriveKey(passphrase, salt, COST), nonce);
  cipher.setAAD(Buffer.from(purpose));
  const ciphertext = Buffer.concat([cipher.update(keyPem, 'utf8'), cipher.final()]);
  return {
    kdf: 'scrypt',
    cost: COST,
    salt: salt.toString('base64'),
    cipher: 'aes-256-gcm',
    nonce: nonce.toString('base64'),
    tag: cipher.getAuthTag().toString('base64'),
    ciphertext: ciphertext.toString('base64'),
  };
}

/** The private key, PEM. */
export async function openKey(sealed: SealedKey, passphrase: string, purpose: string): Promise<string> {
  const key = await deriveKey(passphrase, Buffer.from(sealed.salt, 'base64'), sealed.cost);
  try {
    const nonce = Buffer.from(sealed.nonce, 'base64');
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(purpose));
    decipher.setAuthTag(Buffer.from(sealed.tag, 'base64'));
    const text = decipher.update(Buffer.from(sealed.ciphertext, 'base64'));
    return Buffer.concat([text, decipher.final()]).toString('utf8');
  } catch {
    throw new Error(
      `the key of the ${purpose} does not open with this passphrase, or was changed: use the passphrase that it was made with, or restore it from a backup`,
    );
  }
}

/** The text of a file without its last line break. */
export async function readPassphrase(path: string): Promise<string> {
  const { mode } = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new Error(
      `${path}: cannot be read (${error.code}); make one with \`openssl rand -base64 32 > ${path}\``,
    );
  });
  // A group may read it: that is how an agent hands out a secret.
  if ((mode & 0o007) !== 0)
    throw new Error(`${path} holds the passphrase of the keys and is open to all users: chmod 600 it`);
  const passphrase = (await readFile(path, 'utf8')).replace(/\r?\n$/, '');
  if (passphrase.length < MIN_PASSPHRASE_LENGTH) {
    throw new Error(
      `${path}: a passphrase has at least ${MIN_PASSPHRASE_LENGTH} characters; make one with \`openssl rand -base64 32\``,
    );
  }
  return passphrase;
}

function deriveKey(passphrase: string, salt: Buffer, cost: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // scrypt takes 128 * N * r bytes and a little; the default bound of Node is just that, without the little.
    const options = { N: cost, r: BLOCK_SIZE, p: 1, maxmem: 256 * cost * BLOCK_SIZE };
    scrypt(passphrase, salt, KEY_BYTES, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}
