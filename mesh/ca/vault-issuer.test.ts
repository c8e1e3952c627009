/** Against a real OpenBao: what it signs, what it is not believed, and what happens while it is sealed. */
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createKeyAndCsr } from '../../sidecar/src/identity/csr.ts';
import { readSvid } from '../../sidecar/src/identity/svid.ts';
import { recordedDeps, until } from '../secrets/vault.fixture.ts';
import { VaultSession } from '../secrets/vault-session.ts';
import { bearer, SPIFFE_ID, startAuthorityUnderTest, TRUST_DOMAIN } from './authority.fixture.ts';
import { createHostileCsr } from './hostile-csr.fixture.ts';
import { issueSvid } from './issue-svid.ts';
import { LIMITS } from './limits.ts';
import { type Pki, startPki } from './pki.fixture.ts';
import { VaultIssuer, type VaultIssuerEvent } from './vault-issuer.ts';
import { VaultPki } from './vault-pki.ts';

let pki: Pki;
beforeAll(async () => {
  pki = await startPki();
});
afterAll(() => pki.stop());

let folder: string;
let events: VaultIssuerEvent[];
let issuers: VaultIssuer[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-vault-issuer-'));
  events = [];
  issuers = [];
});
afterEach(async () => {
  for (const issuer of issuers) issuer.close();
  await rm(folder, { recursive: true });
});

async function open(options: { mount?: string; bundleRefreshMs?: number } = {}): Promise<VaultIssuer> {
  const issuer = await VaultIssuer.open({
    trustDomain: TRUST_DOMAIN,
    stateDir: folder,
    session: new VaultSession(pki.login, recordedDeps()),
    mount: 'pki',
    role: 'workload',
    serverRole: 'authority',
    report: (event) => events.push(event),
    ...options,
  });
  issuers.push(issuer);
  return issuer;
}

const names = () => events.map(({ event }) => event);
const rootsOf = (issuer: VaultIssuer) =>
  (issuer.trustBundle().rootsPem.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? []).map((pem) =>
    new X509Certificate(pem).subject.replace(/^.*CN=/s, ''),
  );

async function useRoot(name: string): Promise<void> {
  for (const role of ['workload', 'authority'] as const) await pki.changeRole(role, { issuer_ref: name });
}

