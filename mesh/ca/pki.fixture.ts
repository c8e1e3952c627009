/** A real OpenBao with a PKI engine as an authority needs it, and the AppRole by which the authority uses it. */
import { startVault, type Vault } from '../secrets/vault.fixture.ts';
import type { VaultConfig } from '../secrets/vault-session.ts';

export interface Pki extends Vault {
  /** Of the authority: it may have certificates signed, and nothing else. */
  readonly login: VaultConfig;
  /** Makes another root in the mount; it signs when a role says so, or it is the default. */
  addRoot(name: string, mount?: string): Promise<void>;
  useRoot(name: string): Promise<void>;
  /** Changes single settings of the role for workloads. */
  changeRole(change: object): Promise<void>;
}

const ROLE = {
  key_type: 'ec',
  key_bits: 256,
  use_csr_sans: false,
  use_csr_common_name: false,
  require_cn: false,
  organization: ['Tulle'],
  key_usage: ['DigitalSignature'],
  basic_constraints_valid_for_non_ca: true,
  max_ttl: '168h',
  not_before_duration: '5m',
  no_store: true,
};
const WORKLOAD = { ...ROLE, allowed_uri_sans: ['spiffe://a.test/ns/*/sa/*'], allow_any_name: false };
const SERVER = { ...ROLE, allow_any_name: true, enforce_hostnames: true, client_flag: false };

const POLICY = `
path "pki/sign/workload" { capabilities = ["update"] }
path "pki/sign/authority" { capabilities = ["update"] }
`;

export async function startPki(loginOptions: object = {}): Promise<Pki> {
  const vault = await startVault();
  const { bao } = vault;
  await bao.call('POST', 'sys/mounts/pki', { type: 'pki', config: { max_lease_ttl: '87600h' } });
  const pki: Pki = {
    ...vault,
    login: await vault.addRole('authority', POLICY, loginOptions),
    async addRoot(name, mount = 'pki') {
      await bao.call('POST', `${mount}/root/generate/internal`, {
        issuer_name: name,
        organization: 'Tulle',
        common_name: name,
        uri_sans: 'spiffe://a.test',
        key_type: 'ec',
        key_bits: 256,
        ttl: '87600h',
      });
    },
    async useRoot(name) {
      await bao.call('POST', 'pki/config/issuers', { default: name });
    },
    async changeRole(change) {
      await bao.call('POST', 'pki/roles/workload', { ...WORKLOAD, ...change });
    },
  };
  await pki.addRoot('first');
  await pki.changeRole({});
  await bao.call('POST', 'pki/roles/authority', SERVER);
  return pki;
}
