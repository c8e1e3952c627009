// The state of this folder in a real OpenBao: brought there by one command, the same after a second, and any drift found.
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadDeployConfig } from './config.ts';
import { type DeployedVault, REDIS_PASSWORD, startDeployable } from './deploy.fixture.ts';

const AI_KEY = 'sk-that-nobody-may-see';
const KUBERNETES_CA = 'kubernetes-roots.pem';

let vault: DeployedVault;

beforeAll(async () => {
  vault = await startDeployable({
    more: {
      kubernetes: { host: 'https://127.0.0.1:6443', rootsFile: KUBERNETES_CA },
      secrets: { 'ai-processor/ai': { key: { file: 'ai-key' } } },
    },
  });
  writeFileSync(join(vault.folder, 'ai-key'), `${AI_KEY}\n`);
  await vault.bao.call('POST', 'sys/mounts/other', { type: 'pki' });
  const root = await vault.bao.call('POST', 'other/root/generate/internal', { common_name: 'kubernetes' });
  writeFileSync(join(vault.folder, KUBERNETES_CA), (root.data as { certificate: string }).certificate);
});
afterAll(() => vault?.stop());

describe('one command', () => {
  test('a check tells what is missing, and changes nothing', async () => {
    const { code, output } = await run('--check');
    expect(code).toBe(1);
    expect(output).toContain('✗ pki/roles/workload is missing');
    expect(output).toContain('✗ secret/data/ai-processor/ai is missing');
    expect((await vault.bao.call('GET', 'sys/mounts')).data).not.toHaveProperty(['pki/']);
  });

  test('brings all of it there, and the second time finds nothing to do', async () => {
    const first = await run();
    expect(first).toMatchObject({
      code: 0,
      output: expect.stringContaining('✓ pki/roles/workload is missing: written'),
    });
    const root = await vault.bao.call('GET', 'pki/issuer/root');
    const second = await run();
    expect(second).toMatchObject({
      code: 0,
      output: expect.stringMatching(/^\d+ looked at, 0 written, 0 to see to\n$/),
    });
    expect(await run('--check')).toMatchObject({ code: 0 });
    expect((await vault.bao.call('GET', 'pki/issuer/root')).data).toEqual(root.data);
  });

  test('what is secret comes from files, and is shown neither there nor on record', async () => {
    const written = await vault.bao.call('GET', 'secret/data/ai-processor/ai');
    expect(written.data).toMatchObject({ data: { key: AI_KEY } });
    writeFileSync(join(vault.folder, 'ai-key'), 'sk-another');
    const checked = await run('--check');
    expect(checked).toMatchObject({
      code: 1,
      output: expect.stringContaining('✗ secret/data/ai-processor/ai differs in key'),
    });
    const applied = await run();
    const record = readFileSync(join(vault.folder, 'audit.log'), 'utf8');
    expect(record).toContain('database/config/redis');
    for (const secret of [AI_KEY, 'sk-another', REDIS_PASSWORD, vault.bao.keys.rootToken])
      for (const text of [checked.output, applied.output, record]) expect(text).not.toContain(secret);
  });

  test('a Vault that refuses ends it with what it said, and no secret', async () => {
    writeFileSync(join(vault.folder, 'token'), 'no-token-of-this-vault');
    const refused = await run();
    writeFileSync(join(vault.folder, 'token'), vault.bao.keys.rootToken);
    expect(refused.code).toBe(2);
    expect(refused.output).toContain('Vault answered 403');
    expect(refused.output).not.toContain('no-token-of-this-vault');
  });
});

describe('drift', () => {
  test.each([
    ['pki/roles/workload', { allow_any_name: true }, 'allow_any_name'],
    ['pki/roles/workload', { max_ttl: '8760h' }, 'max_ttl'],
    ['pki/roles/workload', { key_type: 'any' }, 'key_type'],
    ['sys/policies/acl/gateway', { policy: 'path "*" { capabilities = ["sudo"] }' }, 'policy'],
    ['auth/approle/role/gateway', { token_policies: ['gateway', 'authority'] }, 'token_policies'],
    [
      'auth/kubernetes/role/gateway',
      { bound_service_account_namespaces: '*' },
      'bound_service_account_namespaces',
    ],
    ['database/roles/gateway', { creation_statements: ['["+@all", "~*"]'] }, 'creation_statements'],
    ['database/config/redis', { allowed_roles: '*' }, 'allowed_roles'],
    ['sys/mounts/pki/tune', { max_lease_ttl: '8760h' }, 'config.max_lease_ttl'],
  ])('in %s is found and mended: %j', async (path, change, key) => {
    // Roles of these lose what is not said when they are written again.
    const isWhole = /^(pki|database)\/roles/.test(path);
    const { data } = isWhole ? await vault.bao.call('GET', path) : {};
    await vault.bao.call('POST', path, { ...(data as object), ...change });
    const found = { path: path.replace('/tune', ''), difference: [key] };
    expect(await vault.apply({ isCheck: true })).toEqual([{ ...found, isMended: false }]);
    expect(await vault.apply()).toEqual([{ ...found, isMended: true }]);
    expect(await vault.apply({ isCheck: true })).toEqual([]);
  });

  test.each(['pki/roles/mine', 'auth/approle/role/mine', 'auth/kubernetes/role/mine', 'database/roles/mine'])(
    '%s, which nobody asked for, is told and left alone',
    async (path) => {
      const bound = { bound_service_account_names: 'a', bound_service_account_namespaces: 'b' };
      await vault.bao.call('POST', path, { allow_any_name: true, db_name: 'redis', ...bound });
      const unknown = [{ path, difference: 'unknown', isMended: false }];
      expect(await vault.apply()).toEqual(unknown);
      expect(await vault.apply({ isCheck: true })).toEqual(unknown);
      await vault.bao.call('DELETE', path);
    },
  );

  test('a mount of another type is not replaced', async () => {
    await vault.bao.call('DELETE', 'sys/mounts/secret');
    await vault.bao.call('POST', 'sys/mounts/secret', { type: 'transit' });
    await expect(vault.apply()).rejects.toThrow('sys/mounts/secret: there is a mount of another type');
    await vault.bao.call('DELETE', 'sys/mounts/secret');
    await vault.apply();
  });
});

test('without the audit device nothing is written, and how to have it is told', async () => {
  const bare = await startDeployable({ hasAudit: false });
  try {
    await expect(bare.apply()).rejects.toThrow(/sys\/audit\/file.*deploy\/vault\/audit\.hcl/);
    expect((await bare.bao.call('GET', 'sys/mounts')).data).not.toHaveProperty(['secret/']);
  } finally {
    await bare.stop();
  }
});

test('a config that cannot be right is refused with its place', () => {
  const path = join(vault.folder, 'wrong.yaml');
  writeFileSync(path, readFileSync(vault.configPath, 'utf8').replace('trustDomain:', 'trustDomian:'));
  expect(() => loadDeployConfig(path)).toThrow(/wrong\.yaml:\d+:1: trustDomian: is not a known key/);
});

async function run(...options: string[]): Promise<{ code: number; output: string }> {
  const main = join(import.meta.dirname, 'main.ts');
  return promisify(execFile)(process.execPath, [main, '--config', vault.configPath, ...options]).then(
    ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
    ({ code, stdout, stderr }) => ({ code, output: stdout + stderr }),
  );
}
