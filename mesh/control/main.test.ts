import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';

let folder: string;
let child: ChildProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-control-'));
});

afterEach(async () => {
  child?.kill('SIGKILL');
  await rm(folder, { recursive: true });
});

async function run(config: string) {
  const file = join(folder, 'control.yaml');
  await writeFile(file, config);
  const started = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), '--config', file]);
  child = started;
  return started;
}

test('the control plane says when it is ready, shows metrics and ends with 0', async () => {
  const { stdout } = await run('listen: 127.0.0.1:0\n');
  const [line] = await once(stdout, 'data');
  const ready = JSON.parse(line);
  expect(ready).toEqual({ event: 'ready', port: expect.any(Number), adminPort: expect.any(Number) });
  const metrics = await (await fetch(`http://127.0.0.1:${ready.adminPort}/metrics`)).text();
  expect(metrics).toContain('tulle_control_trace_subscribers{service_name="control"} 0');
  child?.kill('SIGTERM');
  expect(await once(child as ChildProcess, 'exit')).toEqual([0, null]);
});

test('an address that others could reach is refused: it speaks in clear', async () => {
  const { stderr } = await run('listen: 0.0.0.0:15010\n');
  const [reason, [code]] = await Promise.all([text(stderr), once(child as ChildProcess, 'exit')]);
  expect(code).toBe(2);
  expect(reason).toMatch(/control\.yaml:1:9: listen: .*loopback/);
});
