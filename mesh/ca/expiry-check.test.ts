// The check that is to fail before anything ends, as a scheduled job runs it: a process, the config and the state folder.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAuthority } from './authority.ts';
import { storeBundle } from './vault-state.ts';

const DAY_MS = 24 * 3_600_000;
const ROOT_DAYS = 3_650;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-expiry-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** An authority that was made so many days ago; `force` takes steps of a rotation at once. */
async function found(daysAgo: number) {
  return createAuthority({
    trustDomain: 'a.test',
    state: { folder: join(folder, 'state'), passphrase: 'long enough for a passphrase' },
    nowMs: () => Date.now() - daysAgo * DAY_MS,
  });
}

async function check(...args: string[]) {
  const file = join(folder, 'ca.yaml');
  // The passphrase is not there: nothing is opened.
  const keys = 'stateDir: state\npassphraseFile: passphrase\nsvidTtlSeconds: 60\n';
  await writeFile(file, `trustDomain: a.test\nlisten: 127.0.0.1:0\n${keys}`);
  return run(file, ...args);
}

async function run(file: string, ...args: string[]) {
  const child = spawn(process.execPath, [
    join(import.meta.dirname, 'main.ts'),
    '--config',
    file,
    '--check',
    ...args,
  ]);
  const [[code], output, errors] = await Promise.all([
    once(child, 'exit'),
    text(child.stdout),
    text(child.stderr),
  ]);
  const lines = output.split('\n').filter((line) => line !== '');
  return { code, found: lines.map((line) => JSON.parse(line)), errors };
}

describe('the check of what ends', () => {
  it('is content with a new authority, and tells when things end', async () => {
    const authority = await found(0);
    const { code, found: told } = await check();
    expect(code).toBe(0);
    expect(told).toEqual([
      {
        certificate: 'root',
        id: authority.rotation.roots[0]?.id,
        notAfter: authority.rotation.roots[0]?.notAfter,
        daysLeft: ROOT_DAYS - 1,
        due: false,
      },
      {
        certificate: 'intermediate',
        id: expect.any(String),
        notAfter: expect.any(String),
        daysLeft: 29,
        due: false,
      },
    ]);
  });

  it('fails for an intermediate that was not replaced in time', async () => {
    // At half of its 30 days another one would have come; a quarter is left.
    await found(23);
    const { code, found: told } = await check();
    expect([code, told.map(({ due }) => due)]).toEqual([1, [false, true]]);
    expect((await check('--intermediate-days', '5')).code).toBe(0);
  });

  it('fails for a root long before its end, and is content when the next one signs', async () => {
    const authority = await found(0);
    expect((await check('--root-days', String(ROOT_DAYS))).code).toBe(1);
    expect((await check('--root-days', String(ROOT_DAYS - 1))).code).toBe(0);
    const old = await createOld(authority);
    const { found: told } = await check();
    expect(told.filter(({ certificate }) => certificate === 'root').map(({ id }) => id)).not.toContain(old);
  });

  it('fails where nothing can be found out', async () => {
    const { code, errors } = await check();
    expect([code, errors]).toEqual([2, expect.stringContaining('has it been started?')]);
    for (const args of [['--root-days', 'soon'], ['--roots']])
      expect(await check(...args)).toMatchObject({ code: 2, errors: expect.stringContaining('usage') });
  });

  it('looks at the last root to end where Vault signs', async () => {
    const state = join(folder, 'state');
    const roots = await Promise.all([found(0), createAuthority({ trustDomain: 'a.test' })]);
    await storeBundle(state, {
      sequence: 1,
      rootsPem: roots.map((each) => each.trustBundle().rootsPem).join(''),
    });
    const file = join(folder, 'vault.yaml');
    const vault = {
      address: 'https://127.0.0.1:1',
      rootsFile: 'x',
      auth: { appRole: { roleIdFile: 'x', secretIdFile: 'x' } },
    };
    const config = {
      trustDomain: 'a.test',
      listen: '127.0.0.1:0',
      stateDir: 'state',
      svidTtlSeconds: 60,
      vault,
    };
    await writeFile(file, JSON.stringify(config));
    expect(await run(file)).toMatchObject({ code: 0, found: [{ certificate: 'root', due: false }] });
    expect((await run(file, '--root-days', '4000')).code).toBe(1);
  });
});

/** The id of the root that another one has taken the place of. */
async function createOld(authority: Awaited<ReturnType<typeof found>>): Promise<string | undefined> {
  await authority.rotateRoot('prepare');
  await authority.rotateRoot('activate', { force: true });
  return authority.rotation.roots.find(({ role }) => role === 'old')?.id;
}
