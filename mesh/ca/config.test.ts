import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadAuthorityConfig } from './config.ts';

const VALID = `trustDomain: a.test
listen: 127.0.0.1:0
stateDir: state
passphraseFile: passphrase
svidTtlSeconds: 3600
`;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-ca-config-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function load(text: string) {
  const file = join(folder, 'ca.yaml');
  await writeFile(file, text);
  return loadAuthorityConfig(file);
}

describe('loadAuthorityConfig', () => {
  it('reads a file; paths are relative to it', async () => {
    expect(await load(VALID)).toEqual({
      trustDomain: 'a.test',
      listen: { host: '127.0.0.1', port: 0 },
      stateDir: join(folder, 'state'),
      passphraseFile: join(folder, 'passphrase'),
      intermediateTtlSeconds: 2_592_000,
      trustRefreshSeconds: 30,
      names: [],
      svidTtlSeconds: 3600,
      identityRate: { perSecond: 5, burst: 500 },
      kubernetes: null,
      vault: null,
      foreignTrustDomains: [],
      admin: { host: '127.0.0.1', port: 0 },
    });
  });

  it('takes what Kubernetes puts into every pod for granted', async () => {
    const account = '/var/run/secrets/kubernetes.io/serviceaccount';
    expect((await load(`${VALID}kubernetes: {}\n`)).kubernetes).toEqual({
      audience: 'tulle-ca',
      requirePod: true,
      apiServer: {
        url: 'https://kubernetes.default.svc',
        rootsFile: `${account}/ca.crt`,
        tokenFile: `${account}/token`,
      },
    });
    const given = await load(`${VALID}kubernetes: { apiServer: { rootsFile: roots.pem } }\n`);
    expect(given.kubernetes?.apiServer.rootsFile).toBe(join(folder, 'roots.pem'));
  });

  it('takes a PKI of Vault in place of a root of its own', async () => {
    const auth = '{ appRole: { roleIdFile: role-id, secretIdFile: secret-id } }';
    const vault = `vault: { address: "https://vault:8200", auth: ${auth}, pki: { role: mesh } }\n`;
    expect((await load(`${VALID}${vault}`)).vault).toMatchObject({
      session: {
        address: 'https://vault:8200',
        auth: { appRole: { roleIdFile: join(folder, 'role-id'), mount: 'approle' } },
      },
      mount: 'pki',
      role: 'mesh',
      serverRole: 'authority',
    });
  });

  it.each([
    [
      'a Vault without a login',
      `${VALID}vault: { address: "https://vault:8200" }\n`,
      /vault\.auth: must be a mapping/,
    ],
    ['an unknown key', `${VALID}secret: 1\n`, /ca\.yaml:1:1: .*secret/],
    [
      'an intermediate that ends before its certificates',
      `${VALID}intermediateTtlSeconds: 60\n`,
      /intermediateTtlSeconds: must be at least twice/,
    ],
    ['a missing key', VALID.replace(/stateDir.*\n/, ''), /stateDir/],
    ['broken YAML', `${VALID}names: [`, /ca\.yaml:6/],
    ['a key twice', `${VALID}stateDir: other\n`, /ca\.yaml:6:1: .*twice/],
    [
      'an address without a port',
      VALID.replace('127.0.0.1:0', '127.0.0.1'),
      /ca\.yaml:2:9: listen: .*add a port/,
    ],
    ['a lifetime of months', VALID.replace('3600', '9999999'), /svidTtlSeconds/],
    ['no lifetime', VALID.replace('3600', '0'), /svidTtlSeconds/],
    [
      'an API server in the clear',
      `${VALID}kubernetes: { apiServer: { url: "http://k" } }\n`,
      /apiServer\.url: must be an https/,
    ],
    ['a name that is none', `${VALID}names: ["*"]\n`, /names\[0\]: must be a DNS name/],
  ])('refuses %s and says where', async (_, text, reason) => {
    await expect(load(text)).rejects.toThrow(reason);
  });

  it('names the file that is not there', async () => {
    await expect(loadAuthorityConfig(join(folder, 'none.yaml'))).rejects.toThrow(
      /none\.yaml: cannot be read \(ENOENT\)/,
    );
  });
});
