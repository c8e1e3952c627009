/**
 * A real OpenBao and a real Redis with the state of this folder in them, and logins of its workloads.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { stringify } from 'yaml';
import type { VaultConfig } from '../../mesh/secrets/vault-session.ts';
import { type OpenBao, type OpenBaoOptions, startOpenBao } from '../../test/parts/openbao.ts';
import { type Redis as RedisServer, startRedis } from '../../test/parts/redis.ts';
import { applyState, type Finding } from './apply.ts';
import { loadDeployConfig } from './config.ts';
import { readState } from './state.ts';
import { VaultApi } from './vault-api.ts';

export interface DeployedVault {
  readonly bao: OpenBao;
  readonly redis: RedisServer;
  readonly folder: string;
  readonly configPath: string;
  apply(options?: { isCheck: boolean }): Promise<Finding[]>;
  /** A config for mesh/secrets, with files of ids that were made for it. */
  loginOf(workload: string): Promise<VaultConfig>;
  stop(): Promise<void>;
}

export interface DeployOptions extends OpenBaoOptions {
  readonly trustDomain?: string;
  readonly leaseSeconds?: number;
  /** True unless said: the server's own config names the audit device. */
  readonly hasAudit?: boolean;
  /** Of the applier's config, on top of ours. */
  readonly more?: object;
}

export const REDIS_PASSWORD = 'the-password-of-vault-itself';

/** Nothing is applied yet. */
export async function startDeployable(options: DeployOptions = {}): Promise<DeployedVault> {
  const { trustDomain = 'mesh.test', leaseSeconds = 60, hasAudit = true, more = {}, ...baoOptions } = options;
  const folder = mkdtempSync(join(tmpdir(), 'tulle-deploy-'));
  const write = (name: string, content: string) => {
    writeFileSync(join(folder, name), content, { mode: 0o600 });
    return join(folder, name);
  };
  const auditLog = join(folder, 'audit.log');
  const audit = [{ type: 'file', path: 'file', options: { file_path: auditLog } }];
  const [bao, redis] = await Promise.all([
    startOpenBao({ ...baoOptions, ...(hasAudit && { config: { audit } }) }),
    startRedis({ own: true }),
  ]);
  const admin = new Redis(redis.url);
  await admin.call('ACL', 'SETUSER', 'vault', 'on', `>${REDIS_PASSWORD}`, '~*', '&*', '+@all');
  admin.disconnect();
  const configPath = write(
    'vault.yaml',
    stringify({
      vault: { address: bao.url, tokenFile: write('token', bao.keys.rootToken) },
      trustDomain,
      namespace: 'tulle',
      auditLog,
      redis: {
        host: '127.0.0.1',
        port: redis.port,
        passwordFile: write('redis-password', REDIS_PASSWORD),
        tls: 'off',
        leaseSeconds,
        maxLeaseSeconds: leaseSeconds,
      },
      ...more,
    }),
  );
  return {
    bao,
    redis,
    folder,
    configPath,
    async apply(how = { isCheck: false }) {
      const config = loadDeployConfig(configPath);
      const vault = new VaultApi(config.vault);
      try {
        return await applyState(readState(config), vault, how);
      } finally {
        vault.close();
      }
    },
    async loginOf(workload) {
      const role = `auth/approle/role/${workload}`;
      const { data: id } = (await bao.call('GET', `${role}/role-id`)) as { data: { role_id: string } };
      const { data: secret } = (await bao.call('POST', `${role}/secret-id`)) as {
        data: { secret_id: string };
      };
      return {
        address: bao.url,
        auth: {
          appRole: {
            mount: 'approle',
            roleIdFile: write(`${workload}-role-id`, id.role_id),
            secretIdFile: write(`${workload}-secret-id`, secret.secret_id),
            secretIdWrapped: false,
          },
        },
      };
    },
    async stop() {
      await Promise.all([bao.stop(), redis.stop()]);
      rmSync(folder, { recursive: true });
    },
  };
}
