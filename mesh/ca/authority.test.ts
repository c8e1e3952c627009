import 'reflect-metadata';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509Certificate as ParsedCertificate,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
} from '@peculiar/x509';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAuthority } from './authority.ts';
import { readCsr } from './csr.ts';
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

    const [leaf, root] = [
      new X509Certificate(certificatePem),
      new X509Certificate(authority.trustBundle().rootsPem),
    ];
    expect(leaf.checkIssued(root) && leaf.verify(root.publicKey)).toBe(true);
  });

  it('lives as long as asked, from a few minutes ago', async () => {
    const authority = await create({ nowMs: () => NOW_MS });
    const svid = await issueSvid(authority, { spiffeId: SPIFFE_ID, ttlSeconds: 60 });
    const { validFromDate, validToDate } = new X509Certificate(svid.certificatePem);
    const second = NOW_MS - 123;
    expect([validFromDate.getTime(), validToDate.getTime()]).toEqual([second - SKEW_MS, second + 60_000]);
    expect([svid.notBeforeMs, svid.notAfterMs]).toEqual([second - SKEW_MS, second + 60_000]);
  });

  it('does not outlive the root', async () => {
    const root = new X509Certificate(
      (await create({ stateDir, nowMs: () => NOW_MS })).trustBundle().rootsPem,
    );
    const rootEndMs = root.validToDate.getTime();
    const late = await create({ stateDir, nowMs: () => rootEndMs - 1_000 });
    const svid = await issueSvid(late, { spiffeId: SPIFFE_ID, ttlSeconds: 3_600 });
    expect(svid.notAfterMs).toBe(rootEndMs);

    const afterwards = await create({ stateDir, nowMs: () => rootEndMs });
    await expect(issueSvid(afterwards, { spiffeId: SPIFFE_ID })).rejects.toThrow('The root has expired');
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

  it('names whom the caller decided on, whatever the request asks for', async () => {
    const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
      'sign',
      'verify',
    ]);
    const csr = await Pkcs10CertificateRequestGenerator.create({
      name: 'CN=localhost, O=Somebody',
      keys,
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      extensions: [
        new SubjectAlternativeNameExtension([
          { type: 'url', value: 'spiffe://a.test/ns/b/sa/somebody-else' },
          { type: 'dns', value: 'localhost' },
        ]),
        new BasicConstraintsExtension(true, 5, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
      ],
    });
    const authority = await create();
    const issued = await authority.sign({
      csr: await readCsr(csr.toString('pem')),
      spiffeId: SPIFFE_ID,
      ttlSeconds: 60,
    });
    const certificate = new X509Certificate(issued.certificatesPem);
    expect(certificate.subjectAltName).toBe(`URI:${SPIFFE_ID}`);
    expect(certificate.subject).toBe('O=Tulle');
    expect(certificate.ca).toBe(false);
    const { usages } = new ParsedCertificate(issued.certificatesPem).getExtension(KeyUsagesExtension) ?? {};
    expect(usages).toBe(KeyUsageFlags.digitalSignature);
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
    const first = await create({ stateDir });
    const second = await create({ stateDir });
    expect(second.trustBundle().rootsPem).toBe(first.trustBundle().rootsPem);
    const { certificatePem } = await issueSvid(second, { spiffeId: SPIFFE_ID });
    expect(
      new X509Certificate(certificatePem).verify(new X509Certificate(first.trustBundle().rootsPem).publicKey),
    ).toBe(true);
  });

  it('is one even when two processes start at once', async () => {
    const both = await Promise.all([create({ stateDir }), create({ stateDir })]);
    expect(both[0].trustBundle().rootsPem).toBe(both[1].trustBundle().rootsPem);
  });

  it('is kept where only its owner can read the key; the public part is not secret', async () => {
    const { rootsPem } = (await create({ stateDir })).trustBundle();
    expect((await stat(join(stateDir, 'root.pem'))).mode & 0o777).toBe(0o600);
    const published = await readFile(join(stateDir, 'roots.pem'), 'utf8');
    expect(published).toBe(rootsPem);
    expect(published).not.toContain('PRIVATE');
  });

  it('is refused when others can read its key', async () => {
    await create({ stateDir });
    await chmod(join(stateDir, 'root.pem'), 0o640);
    await expect(create({ stateDir })).rejects.toThrow(/root\.pem .*chmod 600/);
  });

  it('is refused when it belongs to another trust domain', async () => {
    await create({ stateDir });
    await expect(create({ stateDir, trustDomain: 'b.test' })).rejects.toThrow(
      'belongs to trust domain a.test',
    );
  });

  it('is never replaced by a new one when its file is damaged', async () => {
    const path = join(stateDir, 'root.pem');
    await writeFile(path, 'damaged', { mode: 0o600 });
    await expect(create({ stateDir })).rejects.toThrow('restore it from a backup');
    expect(await readFile(path, 'utf8')).toBe('damaged');
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
