import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Redis as RedisServer, startRedis } from '../../test/parts/redis.ts';
import { openSecrets, type SecretRef, type Secrets } from './open-secrets.ts';
import { Secret } from './secret.ts';
import {
  connectRedis,
  type RecordedDeps,
  recordedDeps,
  startVault,
  until,
  type Vault,
} from './vault.fixture.ts';
import type { VaultConfig } from './vault-session.ts';

let vault: Vault;
let redis: RedisServer;
let admin: Redis;
let config: VaultConfig;
let deps: RecordedDeps;
let secrets: Secrets | undefined;
beforeAll(async () => {
  [vault, redis] = await Promise.all([startVault(), startRedis({ own: true })]);
  admin = new Redis(redis.url);
  await connectRedis(vault.bao, redis);
  config = await vault.addRole(
    'app',
    'path "secret/data/*" { capabilities = ["read"] } path "database/creds/*" { capabilities = ["read"] }',
  );
});
beforeEach(() => {
  deps = recordedDeps();
});
afterEach(() => secrets?.close());
afterAll(async () => {
  admin.disconnect();
  await Promise.all([vault.stop(), redis.stop()]);
});

async function open(refs: Record<string, SecretRef>): Promise<Secrets> {
  secrets = await openSecrets({ vault: config, secrets: refs }, deps);
  return secrets;
}

const put = (path: string, data: object) => vault.bao.call('POST', `secret/data/${path}`, { data });
const addRedisRole = (name: string, defaultTtl: string, maxTtl: string) =>
  vault.bao.call('POST', `database/roles/${name}`, {
    db_name: 'redis',
    creation_statements: '["~*", "&*", "+@all", "-@admin"]',
    default_ttl: defaultTtl,
    max_ttl: maxTtl,
  });
const accepts = async (secret: Secret): Promise<boolean> => {
  const { username, password } = JSON.parse(secret.reveal());
  return (await admin.call('AUTH', username, password).catch(() => null)) === 'OK';
};

describe('a secret of KV', () => {
  test('comes as a whole or by field, and its next version is noticed', async () => {
    await put('mongo', { uri: 'mongodb://first', extra: { nested: 1 } });
    const secrets = await open({
      all: { vault: 'secret/data/mongo', refreshSeconds: 1 },
      uri: { vault: 'secret/data/mongo', field: 'uri', refreshSeconds: 1 },
    });
    const seen: string[] = [];
    secrets.watch('uri', (secret) => seen.push(secret.reveal()));
    expect(JSON.parse(secrets.get('all').reveal())).toEqual({ uri: 'mongodb://first', extra: { nested: 1 } });
    await put('mongo', { uri: 'mongodb://second' });
    await until('the second version', () => seen.length === 2);
    expect(seen).toEqual(['mongodb://first', 'mongodb://second']);
    await until('both', () => secrets.get('all').reveal() === '{"uri":"mongodb://second"}');
    expect(deps.events.map(({ event }) => event)).toContain('secret_rotated');
    expect(inspect([deps.events, secrets.states()], { depth: 9 })).not.toContain('mongodb://');
  });

  test('that is deleted stays what it was, with an alarm', async () => {
    await put('short-lived', { key: 'value' });
    const secrets = await open({
      key: { vault: 'secret/data/short-lived', field: 'key', refreshSeconds: 1 },
    });
    await vault.bao.call('DELETE', 'secret/data/short-lived');
    await until('the alarm', () => secrets.states()[0]?.staleReason?.includes('404'));
    expect(secrets.get('key').reveal()).toBe('value');
  });

  test('is refused by a taker without harm to the others', async () => {
    await put('taken', { key: 'one' });
    const secrets = await open({ key: { vault: 'secret/data/taken', field: 'key', refreshSeconds: 1 } });
    const seen: string[] = [];
    let calls = 0;
    secrets.watch('key', () => {
      if (++calls > 1) throw new Error('must be a number');
    });
    secrets.watch('key', (secret) => seen.push(secret.reveal()));
    await put('taken', { key: 'two' });
    await until('the second', () => seen.length === 2);
    expect(deps.events).toContainEqual({
      event: 'secret_refused',
      secret: 'key',
      reason: 'must be a number',
    });
  });
});

