import 'reflect-metadata';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509Certificate as ParsedCertificate,
  SubjectAlternativeNameExtension,
} from '@peculiar/x509';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAuthority } from './authority.ts';
import { issueSvid } from './issue-svid.ts';

const TRUST_DOMAIN = 'a.test';
const SPIFFE_ID = 'spiffe://a.test/ns/b/sa/c';
const NOW_MS = Date.UTC(2030, 0, 1) + 123;
const SKEW_MS = 300_000;

let stateDir: string;
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'tulle-ca-'));
});
afterEach(() => rm(stateDir, { recursive: true }));

const create = (options = {}) => createAuthority({ trustDomain: TRUST_DOMAIN, ...options });
const PASSPHRASE = 'long enough for a passphrase';
const kept = () => ({ state: { folder: stateDir, passphrase: PASSPHRASE } });

describe('a workload certificate', () => {
  it('is an X.509 SVID: a leaf with one URI name, for signatures, as server and as client', async () => {
    const authority = await create();
    const { certificatePem } = await issueSvid(authority, { spiffeId: SPIFFE_ID });
    const certificate = new ParsedCertificate(certificatePem);

    const constraints = certificate.getExtension(BasicConstraintsExtension);
    expect(constraints).toMatchObject({ ca: false, critical: true });
    const keyUsage = certificate.getExtension(KeyUsagesExtension);
    expect(keyUsage).toMatchObject({ usages: KeyUsageFlags.digitalSignature, critical: true });
    const { usages } = certificate.getExtension(ExtendedKeyUsageExtension) ?? {};
    expect(usages).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
    const names = certificate.getExtension(SubjectAlternativeNameExtension)?.names.toJSON();
    expect(names).toEqual([{ type: 'url', value: SPIFFE_ID }]);
    expect(certificate.subject).toBe('O=Tulle');
    expect(certificate.publicKey.algorithm).toMatchObject({ name: 'ECDSA', namedCurve: 'P-256' });
    expect(certificate.signatureAlgorithm).toMatchObject({ name: 'ECDSA', hash: { name: 'SHA-256' } });

    const [leaf, intermediate, ...more] = certificates(certificatePem);
    const [root] = certificates(authority.trustBundle().rootsPem);
    expect(more).toEqual([]);
    expect(isSignedBy(leaf, intermediate) && isSignedBy(intermediate, root)).toBe(true);
  });

  it('lives as long as asked, from a few minutes ago', async () => {
    const authority = await create({ nowMs: () => NOW_MS });
    const svid = await issueSvid(authority, { spiffeId: SPIFFE_ID, ttlSeconds: 60 });
    const { validFromDate, validToDate } = new X509Certificate(svid.certificatePem);
    const second = NOW_MS - 123;
    expect([validFromDate.getTime(), validToDate.getTime()]).toEqual([second - SKEW_MS, second + 60_000]);
    expect([svid.notBeforeMs, svid.notAfterMs]).toEqual([second - SKEW_MS, second + 60_000]);
  });

  it('does not outlive the intermediate, nor that the root', async () => {
    let nowMs = NOW_MS;
    const authority = await create({ intermediateTtlSeconds: 600, nowMs: () => nowMs });
    nowMs += 599_000;
    const { notAfterMs } = await issueSvid(authority, { spiffeId: SPIFFE_ID, ttlSeconds: 3_600 });
    expect(notAfterMs).toBe(authority.expiry.intermediateEndMs);
    nowMs += 1_000;
    await expect(issueSvid(authority, { spiffeId: SPIFFE_ID })).rejects.toThrow('expired');

    const rootEndMs = authority.expiry.roots[0]?.endMs ?? 0;
    nowMs = rootEndMs - 60_000;
    await authority.maintain();
    expect(authority.expiry.intermediateEndMs).toBe(rootEndMs);
    nowMs = rootEndMs;
    await expect(authority.maintain()).rejects.toThrow('expired');
  });

  it('has a serial number of its own, positive and of 16 bytes', async () => {
    const authority = await create();
    const serials = new Set<string>();
    for (let round = 0; round < 20; round += 1) {
      const { certificatePem } = await issueSvid(authority, { spiffeId: SPIFFE_ID });
      serials.add(new X509Certificate(certificatePem).serialNumber);
    }
    expect(serials.size).toBe(20);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{31}$/);
  });

  it.each(['spiffe://b.test/ns/b/sa/c', 'spiffe://a.test/other', 'spiffe://a.test', 'a.test'])(
    'is never issued for %s',
    async (spiffeId) => {
      await expect(issueSvid(await create(), { spiffeId })).rejects.toThrow('is not spiffe://a.test/ns/');
    },
  );
});

