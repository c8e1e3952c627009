/** One policy, whoever signs: the id comes from proof, and nothing but the key from the request. */
import 'reflect-metadata';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509Certificate as Parsed,
} from '@peculiar/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recordedDeps } from '../secrets/vault.fixture.ts';
import { VaultSession } from '../secrets/vault-session.ts';
import { SPIFFE_ID, TRUST_DOMAIN } from './authority.fixture.ts';
import { createAuthority } from './authority.ts';
import { createHostileCsr, WISHES } from './hostile-csr.fixture.ts';
import type { Issuer } from './issuer.ts';
import { type Pki, startPki } from './pki.fixture.ts';
import { VaultIssuer } from './vault-issuer.ts';

let folder: string;
let pki: Pki;
let vault: VaultIssuer;
const issuers: Record<string, Issuer> = {};
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-csr-policy-'));
  pki = await startPki(TRUST_DOMAIN);
  vault = await VaultIssuer.open({
    trustDomain: TRUST_DOMAIN,
    stateDir: folder,
    session: new VaultSession(pki.login, recordedDeps()),
    mount: 'pki',
    role: 'workload',
    serverRole: 'authority',
    report: () => {},
  });
  issuers['the embedded authority'] = await createAuthority({ trustDomain: TRUST_DOMAIN });
  issuers.Vault = vault;
});
afterAll(async () => {
  vault?.close();
  await pki?.stop();
  await rm(folder, { recursive: true });
});

describe.each(['the embedded authority', 'Vault'])('signed by %s', (name) => {
  it.each(Object.keys(WISHES))('a request for %s gets what every request gets', async (wish) => {
    const csr = await createHostileCsr(wish);
    const signed = await (issuers[name] as Issuer).sign({ csr, spiffeId: SPIFFE_ID, ttlSeconds: 60 });
    const [pem = ''] = signed.certificatesPem.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/) ?? [];
    const leaf = new X509Certificate(pem);
    expect(leaf.subjectAltName).toBe(`URI:${SPIFFE_ID}`);
    expect(leaf.subject).toBe('O=Tulle');
    expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
    const parsed = new Parsed(pem);
    expect(parsed.getExtension(BasicConstraintsExtension)).toMatchObject({ ca: false, critical: true });
    expect(parsed.getExtension(KeyUsagesExtension)?.usages).toBe(KeyUsageFlags.digitalSignature);
    const spki = Buffer.from(await crypto.subtle.exportKey('spki', csr.publicKey));
    expect(leaf.publicKey.equals(createPublicKey({ key: spki, format: 'der', type: 'spki' }))).toBe(true);
  });
});
