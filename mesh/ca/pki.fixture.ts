/** A real OpenBao with the PKI engine of deploy/vault, and the AppRole by which the authority uses it. */
import { startDeployable } from '../../deploy/vault/deploy.fixture.ts';
import type { OpenBao } from '../../test/parts/openbao.ts';
import { dataOf } from '../secrets/vault.fixture.ts';
import type { VaultConfig } from '../secrets/vault-session.ts';

export interface Pki {
  readonly bao: OpenBao;
  /** Of the authority: it may have certificates signed, and nothing else. */
  readonly login: VaultConfig;
  /** Makes another root in the mount; `root` is there. It signs when a role says so. */
  addRoot(name: string, mount?: string): Promise<void>;
  /** Changes single settings of the role. Returns what puts them back. */
  changeRole(role: 'workload' | 'authority', change: object): Promise<() => Promise<void>>;
  stop(): Promise<void>;
}

/** @param login settings of the AppRole, as `token_ttl`. */
export async function startPki(trustDomain = 'a.test', login: object = {}): Promise<Pki> {
  const vault = await startDeployable({ trustDomain });
  const { bao } = vault;
  await vault.apply();
  await bao.call('POST', 'auth/approle/role/authority', login);
  return {
    bao,
    login: await vault.loginOf('authority'),
    async addRoot(name, mount = 'pki') {
      await bao.call('POST', `${mount}/root/generate/internal`, {
        issuer_name: name,
        organization: 'Tulle',
        common_name: name,
        uri_sans: `spiffe://${trustDomain}`,
        key_type: 'ec',
        key_bits: 256,
        ttl: '87600h',
      });
    },
    async changeRole(role, change) {
      const path = `pki/roles/${role}`;
      const before = await dataOf(bao.call('GET', path));
      await bao.call('POST', path, { ...before, ...change });
      return async () => void (await bao.call('POST', path, before));
    },
    stop: () => vault.stop(),
  };
}
