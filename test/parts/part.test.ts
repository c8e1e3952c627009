import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startPart } from './part.ts';

test('a part that exits early is an error with its last output', async () => {
  const start = startPart({
    name: 'quitter',
    command: process.execPath,
    args: ['-e', 'console.error("no disk"); process.exit(3)'],
    isReady: () => false,
  });
  await expect(start).rejects.toThrow(/quitter exited before it was ready.*no disk/s);
});

test('a command that does not exist is an error that names the part', async () => {
  const start = startPart({ name: 'ghost', command: '/no/such/program', args: [], isReady: () => false });
  await expect(start).rejects.toThrow(/ghost exited before it was ready.*no\/such\/program/s);
});

test('a part that ignores SIGTERM is killed, and its folder goes with it', async () => {
  const part = await startPart({
    name: 'stubborn',
    command: process.execPath,
    args: ['stubborn.mjs'],
    files: {
      'stubborn.mjs': 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1e6); console.log("up");',
    },
    isReady: ({ output }) => output().includes('up'),
  });
  await part.stop();
  expect(part.hasExited()).toBe(true);
  expect(existsSync(part.folder)).toBe(false);
});

test.skipIf(!existsSync('/usr/bin/setpriv'))('a part does not outlive a parent that was killed', async () => {
  const module = join(import.meta.dirname, 'part.ts');
  const script = `
    import { startPart } from ${JSON.stringify(module)};
    import { readFileSync } from 'node:fs';
    // The signal is asked for before sleep is executed, so by then it will come.
    const isReady = ({ pid }) => readFileSync('/proc/' + pid + '/comm', 'utf8') === 'sleep\\n';
    const sleeper = { name: 'sleeper', command: 'sleep', args: ['1000'], isReady };
    console.log(JSON.stringify(await startPart(sleeper)));`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = await new Promise<Buffer>((resolve) => parent.stdout.once('data', resolve));
  const { pid, folder } = JSON.parse(line.toString());
  expect(await isRunning(pid)).toBe(true);
  parent.kill('SIGKILL');
  while (await isRunning(pid)) await sleep(10);
  await rm(folder, { recursive: true });
});

async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z');
  return !/\) [ZX]/.test(stat);
}
