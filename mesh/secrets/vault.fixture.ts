/**
 * A real OpenBao with AppRole and what a test asks for, and a record of everything that was reported.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../sidecar/src/core/clock.ts';
import { type OpenBao, startOpenBao } from '../../test/parts/openbao.ts';
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

export async function startVault(): Promise<Vault> {
  const bao = await startOpenBao();
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
