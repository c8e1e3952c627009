import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-ratelimit-main-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(folder, { recursive: true });
});

const children: ChildProcess[] = [];

function run(...args: string[]) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args]);
  children.push(child);
  return child;
}

const POLICY = `apiVersion: mesh.tulle.dev/v1alpha1
kind: RateLimitPolicy
metadata: { name: tenants }
spec:
  targetRefs: [{ kind: Service, name: gateway }]
  limits: [{ name: a, key: [{ header: x-tenant }], windows: [{ quota: 5, windowSeconds: 1 }] }]
`;
/** As sidecars have them beside their policies. */
const OTHERS = `kind: Sidecar
---
`;

async function writeConfig(policies: string, config = 'listen: 127.0.0.1:0\npolicies: [policies.yaml]\n') {
  await writeFile(join(folder, 'policies.yaml'), policies);
  const file = join(folder, 'ratelimit.yaml');
  await writeFile(file, config);
  return file;
}

describe('the rate-limit process', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'says when it is ready, shows metrics and ends with 0 on %s',
    async (signal) => {
      const child = run('--config', await writeConfig(OTHERS + POLICY));
      const [line] = await once(child.stdout, 'data');
      const ready = JSON.parse(line);
      expect(ready).toEqual({ event: 'ready', port: expect.any(Number), adminPort: expect.any(Number) });
      const metrics = await (await fetch(`http://127.0.0.1:${ready.adminPort}/metrics`)).text();
      expect(metrics).toContain(
        'tulle_rate_limit_keys{policy="default/tenants",limit="a",service_name="ratelimit"} 0',
      );
      expect((await fetch(`http://127.0.0.1:${ready.adminPort}/healthz/ready`)).status).toBe(200);
      child.kill(signal);
      expect(await once(child, 'exit')).toEqual([0, null]);
    },
  );

  it.each([
    [POLICY.replace('quota: 5', 'quota: five'), undefined, /policies\.yaml:6:\d+: .*quota: must be a number/],
    [
      `${POLICY}---\n${POLICY}`,
      undefined,
      /ratelimit\.yaml:1:1: leads to two policies of the name default\/tenants/,
    ],
    ['kind: Sidecar\n', undefined, /ratelimit\.yaml:1:1: names no RateLimitPolicy/],
    [POLICY, 'listen: 127.0.0.1:0\npolicies: [nowhere]\n', /nowhere: does not exist/],
    [
      POLICY,
      'listen: 127.0.0.1:0\npolicie: [policies.yaml]\n',
      /ratelimit\.yaml:2:1: policie: is not a known key; did you mean `policies`\?/,
    ],
  ])('ends with 2 and says what is wrong: %#', async (policies, config, problem) => {
    const child = run('--config', await writeConfig(policies, config));
    const [[code], errors] = await Promise.all([once(child, 'exit'), text(child.stderr)]);
    expect(errors).toMatch(problem);
    expect(code).toBe(2);
  });

  it.each([[[]], [['--config']], [['--port', '1']]])(
    'ends with 2 and its usage for the arguments %j',
    async (args) => {
      const child = run(...args);
      const [[code], errors] = await Promise.all([once(child, 'exit'), text(child.stderr)]);
      expect(code).toBe(2);
      expect(errors).toBe('usage: main.ts --config <ratelimit.yaml>\n');
    },
  );
});