describe('the root', () => {
  it('may sign one level of authorities and workloads, and carries the trust domain', async () => {
    const { rootsPem } = (await create()).trustBundle();
    const root = new ParsedCertificate(rootsPem);
    expect(root.getExtension(BasicConstraintsExtension)).toMatchObject({
      ca: true,
      pathLength: 1,
      critical: true,
    });
    expect(root.getExtension(KeyUsagesExtension)).toMatchObject({
      usages: KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign,
      critical: true,
    });
    expect(new X509Certificate(rootsPem).subjectAltName).toBe('URI:spiffe://a.test');
  });

  it('is made at first start and used again at the next', async () => {
    const first = await create(kept());
    const second = await create(kept());
    expect(second.trustBundle()).toEqual(first.trustBundle());
    const { certificatePem } = await issueSvid(second, { spiffeId: SPIFFE_ID });
    const [, intermediate] = certificates(certificatePem);
    expect(isSignedBy(intermediate, certificates(first.trustBundle().rootsPem)[0])).toBe(true);
  });

  it('is one even when two processes start at once', async () => {
    const both = await Promise.all([create(kept()), create(kept())]);
    expect(both[0].trustBundle()).toEqual(both[1].trustBundle());
    expect((await readdir(stateDir)).sort()).toEqual([
      'authority.json',
      expect.stringMatching(/^root-/),
      'roots.pem',
    ]);
  });

  it('is kept with its key sealed; the public part is not secret', async () => {
    const { rootsPem } = (await create(kept())).trustBundle();
    expect(await readFile(join(stateDir, 'roots.pem'), 'utf8')).toBe(rootsPem);
    for (const name of await readdir(stateDir)) {
      expect(await readFile(join(stateDir, name), 'utf8')).not.toContain('PRIVATE');
      if (name !== 'roots.pem') expect((await stat(join(stateDir, name))).mode & 0o777).toBe(0o600);
    }
  });

  it('opens with its passphrase alone', async () => {
    await create(kept());
    const state = { folder: stateDir, passphrase: `${PASSPHRASE}!` };
    await expect(create({ state })).rejects.toThrow(/intermediate of a\.test does not open with this/);
  });

  it('is refused when it belongs to another trust domain', async () => {
    await create(kept());
    await expect(create({ ...kept(), trustDomain: 'b.test' })).rejects.toThrow(
      'belongs to trust domain a.test',
    );
  });

  it('is never replaced by a new one when its file is damaged', async () => {
    const path = join(stateDir, 'authority.json');
    await writeFile(path, 'damaged', { mode: 0o600 });
    await expect(create(kept())).rejects.toThrow('restore it from a backup');
    expect(await readFile(path, 'utf8')).toBe('damaged');
  });
});

describe('the intermediate', () => {
  it('is an authority for leaves only, and is replaced at half of its lifetime', async () => {
    let nowMs = NOW_MS;
    const authority = await create({ ...kept(), intermediateTtlSeconds: 1_000, nowMs: () => nowMs });
    const intermediateOf = async () =>
      certificates((await issueSvid(authority, { spiffeId: SPIFFE_ID, ttlSeconds: 10 })).certificatePem)[1];
    const first = await intermediateOf();
    const constraints = new ParsedCertificate(first?.toString() ?? '').getExtension(
      BasicConstraintsExtension,
    );
    expect(constraints).toMatchObject({ ca: true, pathLength: 0, critical: true });

    nowMs += 300_000;
    await authority.maintain();
    expect((await intermediateOf())?.serialNumber).toBe(first?.serialNumber);
    nowMs += 300_000;
    await authority.maintain();
    const second = await intermediateOf();
    expect(second?.serialNumber).not.toBe(first?.serialNumber);

    const restarted = await create({ ...kept(), nowMs: () => nowMs });
    expect(restarted.expiry.intermediateEndMs).toBe(second?.validToDate.getTime());
  });

  it('goes on while the key of the root is kept elsewhere, and needs it for its successor', async () => {
    let nowMs = NOW_MS;
    const options = { ...kept(), intermediateTtlSeconds: 1_000, nowMs: () => nowMs };
    await create(options);
    const [keyFile = ''] = (await readdir(stateDir)).filter((name) => name.startsWith('root-'));
    await rename(join(stateDir, keyFile), join(stateDir, 'elsewhere'));
    const authority = await create(options);
    nowMs += 600_000;
    await expect(authority.maintain()).rejects.toThrow(/root-.*put it there for as long as it is needed/);
    await issueSvid(authority, { spiffeId: SPIFFE_ID });
    await rename(join(stateDir, 'elsewhere'), join(stateDir, keyFile));
    const { intermediateEndMs } = authority.expiry;
    await authority.maintain();
    expect(authority.expiry.intermediateEndMs).toBe(intermediateEndMs + 600_000);
  });
});

describe('a server certificate', () => {
  it('has the names, its own key and nothing by which it could pass for a workload', async () => {
    const authority = await create();
    const server = await authority.issueServerCertificate(['localhost', '127.0.0.1', '::1'], 60);
    const certificate = new X509Certificate(server.certificatePem);
    expect(certificate.subjectAltName).toBe(
      'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
    );
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    expect(certificate.checkPrivateKey(createPrivateKey(server.keyPem))).toBe(true);
  });
});

function certificates(pem: string): X509Certificate[] {
  return (pem.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? []).map(
    (block) => new X509Certificate(block),
  );
}

function isSignedBy(certificate: X509Certificate | undefined, issuer: X509Certificate | undefined): boolean {
  if (certificate === undefined || issuer === undefined) return false;
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}
