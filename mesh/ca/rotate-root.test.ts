// Commands to a running authority, as an operator gives them: processes, the state folder and its socket.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sendCommand, serveCommands } from './command-socket.ts';

let folder: string;
let children: ReturnType<typeof spawn>[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-rotate-'));
  children = [];
});
afterEach(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await rm(folder, { recursive: true });
});

function run(program: string, ...args: string[]) {
  const child = spawn(process.execPath, [join(import.meta.dirname, program), ...args]);
  children.push(child);
  return child;
}

async function finish(program: string, ...args: string[]) {
  const child = run(program, ...args);
  const [[code], output, errors] = await Promise.all([
    once(child, 'exit'),
    text(child.stdout),
    text(child.stderr),
  ]);
  return { code, output, errors };
}

async function writeConfig(extra = ''): Promise<string> {
  await writeFile(join(folder, 'passphrase'), 'long enough for a passphrase', { mode: 0o600 });
  const config = 'trustDomain: a.test\nlisten: 127.0.0.1:0\nstateDir: state\npassphraseFile: passphrase\n';
  const file = join(folder, 'ca.yaml');
  await writeFile(file, `${config}svidTtlSeconds: 2\ntrustRefreshSeconds: 1\n${extra}`);
  return file;
}

describe('the command that rotates the root', () => {
  it('goes from root to root of a running authority, and waits where it is asked to', {
    timeout: 60_000,
  }, async () => {
    const config = await writeConfig();
    const authority = run('main.ts', '--config', config);
    await once(authority.stdout, 'data');
    const rotate = (...args: string[]) => finish('rotate-root.ts', '--config', config, ...args);

    const prepared = await rotate('prepare');
    expect(prepared.code).toBe(0);
    expect(JSON.parse(prepared.output)).toMatchObject({
      sequence: 2,
      roots: [{ role: 'signing' }, { role: 'next' }],
      nextStep: { step: 'activate', notBefore: expect.stringMatching(/^\d{4}-/) },
    });
    const early = await rotate('activate');
    expect([early.code, early.errors]).toEqual([
      1,
      expect.stringContaining('the time to hear of the new root'),
    ]);
    expect((await rotate('activate', '--wait')).code).toBe(0);
    expect((await rotate('retire', '--wait')).code).toBe(0);
    const { output } = await rotate('status');
    expect(JSON.parse(output)).toMatchObject({ sequence: 3, roots: [{ role: 'signing' }] });
    expect((await rotate('retire')).errors).toContain('there is no old root');
  });

  it('ends with 2 when no authority is running, and for arguments that say nothing', async () => {
    const config = await writeConfig();
    const alone = await finish('rotate-root.ts', '--config', config, 'prepare');
    expect([alone.code, alone.errors]).toEqual([
      2,
      expect.stringContaining('is the authority of this config'),
    ]);
    for (const args of [['prepare'], ['--config', config], ['--config', config, 'replace']]) {
      const { code, errors } = await finish('rotate-root.ts', ...args);
      expect([code, errors]).toEqual([2, expect.stringContaining('usage: rotate-root.ts')]);
    }
  });
});

describe('the socket of commands', () => {
  it('is for its owner alone', async () => {
    const commands = await serveCommands(join(folder, 'state'), async (sent) => ({ result: sent }));
    expect((await stat(join(folder, 'state', 'control.sock'))).mode & 0o777).toBe(0o600);
    expect(await sendCommand(join(folder, 'state'), { hello: 1 })).toEqual({ result: { hello: 1 } });
    commands.close();
  });

  it('keeps a second authority from the same folder, and takes the place of one that was left behind', async () => {
    const path = join(folder, 'state');
    await mkdir(path);
    const first = await serveCommands(path, async () => ({ result: 'first' }));
    await expect(serveCommands(path, async () => ({ result: 'second' }))).rejects.toThrow(
      'another authority',
    );
    first.close();
    // A process that was killed leaves the file, and nobody behind it.
    const child = spawn(process.execPath, [
      '-e',
      `require('net').createServer().listen(${JSON.stringify(join(path, 'control.sock'))}, () => process.kill(process.pid, 'SIGKILL'))`,
    ]);
    await once(child, 'exit');
    await stat(join(path, 'control.sock'));
    const second = await serveCommands(path, async () => ({ result: 'second' }));
    expect(await sendCommand(path, {})).toEqual({ result: 'second' });
    second.close();
  });

  it('answers what it can not read, and what is too large, with a refusal', async () => {
    const commands = await serveCommands(folder, async () => ({ result: 'never' }));
    const large = await sendCommand(folder, { padding: 'x'.repeat(5_000) });
    expect(large).toMatchObject({ refused: expect.stringContaining('larger than 4096 bytes') });
    commands.close();
  });

  it('says so when its path would be too long', async () => {
    const long = join(folder, 'x'.repeat(100));
    await expect(serveCommands(long, async () => ({ result: null }))).rejects.toThrow(
      'use a shorter stateDir',
    );
  });
});
