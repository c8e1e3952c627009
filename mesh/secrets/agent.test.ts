import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { prepareFolder, renderFile } from './render.ts';
import { Secret } from './secret.ts';
import { startVault, until, type Vault } from './vault.fixture.ts';
import type { VaultConfig } from './vault-session.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const POLICY = 'path "secret/data/*" { capabilities = ["read"] }';

let vault: Vault;
let config: VaultConfig;
let folder: string;
let agent: RunningAgent | undefined;
beforeAll(async () => {
  vault = await startVault();
  config = await vault.addRole('agent', POLICY);
});
beforeEach(() => {
  // In memory on every Linux.
  folder = mkdtempSync('/dev/shm/tulle-agent-');
});
afterEach(async () => {
  await agent?.stop();
  agent = undefined;
  rmSync(folder, { recursive: true });
});
afterAll(() => vault.stop());

interface RunningAgent {
  readonly output: () => string;
  readonly adminPort: () => number;
  readonly exited: Promise<number | null>;
  stop(): Promise<number | null>;
}

function startAgent(document: object, ...args: string[]): RunningAgent {
  const path = join(vault.folder, 'agent.yaml');
  writeFileSync(path, JSON.stringify({ vault: config, folder, ...document }));
  const child = spawn(process.execPath, [MAIN, '--config', path, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output += chunk;
    });
  const exited = once(child, 'close').then(([code]) => code as number | null);
  agent = {
    output: () => output,
    adminPort: () => Number(/"adminPort":(\d+)/.exec(output)?.[1]),
    exited,
    stop() {
      child.kill('SIGTERM');
      return exited;
    },
  };
  return agent;
}

const read = (name: string) => readFileSync(join(folder, name), 'utf8');
const put = (data: object) => vault.bao.call('POST', 'secret/data/orders', { data });

test('files appear whole, with their modes, and follow Vault', async () => {
  await put({ uri: 'mongodb://first-uri', user: 'u' });
  const files = {
    'orders.json': { vault: 'secret/data/orders', refreshSeconds: 1 },
    'mongo.env': {
      vault: 'secret/data/orders',
      refreshSeconds: 1,
      mode: '0440',
      template: 'URI={{ .Data.data.uri }}\n',
    },
  };
  const agent = startAgent({ files });
  await until('ready', () => agent.output().includes('"ready"'));
  expect(JSON.parse(read('orders.json'))).toEqual({ uri: 'mongodb://first-uri', user: 'u' });
  expect(read('mongo.env')).toBe('URI=mongodb://first-uri\n');
  const modeOf = (name: string) => (statSync(join(folder, name)).mode & 0o777).toString(8);
  expect([modeOf('orders.json'), modeOf('mongo.env')]).toEqual(['400', '440']);

  await put({ uri: 'mongodb://second-uri' });
  await until('the second version', () => read('mongo.env') === 'URI=mongodb://second-uri\n');
  // What the template needs is gone: the former file stays.
  await put({ other: 'x' });
  await until('the alarm', () => agent.output().includes('"secret_not_rendered"'));
  expect(read('mongo.env')).toBe('URI=mongodb://second-uri\n');

  const metrics = await (await fetch(`http://127.0.0.1:${agent.adminPort()}/metrics`)).text();
  expect(metrics).toMatch(/tulle_secrets_stale_seconds\{secret="orders\.json",.*\} 0\n/);
  expect(metrics).toMatch(/tulle_secrets_vault_up\{.*\} 1\n/);
  await vault.bao.seal();
  const health = async () => (await fetch(`http://127.0.0.1:${agent.adminPort()}/healthz/ready`)).text();
  await until('the alarm', async () => (await health()).includes('Vault is sealed'));
  // The login may have noticed before a refresh of this secret has failed.
  await until('the age of the secret', async () => {
    const stale = await (await fetch(`http://127.0.0.1:${agent.adminPort()}/metrics`)).text();
    return Number(/tulle_secrets_stale_seconds\{secret="orders\.json",.*\} (.*)\n/.exec(stale)?.[1]) > 0;
  });
  await vault.bao.unseal();
  await until('its end', async () => !(await health()).includes('Vault is sealed'));

  expect(await agent.stop()).toBe(0);
  expect(readdirSync(folder).sort()).toEqual(['mongo.env', 'orders.json']);
  expect(agent.output() + (await metrics)).not.toMatch(/first-uri|second-uri/);
});

test('an init container renders once and ends', async () => {
  await put({ key: 'k' });
  const agent = startAgent({ files: { key: { vault: 'secret/data/orders', field: 'key' } } }, '--once');
  expect(await agent.exited).toBe(0);
  expect(read('key')).toBe('k');
});

test('a folder that is not in memory is refused, unless that is allowed', async () => {
  await expect(prepareFolder({ path: '/proc/self', requireMemory: true })).rejects.toThrow(
    '/proc/self: is not in memory (tmpfs), so a disk would keep the secrets; mount a tmpfs there',
  );
  await put({ key: 'k' });
  const onDisk = join(vault.folder, 'rendered');
  const files = { key: { vault: 'secret/data/orders', field: 'key' } };
  expect(await startAgent({ folder: onDisk, requireMemory: false, files }, '--once').exited).toBe(0);
});

test.each([
  [
    { files: { a: { vault: 'secret/data/a', mode: '0644' } } },
    /agent\.yaml:1:\d+: files\.a\.mode: must be 0400, 0440/,
  ],
  [{ files: { '../a': { vault: 'secret/data/a' } } }, /files\["\.\.\/a"\]: .*file name of letters/],
  [
    { files: { a: { vault: 'secret/data/a', template: '{{ range }}' } } },
    /files\.a\.template: has an action that is not/,
  ],
  [{ files: {} }, /files: must name at least one file/],
  [{ fils: {} }, /fils: is not a known key; did you mean `files`\?/],
])('the config %j is refused', async (document, message) => {
  const agent = startAgent(document);
  expect(await agent.exited).toBe(2);
  expect(agent.output()).toMatch(message);
});

test('no reader ever sees a part of a file', async () => {
  await prepareFolder({ path: folder, requireMemory: true });
  const contents = ['a', 'b'].map((letter) => letter.repeat(200_000));
  await renderFile(folder, 'big', new Secret(contents[0] as string), 0o400);
  let reading = true;
  const torn: string[] = [];
  const reader = (async () => {
    while (reading) {
      const seen = read('big');
      if (!contents.includes(seen)) torn.push(`${seen.length} bytes`);
      await new Promise(setImmediate);
    }
  })();
  for (let i = 0; i < 200; i++) await renderFile(folder, 'big', new Secret(contents[i % 2] as string), 0o400);
  reading = false;
  await reader;
  expect(torn).toEqual([]);
  // A process that died has left it.
  writeFileSync(join(folder, '.unfinished-other'), 'x');
  await prepareFolder({ path: folder, requireMemory: true });
  expect(readdirSync(folder)).toEqual(['big']);
});
