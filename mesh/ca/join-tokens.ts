/**
 * Join tokens: one enrolment each, for machines that nothing else vouches for. Kept as files, so that the command which makes a token and
 * the authority that takes it need no word between them:
 *
 *   join-tokens/<SHA-256 of the token>.json   { spiffeId, expiresAtMs }, by the command
 *   join-tokens/<SHA-256 of the token>.used   { keySha256, usedAtMs }, by the first use
 *   enrolled/<SHA-256 of the id>.json         { spiffeId, enrolledAtMs }, who may renew by certificate from then on
 *
 * Invariants: the token itself is stored nowhere. Its use is on disk before a certificate is given away, and of two first uses one wins. Who lost the
 * answer may ask again for a short while, with the same key alone. A mark of use goes after its token, so that no crash revives one.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { createFile, replaceFile } from '../../sidecar/src/durable-file.ts';
import type { Attested, Attestor, Claim } from './attestor.ts';
import { LIMITS } from './limits.ts';
import { refuseProof } from './refusal.ts';

export class JoinTokens implements Attestor {
  readonly #tokens: string;
  readonly #enrolled: string;
  readonly #nowMs: () => number;

  constructor(stateDir: string, nowMs: () => number = Date.now) {
    this.#tokens = join(stateDir, 'join-tokens');
    this.#enrolled = join(stateDir, 'enrolled');
    this.#nowMs = nowMs;
  }

  /** The only time that the token is to be seen. */
  async create(spiffeId: string, ttlSeconds: number): Promise<string> {
    await this.sweep();
    const stored = (await list(this.#tokens)).filter((name) => name.endsWith('.json'));
    if (stored.length >= LIMITS.joinTokens) {
      throw new Error(
        `${this.#tokens}: holds ${stored.length} tokens; wait until some expire, or remove some`,
      );
    }
    const token = `${PREFIX}${randomBytes(TOKEN_BYTES).toString('base64url')}`;
    const made: Token = { spiffeId, expiresAtMs: this.#nowMs() + ttlSeconds * 1_000 };
    await createFile(this.#tokenFile(sha256(token)), JSON.stringify(made));
    return token;
  }

  async attest({ token, keySha256 }: Claim): Promise<Attested> {
    if (token === null || !TOKEN.test(token)) throw unknownToken();
    const digest = sha256(token);
    const made = await readState(this.#tokenFile(digest), tokenState);
    if (made === null) throw unknownToken();
    const { spiffeId, expiresAtMs } = made;
    const use = await readState(this.#useFile(digest), useState);
    if (use !== null) this.#checkRepeated(use, keySha256);
    else if (this.#nowMs() >= expiresAtMs) {
      throw refuseProof('token_expired', 'The join token has expired; ask for another one.');
    }
    return { spiffeId, spend: () => this.#spend(digest, spiffeId, keySha256) };
  }

  /** A token was used for this id, and nobody has taken that back. */
  async isEnrolled(spiffeId: string): Promise<boolean> {
    return (await readState(this.#enrolledFile(spiffeId), enrolledState))?.spiffeId === spiffeId;
  }

  /** Forgets tokens of which nothing can come any more. */
  async sweep(): Promise<void> {
    const digests = new Set((await list(this.#tokens)).map((name) => name.slice(0, DIGEST_LENGTH)));
    for (const digest of digests) {
      const made = await readState(this.#tokenFile(digest), tokenState);
      if (made !== null && made.expiresAtMs + LIMITS.lostAnswerMs > this.#nowMs()) continue;
      await rm(this.#tokenFile(digest), { force: true });
      await rm(this.#useFile(digest), { force: true });
    }
  }

  async #spend(digest: string, spiffeId: string, keySha256: string): Promise<void> {
    const nowMs = this.#nowMs();
    const isFirst = await createFile(
      this.#useFile(digest),
      JSON.stringify({ keySha256, usedAtMs: nowMs } satisfies Use),
    );
    if (!isFirst) this.#checkRepeated(await readState(this.#useFile(digest), useState), keySha256);
    await replaceFile(this.#enrolledFile(spiffeId), JSON.stringify({ spiffeId, enrolledAtMs: nowMs }));
  }

  #checkRepeated(use: Use | null, keySha256: string): void {
    if (use?.keySha256 === keySha256 && this.#nowMs() - use.usedAtMs < LIMITS.lostAnswerMs) return;
    throw refuseProof(
      'token_used',
      'The join token was used before; ask for another one, and find out who has used this one.',
    );
  }

  #tokenFile(digest: string): string {
    return join(this.#tokens, `${digest}.json`);
  }

  #useFile(digest: string): string {
    return join(this.#tokens, `${digest}.used`);
  }

  #enrolledFile(spiffeId: string): string {
    return join(this.#enrolled, `${sha256(spiffeId)}.json`);
  }
}

/** Found by those who look for secrets where there should be none. */
const PREFIX = 'tulle-join-';
const TOKEN_BYTES = 32;
const TOKEN = new RegExp(`^${PREFIX}[A-Za-z0-9_-]{43}$`);
const DIGEST_LENGTH = 64;

type Token = z.infer<typeof tokenState>;
type Use = z.infer<typeof useState>;

const tokenState = z.strictObject({ spiffeId: z.string(), expiresAtMs: z.number() });
const useState = z.strictObject({ keySha256: z.string(), usedAtMs: z.number() });
const enrolledState = z.strictObject({ spiffeId: z.string(), enrolledAtMs: z.number() });

/** What another process is about to write there is not meant. */
async function list(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(ifMissing<string[]>([]));
  return names.filter((name) => /^[0-9a-f]{64}\.(json|used)$/.test(name));
}

async function readState<State>(path: string, schema: z.ZodType<State>): Promise<State | null> {
  const text = await readFile(path, 'utf8').catch(ifMissing(null));
  if (text === null) return null;
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new Error(`${path}: is damaged; remove it, and make another token`);
  }
}

function ifMissing<Value>(value: Value): (error: NodeJS.ErrnoException) => Value {
  return (error) => {
    if (error.code === 'ENOENT') return value;
    throw error;
  };
}

function unknownToken() {
  return refuseProof('invalid_token', 'Authorization must hold a bearer token known to this authority.');
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
