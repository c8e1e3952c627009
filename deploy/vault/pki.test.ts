// Who may have certificates signed, and what they can be: what mesh/ca signs, and nothing else.
import 'reflect-metadata';
import type { webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  X509Certificate,
} from '@peculiar/x509';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { recordedDeps } from '../../mesh/secrets/vault.fixture.ts';
import { VaultSession } from '../../mesh/secrets/vault-session.ts';
import { createKeyAndCsr } from '../../sidecar/src/identity/csr.ts';
import { readSvid } from '../../sidecar/src/identity/svid.ts';
import { type DeployedVault, startDeployable } from './deploy.fixture.ts';

const ID = 'spiffe://mesh.test/ns/tulle/sa/gateway';
const WEEK_SECONDS = 7 * 24 * 3_600;

let vault: DeployedVault;
let authority: VaultSession;

beforeAll(async () => {
  vault = await startDeployable();
  await vault.apply();
  authority = new VaultSession(await vault.loginOf('authority'), recordedDeps());
  await authority.loggedIn;
});
afterAll(async () => {
  authority?.close();
  await vault?.stop();
});

test('the authority gets an SVID that a sidecar takes', async () => {
  const { keyPem, csrPem } = await createKeyAndCsr();
  const { certificate, roots } = await sign({ csr: csrPem, uri_sans: ID, ttl: '600s' });
  const svid = { certificatePem: certificate.toString('pem'), keyPem, rootsPem: roots };
  expect(readSvid(svid, 'mesh.test').spiffeId).toBe(ID);

  expect(certificate.subject).toBe('O=Tulle');
  expect(namesOf(certificate)).toEqual([{ type: 'url', value: ID }]);
  expect(certificate.getExtension(BasicConstraintsExtension)?.ca).toBe(false);
  expect(certificate.getExtension(KeyUsagesExtension)?.usages).toBe(KeyUsageFlags.digitalSignature);
  expect(certificate.getExtension(ExtendedKeyUsageExtension)?.usages).toHaveLength(2);
  const seconds = (certificate.notAfter.getTime() - certificate.notBefore.getTime()) / 1_000;
  expect(seconds).toBe(600 + 300);
  const root = new X509Certificate(roots);
  expect(namesOf(root)).toEqual([{ type: 'url', value: 'spiffe://mesh.test' }]);
});

test('an SVID has at most seven days', async () => {
  const { csrPem } = await createKeyAndCsr();
  const { certificate } = await sign({ csr: csrPem, uri_sans: ID, ttl: '2000h' });
  expect((certificate.notAfter.getTime() - Date.now()) / 1_000).toBeLessThanOrEqual(WEEK_SECONDS);
});

test('names come from the authority, and not from the request', async () => {
  const csr = await request({ name: 'CN=gateway, O=Other', dns: 'gateway.tulle.svc' });
  const { certificate } = await sign({ csr, uri_sans: ID });
  expect(certificate.subject).toBe('O=Tulle');
  expect(namesOf(certificate)).toEqual([{ type: 'url', value: ID }]);
});

test.each([
  ['an id of another trust domain', { uri_sans: 'spiffe://other.test/ns/tulle/sa/gateway' }],
  ['an id that is no workload', { uri_sans: 'spiffe://mesh.test' }],
  ['a DNS name', { uri_sans: ID, alt_names: 'gateway.tulle.svc' }],
  ['an address', { uri_sans: ID, ip_sans: '10.0.0.1' }],
  ['a common name', { uri_sans: ID, common_name: 'gateway.tulle.svc' }],
])('%s is refused', async (_what, asked) => {
  const { csrPem } = await createKeyAndCsr();
  await expect(sign({ csr: csrPem, ...asked })).rejects.toMatchObject({ status: 400 });
});

test("the authority's own certificate has the names that it asks for, and can not have an id", async () => {
  const { csrPem: csr } = await createKeyAndCsr();
  const names = { alt_names: 'ca.mesh,localhost', ip_sans: '127.0.0.1' };
  const { data } = await authority.write('pki/sign/authority', { csr, ...names });
  const certificate = new X509Certificate(String(data?.certificate));
  expect(namesOf(certificate)).toEqual([
    { type: 'dns', value: 'ca.mesh' },
    { type: 'dns', value: 'localhost' },
    { type: 'ip', value: '127.0.0.1' },
  ]);
  expect(certificate.getExtension(ExtendedKeyUsageExtension)?.usages).toEqual([ExtendedKeyUsage.serverAuth]);
  const asked = { csr, ...names, uri_sans: ID };
  await expect(authority.write('pki/sign/authority', asked)).rejects.toMatchObject({ status: 400 });
});

// Larger keys on curves pass Vault; that they are P-256 is for the authority to see to (mesh/ca/csr.ts).
test('a key of RSA is refused', async () => {
  const csr = await request({
    algorithm: {
      name: 'RSASSA-PKCS1-v1_5',
      modulusLength: 2048,
      publicExponent: new Uint8Array([1, 0, 1]),
      hash: 'SHA-256',
    },
  });
  await expect(sign({ csr, uri_sans: ID })).rejects.toMatchObject({ status: 400 });
});

test('the key of the root never leaves Vault, and the authority can do nothing but sign with it', async () => {
  for (const path of [
    'pki/root/generate/exported',
    'pki/root/sign-self-issued',
    'pki/issue/workload',
    'pki/sign-verbatim',
  ])
    await expect(authority.write(path, { common_name: 'a', uri_sans: ID })).rejects.toMatchObject({
      status: 403,
    });
  await expect(authority.read('pki/keys')).rejects.toMatchObject({ status: 403 });
});

async function sign(asked: object): Promise<{ certificate: X509Certificate; roots: string }> {
  const { data } = await authority.write('pki/sign/workload', asked);
  return { certificate: new X509Certificate(String(data?.certificate)), roots: String(data?.issuing_ca) };
}

function namesOf(certificate: X509Certificate): unknown {
  return certificate.getExtension(SubjectAlternativeNameExtension)?.names.toJSON();
}

async function request({
  algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  name = 'O=Tulle',
  dns,
}: {
  algorithm?: (webcrypto.EcKeyGenParams & { hash: string }) | webcrypto.RsaHashedKeyGenParams;
  name?: string;
  dns?: string;
}): Promise<string> {
  const keys = (await crypto.subtle.generateKey(algorithm, true, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair;
  const extensions =
    dns === undefined ? [] : [new SubjectAlternativeNameExtension([{ type: 'dns', value: dns }])];
  const csr = await Pkcs10CertificateRequestGenerator.create({
    keys,
    name,
    extensions,
    signingAlgorithm: algorithm,
  });
  return csr.toString('pem');
}
