import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { JoinTokens } from './join-tokens.ts';
import { LIMITS } from './limits.ts';

const ID = 'spiffe://a.test/ns/b/sa/c';
const START_MS = Date.UTC(2030, 0, 1);
const socket = null as unknown as TLSSocket;

let folder: string;
let nowMs: number;
let tokens: JoinTokens;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-join-tokens-'));
  nowMs = START_MS;
  tokens = new JoinTokens(folder, () => nowMs);
});
afterEach(() => rm(folder, { recursive: true }));

async function use(token: string | null, keySha256 = 'key'): Promise<string> {
  const { spiffeId, spend } = await tokens.attest({ token, keySha256, socket });
  await spend?.();
  return spiffeId;
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

async function everythingStored(): Promise<string> {
  const names = await readdir(folder, { recursive: true });
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8').catch(() => '')));
  return [...names, ...texts].join('\n');
}

describe('a join token', () => {
  it('stands for one workload, once', async () => {
    const token = await tokens.create(ID, 60);
    expect(await use(token)).toBe(ID);
    await expect(use(token, 'key of another')).rejects.toMatchObject({ status: 401, code: 'token_used' });
  });

  it('is not spent by looking at it', async () => {
    const token = await tokens.create(ID, 60);
    for (const keySha256 of ['first', 'second']) {
      expect((await tokens.attest({ token, keySha256, socket })).spiffeId).toBe(ID);
    }
    expect(await tokens.isEnrolled(ID)).toBe(false);
    expect(await use(token, 'third')).toBe(ID);
  });

  it('is used up for a process that starts after a crash, too', async () => {
    const token = await tokens.create(ID, 60);
    await use(token);
    tokens = new JoinTokens(folder, () => nowMs);
    await expect(use(token, 'key of another')).rejects.toMatchObject({ code: 'token_used' });
  });

  it('has one winner when many use it at once', async () => {
    const token = await tokens.create(ID, 60);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, key) => use(token, `key ${key}`)),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('is stored nowhere, only its hash', async () => {
    const token = await tokens.create(ID, 60);
    await use(token);
    const stored = await everythingStored();
    expect(stored).toContain(sha256(token));
    expect(stored).not.toContain(token);
    expect(stored).not.toContain('.tmp');
  });

  it('repeats a lost answer to the key that has used it, for a short while, though it has expired meanwhile', async () => {
    const token = await tokens.create(ID, 1);
    await use(token);
    nowMs += LIMITS.lostAnswerMs - 1;
    expect(await use(token)).toBe(ID);
    await expect(use(token, 'key of another')).rejects.toMatchObject({ code: 'token_used' });
    // Counted from the first use, so that repeating does not make the while longer.
    nowMs += 1;
    await expect(use(token)).rejects.toMatchObject({ code: 'token_used' });
  });

  it('expires', async () => {
    const token = await tokens.create(ID, 60);
    nowMs += 59_999;
    const late = await tokens.create(ID, 60);
    nowMs += 1;
    await expect(use(token)).rejects.toMatchObject({ status: 401, code: 'token_expired' });
    expect(await use(late)).toBe(ID);
  });

  it('is withdrawn by removing its file', async () => {
    const token = await tokens.create(ID, 60);
    await rm(join(folder, 'join-tokens', `${sha256(token)}.json`));
    await expect(use(token)).rejects.toMatchObject({ code: 'invalid_token' });
  });

  it('is none when its file is damaged, which is no refusal but a fault', async () => {
    const token = await tokens.create(ID, 60);
    await writeFile(join(folder, 'join-tokens', `${sha256(token)}.json`), '{"spiffeId":"spiffe://a.test/x"}');
    await expect(use(token)).rejects.toThrow(/\.json: is damaged; remove it/);
  });

  it('is not guessed: whatever was not made is refused, and leaves no file', async () => {
    await tokens.create(ID, 60);
    const before = await everythingStored();
    const near = fc.stringMatching(/^tulle-join-[A-Za-z0-9_-]{43}$/);
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string({ unit: 'binary' }), near, fc.constant(null)), async (token) => {
        await expect(use(token)).rejects.toMatchObject({ status: 401, code: 'invalid_token' });
      }),
    );
    for (const token of ['../join-tokens/x', sha256('x'), '']) {
      await expect(use(token)).rejects.toMatchObject({ code: 'invalid_token' });
    }
    expect(await everythingStored()).toBe(before);
  });
});

describe('enrolment', () => {
  it('begins with the use of a token, and is taken back by removing its file', async () => {
    const token = await tokens.create(ID, 60);
    expect(await tokens.isEnrolled(ID)).toBe(false);
    await use(token);
    expect(await tokens.isEnrolled(ID)).toBe(true);
    expect(await tokens.isEnrolled(`${ID}2`)).toBe(false);
    await rm(join(folder, 'enrolled', `${sha256(ID)}.json`));
    expect(await tokens.isEnrolled(ID)).toBe(false);
  });
});

describe('sweeping', () => {
  it('forgets tokens whose time is over, used or not, and no others', async () => {
    const used = await tokens.create(ID, 60);
    await use(used);
    await tokens.create(ID, 60);
    const good = await tokens.create(ID, 3_600);
    nowMs += 60_000 + LIMITS.lostAnswerMs;
    await tokens.sweep();
    expect(await readdir(join(folder, 'join-tokens'))).toEqual([`${sha256(good)}.json`]);
    expect(await tokens.isEnrolled(ID)).toBe(true);
    await expect(use(used)).rejects.toMatchObject({ code: 'invalid_token' });
  });

  it('does not revive a used token when it ends half-way', async () => {
    const token = await tokens.create(ID, 60);
    await use(token);
    nowMs += 60_000 + LIMITS.lostAnswerMs;
    await rm(join(folder, 'join-tokens', `${sha256(token)}.json`));
    await expect(use(token)).rejects.toMatchObject({ code: 'invalid_token' });
    await tokens.sweep();
    expect(await readdir(join(folder, 'join-tokens'))).toEqual([]);
  });
});
