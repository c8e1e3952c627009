/**
 * A real OpenBao with AppRole and what a test asks for, and a record of everything that was reported.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { systemClock } from '../../sidecar/src/core/clock.ts';
import { type OpenBao, type OpenBaoOptions, startOpenBao } from '../../test/parts/openbao.ts';
import type { Redis as RedisServer } from '../../test/parts/redis.ts';
import type { SecretsDeps, VaultConfig } from './vault-session.ts';

export interface Vault {
  readonly bao: OpenBao;
  readonly folder: string;
  /** Creates a role that may do what the policy says, and the files with its ids. */
  addRole(name: string, policy: string, options?: object): Promise<VaultConfig>;
  /** A new secret id for the role, by its file. */
  writeSecretId(name: string, id: string): void;
  stop(): Promise<void>;
}

export async function startVault(options: OpenBaoOptions = {}): Promise<Vault> {
  const bao = await startOpenBao(options);
  const folder = mkdtempSync(join(tmpdir(), 'tulle-vault-'));
  await bao.call('POST', 'sys/auth/approle', { type: 'approle' });
  await bao.call('POST', 'sys/mounts/secret', { type: 'kv', options: { version: '2' } });
  const write = (file: string, text: string) => {
    writeFileSync(join(folder, file), text);
    return join(folder, file);
  };
  return {
    bao,
    folder,
    async addRole(name, policy, options = {}) {
      await bao.call('PUT', `sys/policies/acl/${name}`, { policy });
      await bao.call('POST', `auth/approle/role/${name}`, {
        token_policies: name,
        token_ttl: '60s',
        ...options,
      });
      const roleId = await dataOf(bao.call('GET', `auth/approle/role/${name}/role-id`));
      const secretId = await dataOf(bao.call('POST', `auth/approle/role/${name}/secret-id`));
      return {
        address: bao.url,
        auth: {
          appRole: {
            mount: 'approle',
            roleIdFile: write(`${name}-role-id`, String(roleId.role_id)),
            secretIdFile: write(`${name}-secret-id`, String(secretId.secret_id)),
            secretIdWrapped: false,
          },
        },
      };
    },
    writeSecretId: (name, id) => void write(`${name}-secret-id`, id),
    async stop() {
      await bao.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

/** The database engine with a user of its own in this Redis. */
export async function connectRedis(bao: OpenBao, redis: RedisServer): Promise<void> {
  const admin = new Redis(redis.url);
  await admin.call('ACL', 'SETUSER', 'vault', 'on', '>vault-pass', '~*', '&*', '+@all');
  admin.disconnect();
  await bao.call('POST', 'sys/mounts/database', { type: 'database' });
  await bao.call('POST', 'database/config/redis', {
    plugin_name: 'redis-database-plugin',
    host: '127.0.0.1',
    port: redis.port,
    username: 'vault',
    password: 'vault-pass',
    allowed_roles: '*',
  });
}

export interface RecordedDeps extends SecretsDeps {
  readonly events: { readonly event: string; readonly [field: string]: unknown }[];
}

export function recordedDeps(): RecordedDeps {
  const events: RecordedDeps['events'] = [];
  return {
    clock: systemClock,
    random: Math.random,
    events,
    report: (event, fields) => void events.push({ event, ...fields }),
  };
}

export async function until(what: string, holds: () => unknown): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`it never came: ${what}`);
    await sleep(20);
  }
}

export async function dataOf(answer: Promise<Record<string, unknown>>): Promise<Record<string, unknown>> {
  return (await answer).data as Record<string, unknown>;
}
