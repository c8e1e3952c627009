import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { buildSidecar } from './build.ts';

test('the sidecar as one file is the sidecar: it needs nothing beside it to check its arguments and its config', async () => {
  const path = await buildSidecar();
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [path, ...args], { encoding: 'utf8', cwd: '/' });
  const unused = run();
  expect(unused.status).toBe(2);
  expect(unused.stderr).toContain('--config FILE');
  const missing = run('--config', 'no-such-file.yaml');
  expect(missing.status).toBe(1);
  expect(missing.stderr).toContain('no-such-file.yaml');
});