describe('an SVID that Vault signs', () => {
  it('has the id that was decided on, the key of the request, and the lifetime that was asked for', async () => {
    const issuer = await open();
    const svid = await issueSvid(issuer, { spiffeId: SPIFFE_ID, ttlSeconds: 60 });
    expect(readSvid(svid, TRUST_DOMAIN)).toMatchObject({ spiffeId: SPIFFE_ID });
    const leaf = new X509Certificate(svid.certificatePem);
    expect(svid.notAfterMs).toBe(leaf.validToDate.getTime());
    // Five minutes early, for peers whose clocks are late.
    expect(leaf.validToDate.getTime() - leaf.validFromDate.getTime()).toBe(360_000);
    expect(leaf.subject).toBe('O=Tulle');
  });

  it.each([
    ['takes names from requests', { use_csr_sans: true, allow_any_name: true }, /has the names ".*sa\/other/],
    [
      'takes the common name of requests',
      { use_csr_common_name: true, allow_localhost: true },
      /has the names|common name/,
    ],
    ['is for servers alone', { client_flag: false }, /is not for servers and clients/],
  ])('is not handed out when the role %s', async (_, change, reason) => {
    const restore = await pki.changeRole('workload', change);
    try {
      const issuer = await open();
      const csr = await createHostileCsr();
      await expect(issuer.sign({ csr, spiffeId: SPIFFE_ID, ttlSeconds: 60 })).rejects.toThrow(reason);
    } finally {
      await restore();
    }
  });

  it('is refused by the role for an id that is not of the trust domain', async () => {
    const issuer = await open();
    const refused = issueSvid(issuer, { spiffeId: 'spiffe://b.test/ns/b/sa/c' });
    await expect(refused).rejects.toMatchObject({ status: 503, code: 'issuer_unavailable' });
  });

  it('is all that the login of the authority gives', async () => {
    const session = new VaultSession(pki.login, recordedDeps());
    await session.loggedIn;
    for (const [path, body] of [
      ['pki/roles/workload', { allow_any_name: true }],
      ['pki/root/generate/internal', { common_name: 'mine' }],
      ['pki/sign-verbatim', { csr: (await createKeyAndCsr()).csrPem }],
      ['pki/config/issuers', { default: 'root' }],
    ] as const) {
      await expect(session.write(path, body)).rejects.toMatchObject({ status: 403 });
    }
    session.close();
  });
});

describe('a sealed Vault', () => {
  it('costs 503 and nothing else: no token is spent, renewals go on when it is back', async () => {
    const issuer = await open();
    const authority = await startAuthorityUnderTest({ issuer });
    const token = bearer(await authority.tokens.create(SPIFFE_ID, 60));
    await pki.bao.seal();
    expect(await authority.ask('join-token', token)).toMatchObject({
      status: 503,
      headers: { 'retry-after': '5' },
      body: { code: 'issuer_unavailable' },
    });
    expect(authority.decisions.at(-1)).toMatchObject({ detail: expect.stringContaining('Vault is sealed') });
    expect(issuer.awaySeconds).toBeGreaterThan(0);
    await pki.bao.unseal();
    await until('a certificate', async () => (await authority.ask('join-token', token)).status === 200);
    expect(issuer.awaySeconds).toBe(0);
    await authority.stop();
  });

  it('keeps no authority from starting again: it answers, and signs when Vault is back', async () => {
    const before = await startAuthorityUnderTest({ issuer: await open() });
    await before.stop();
    await pki.bao.seal();
    const issuer = await open();
    const after = await startAuthorityUnderTest({ issuer });
    expect(after.rootsPem).toBe(before.rootsPem);
    const token = bearer(await after.tokens.create(SPIFFE_ID, 60));
    expect(await after.ask('join-token', token)).toMatchObject({ status: 503 });
    // Another name would need another certificate.
    await expect(issuer.issueServerCertificate(['elsewhere.test'], 60)).rejects.toMatchObject({
      status: 503,
    });
    await pki.bao.unseal();
    await until('a certificate', async () => (await after.ask('join-token', token)).status === 200);
    await after.stop();
  });

  it('keeps one from starting for the first time until it is back', async () => {
    await pki.bao.seal();
    const opening = open();
    await pki.bao.unseal();
    expect((await opening).trustBundle().sequence).toBe(1);
  });

  it('is none whose answers have another shape: that is no certificate either', async () => {
    const answer = fc.oneof(
      fc.jsonValue(),
      fc.record({ certificate: fc.string(), ca_chain: fc.jsonValue() }),
    );
    await fc.assert(
      fc.asyncProperty(answer, async (data) => {
        const other = { write: async () => ({ data }) } as unknown as VaultSession;
        const outcome = new VaultPki(other, 'pki').sign('workload', {});
        await outcome.then(
          ({ certificate, chain }) =>
            expect([typeof certificate, Array.isArray(chain)]).toEqual(['string', true]),
          (error) => expect(error).toMatchObject({ status: 503, code: 'issuer_unavailable' }),
        );
      }),
    );
  });

  it('takes so many requests at once, and refuses what is beyond that', async () => {
    const silent = { write: () => new Promise(() => {}) } as unknown as VaultSession;
    const bounded = new VaultPki(silent, 'pki');
    for (let index = 0; index < LIMITS.vaultSignsUnderWay; index++) void bounded.sign('workload', {});
    await expect(bounded.sign('workload', {})).rejects.toMatchObject({ status: 503, code: 'issuer_busy' });
  });
});

describe('rotation in Vault', () => {
  it('is followed: a new root is trusted before it signs, an old one until it is removed', async () => {
    const issuer = await open({ bundleRefreshMs: 50 });
    const before = await issueSvid(issuer, { spiffeId: SPIFFE_ID });
    let changes = 0;
    issuer.onChanged(() => changes++);
    await pki.addRoot('second');
    await until('the new root', () => rootsOf(issuer).length === 2);
    // Not yet: the roles go on with the root that they name.
    expect(readSvid({ ...before, rootsPem: issuer.trustBundle().rootsPem }, TRUST_DOMAIN).spiffeId).toBe(
      SPIFFE_ID,
    );
    await useRoot('second');
    const after = await issueSvid(issuer, { spiffeId: SPIFFE_ID });
    expect(new X509Certificate(after.certificatePem).issuer).toContain('CN=second');
    await pki.bao.call('DELETE', 'pki/issuer/root');
    await until('the old root to go', () => rootsOf(issuer).join() === 'second');
    expect([issuer.trustBundle().sequence, changes]).toEqual([3, 2]);
    // A look in the very moment of the removal may fail, which is told and made good by the next.
    expect(names().filter((name) => name !== 'bundle_not_refreshed')).toEqual([
      'bundle_changed',
      'bundle_changed',
    ]);

    // The sequence goes on after a restart.
    await pki.addRoot('third');
    const restarted = await open({ bundleRefreshMs: 50 });
    await until('the third root', () => rootsOf(restarted).length === 2);
    expect(restarted.trustBundle().sequence).toBe(4);
  });

  it('in the wrong order is told, and the root is taken up at once', async () => {
    const issuer = await open({ bundleRefreshMs: 3_600_000 });
    await pki.addRoot('hasty');
    await useRoot('hasty');
    const svid = await issueSvid(issuer, { spiffeId: SPIFFE_ID });
    expect(readSvid(svid, TRUST_DOMAIN).spiffeId).toBe(SPIFFE_ID);
    // The first look at the bundle may come before the login.
    expect(names().filter((name) => name !== 'bundle_not_refreshed')).toEqual([
      'unknown_root',
      'bundle_changed',
    ]);
  });

  it('goes on below an intermediate: the chain comes along, and the bundle has the root', async () => {
    const { bao } = pki;
    const data = async (answer: Promise<Record<string, unknown>>) =>
      (await answer).data as Record<string, string>;
    await bao.call('POST', 'sys/mounts/below', { type: 'pki' });
    await bao.call('POST', 'sys/mounts/above', { type: 'pki' });
    await pki.addRoot('top', 'above');
    const { csr } = await data(
      bao.call('POST', 'below/intermediate/generate/internal', {
        common_name: 'middle',
        key_type: 'ec',
        key_bits: 256,
      }),
    );
    const signed = await data(
      bao.call('POST', 'above/root/sign-intermediate', { csr, common_name: 'middle' }),
    );
    const { certificate: root } = await data(bao.call('GET', 'above/cert/ca'));
    await bao.call('POST', 'below/intermediate/set-signed', {
      certificate: `${signed.certificate}\n${root}`,
    });
    const role = await data(bao.call('GET', 'pki/roles/workload'));
    await bao.call('POST', 'below/roles/workload', { ...role, issuer_ref: 'default' });
    await bao.call('PUT', 'sys/policies/acl/authority', {
      policy: 'path "below/sign/workload" { capabilities = ["update"] }',
    });
    const issuer = await open({ mount: 'below' });
    const svid = await issueSvid(issuer, { spiffeId: SPIFFE_ID });
    expect(svid.certificatePem.match(/BEGIN/g)).toHaveLength(2);
    expect(rootsOf(issuer)).toEqual(['top']);
    expect(readSvid(svid, TRUST_DOMAIN).spiffeId).toBe(SPIFFE_ID);
  });
});
