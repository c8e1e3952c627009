import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openKey, readPassphrase, type SealedKey, sealKey } from './sealed-key.ts';

const PASSPHRASE = 'correct horse battery staple';
let sealed: SealedKey;
beforeAll(async () => {
  sealed = await sealKey('the key', PASSPHRASE, 'root 1');
});

describe('a sealed key', () => {
  it('opens with its passphrase and purpose', async () => {
    expect(await openKey(sealed, PASSPHRASE, 'root 1')).toBe('the key');
    expect(JSON.stringify(sealed)).not.toContain(Buffer.from('the key').toString('base64'));
  });

  it('is another one each time', async () => {
    const again = await sealKey('the key', PASSPHRASE, 'root 1');
    expect(again.salt).not.toBe(sealed.salt);
    expect(again.ciphertext).not.toBe(sealed.ciphertext);
  });

  it.each([
    ['with another passphrase', (key: SealedKey) => openKey(key, `${PASSPHRASE}.`, 'root 1')],
    ['in the place of another key', (key: SealedKey) => openKey(key, PASSPHRASE, 'root 2')],
    ['when it was changed', (key: SealedKey) => openKey(flipped(key, 'ciphertext'), PASSPHRASE, 'root 1')],
    ['when its tag was changed', (key: SealedKey) => openKey(flipped(key, 'tag'), PASSPHRASE, 'root 1')],
    [
      'when its tag was cut',
      (key: SealedKey) => openKey({ ...key, tag: key.tag.slice(0, 8) }, PASSPHRASE, 'root 1'),
    ],
  ])('does not open %s', async (_, open) => {
    await expect(open(sealed)).rejects.toThrow('does not open with this passphrase, or was changed');
  });
});

function flipped(key: SealedKey, part: 'ciphertext' | 'tag'): SealedKey {
  const bytes = Buffer.from(key[part], 'base64');
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  return { ...key, [part]: bytes.toString('base64') };
}

describe('the file of the passphrase', () => {
  let folder: string;
  let file: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tulle-passphrase-'));
    file = join(folder, 'passphrase');
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('holds it with or without a line break at its end', async () => {
    for (const end of ['', '\n', '\r\n']) {
      await writeFile(file, PASSPHRASE + end, { mode: 0o640 });
      expect(await readPassphrase(file)).toBe(PASSPHRASE);
    }
  });

  it.each([
    ['when it is not there', async () => {}, /passphrase: cannot be read \(ENOENT\); make one with/],
    ['when it is too short', () => writeFile(file, 'short\n', { mode: 0o600 }), /at least 20 characters/],
    [
      'when everybody can read it',
      async () => {
        await writeFile(file, PASSPHRASE);
        await chmod(file, 0o644);
      },
      /open to all users: chmod 600/,
    ],
  ])('is refused %s', async (_, prepare, reason) => {
    await rm(file, { force: true });
    await prepare();
    await expect(readPassphrase(file)).rejects.toThrow(reason);
  });
});
