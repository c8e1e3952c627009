import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from './limits.ts';
import { type ChildLost, type ChildSpec, Processes } from './processes.ts';

const READY = `console.log(JSON.stringify({ event: 'ready', port: 7, config: process.argv.at(-1) }));`;
const STAY = 'setInterval(() => {}, 1000);';

let folder: string;
let lost: ChildLost[];
let processes: Processes;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-processes-'));
  lost = [];
  processes = new Processes((error) => lost.push(error));
});

afterEach(async () => {
  await processes.stop([]);
  await rm(folder, { recursive: true });
});

describe('Processes', () => {
  it('finds the ready line among other lines and passes the config on', async () => {
    const spec = await script('a', `console.log('{"level":"info"}\\nnot JSON {'); ${READY} ${STAY}`);
    expect(await processes.start(spec)).toMatchObject({ port: 7, config: 'a.yaml' });
  });

  it('ends children in waves', async () => {
    const ended = join(folder, 'ended');
    const ending = (name: string, afterMs: number) =>
      script(
        name,
        `process.on('SIGTERM', () => setTimeout(() => {
          require('node:fs').appendFileSync(${JSON.stringify(ended)}, '${name} ');
          process.exit(0);
        }, ${afterMs})); ${READY} ${STAY}`,
      );
    // Were they all asked at once, the first wave would be the last to end.
    await Promise.all([
      processes.start(await ending('slow', 200)),
      processes.start(await ending('quick', 0)),
    ]);
    await processes.stop([['slow'], ['quick']]);
    expect(await readFile(ended, 'utf8')).toBe('slow quick ');
    expect(lost).toEqual([]);
  });

  it('kills what does not end by the deadline', async () => {
    processes = new Processes((error) => lost.push(error), { readyMs: 30_000, stopMs: 100 });
    await processes.start(await script('deaf', `process.on('SIGTERM', () => {}); ${READY} ${STAY}`));
    const pid = processes.pidOf('deaf') as number;
    await processes.stop([['deaf']]);
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it('gives up on a child that never gets ready', async () => {
    processes = new Processes((error) => lost.push(error), { readyMs: 300, stopMs: 5_000 });
    const slow = await script('slow', `console.log('thinking'); ${STAY}`);
    await expect(processes.start(slow)).rejects.toThrow('slow was not ready within 300 ms.');
  });

  it('says what a child that failed to start had to say, but not without end', async () => {
    const spec = await script(
      'bad',
      `for (let i = 0; i < 100; i++) console.error('line ' + i); process.exit(3);`,
    );
    const failure = await processes.start(spec).catch((error: Error) => error.message);
    expect(failure).toContain('bad ended early (exit code 3). Its last output:');
    expect(failure).toContain('line 99');
    expect(failure).toContain(`line ${100 - limits.outputLines}`);
    expect(failure).not.toContain(`line ${99 - limits.outputLines}\n`);
  });

  it('tells that a child was lost, once, and not when it was asked to end', async () => {
    await processes.start(await script('a', READY + STAY));
    await processes.start(await script('b', READY + STAY));
    process.kill(processes.pidOf('a') as number, 'SIGKILL');
    await expect
      .poll(() => lost.map((error) => error.message))
      .toEqual([expect.stringContaining('a ended early (SIGKILL).')]);
    await processes.stop([['b']]);
    expect(lost).toHaveLength(1);
  });

  it('starts nothing any more once it is stopping', async () => {
    await processes.stop([]);
    await expect(processes.start(await script('late', READY + STAY))).rejects.toThrow('the demo is stopping');
  });
});

async function script(name: string, source: string): Promise<ChildSpec> {
  const file = join(folder, `${name}.cjs`);
  await writeFile(file, source);
  return { name, script: file, config: `${name}.yaml` };
}