describe('dynamic credentials', () => {
  test('are renewed as long as their role allows, and replaced while the former are still good', async () => {
    await addRedisRole('renewed', '2s', '5s');
    const secrets = await open({ redis: { vault: 'database/creds/renewed', refreshSeconds: 300 } });
    const seen: Secret[] = [];
    const overlaps: Promise<boolean>[] = [];
    secrets.watch('redis', (secret) => {
      const former = seen.at(-1);
      if (former !== undefined) overlaps.push(accepts(former));
      seen.push(secret);
    });
    const startedMs = performance.now();
    await until('two rotations', () => seen.length === 3);
    expect(await Promise.all(overlaps)).toEqual([true, true]);
    expect(await accepts(secrets.get('redis'))).toBe(true);
    // Without renewal it would be two of less than two seconds.
    expect(performance.now() - startedMs).toBeGreaterThan(5_000);
    await until('the end of the first', async () => !(await accepts(seen[0] as Secret)));
  });

  test('stay while Vault is sealed, with an alarm, and come back after it', async () => {
    await addRedisRole('sealed', '2s', '2s');
    const secrets = await open({ redis: { vault: 'database/creds/sealed', refreshSeconds: 300 } });
    await vault.bao.seal();
    const before = secrets.get('redis');
    await until('the end of the lease', () => (secrets.states()[0]?.leaseSeconds ?? 0) < -1);
    expect(secrets.get('redis').equals(before)).toBe(true);
    // Nobody revokes it while Vault is away.
    expect(await accepts(before)).toBe(true);
    expect(secrets.states()[0]?.staleSeconds).toBeGreaterThan(1);
    expect(secrets.vaultAwayReason).toContain('Vault is sealed');
    await vault.bao.unseal();
    await until('other credentials', async () => !secrets.get('redis').equals(before));
    expect(await accepts(secrets.get('redis'))).toBe(true);
    expect(secrets.states()[0]?.staleSeconds).toBe(0);
    expect(deps.events.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['vault_away', 'secret_stale', 'vault_back', 'secret_fresh', 'secret_rotated']),
    );
  });

  test('are replaced when the token under which they were lent is', async () => {
    await addRedisRole('token', '60s', '60s');
    config = await vault.addRole('short', 'path "database/creds/*" { capabilities = ["read"] }', {
      token_ttl: '2s',
      token_max_ttl: '2s',
    });
    const secrets = await open({ redis: { vault: 'database/creds/token', refreshSeconds: 300 } });
    for (let i = 0; i < 2; i++) {
      const before = secrets.get('redis');
      await until('a rotation', () => !secrets.get('redis').equals(before));
      expect(await accepts(before)).toBe(true);
    }
  });
});

describe('a secret in a file', () => {
  test('is read again when another takes its place, and kept when none does', async () => {
    const path = join(vault.folder, 'from-file');
    writeFileSync(path, 'one\n');
    const secrets = await open({ key: { file: path } });
    expect(secrets.get('key').reveal()).toBe('one');
    writeFileSync(`${path}.new`, 'two');
    renameSync(`${path}.new`, path);
    await until('the second', () => secrets.get('key').reveal() === 'two');
    rmSync(path);
    await until('the alarm', () => secrets.states()[0]?.staleReason?.includes('cannot be read (ENOENT)'));
    expect(secrets.get('key').reveal()).toBe('two');
  });

  test('that is not there ends the start', async () => {
    await expect(open({ key: { file: '/nowhere/key' } })).rejects.toThrow(
      '/nowhere/key: cannot be read (ENOENT); check its path and permissions',
    );
  });
});

test('a secret of Vault needs Vault', async () => {
  const refs = { redis: { vault: 'database/creds/x', refreshSeconds: 300 } };
  await expect(openSecrets({ secrets: refs }, deps)).rejects.toThrow(
    'the secret redis comes from Vault, and the config has no `vault`',
  );
});

test('a secret shows itself to nobody', () => {
  const secret = new Secret('hunter2');
  const shown = [
    `${secret}`,
    JSON.stringify({ secret }),
    inspect({ secret }, { showHidden: true }),
    String(secret),
  ];
  expect(shown.join()).not.toContain('hunter2');
  expect(secret.reveal()).toBe('hunter2');
});
