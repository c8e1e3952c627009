// What a scanner finds on the listeners that face others: between sidecars, and where certificates are asked for.
import { afterAll, beforeAll, describe, test } from 'vitest';
import { startAuthorityUnderTest } from '../../mesh/ca/authority.fixture.ts';
import type { Authority } from '../../mesh/ca/authority.ts';
import { startSidecar } from '../../sidecar/src/app.ts';
import {
  createFolder,
  type Folder,
  openAuthority,
  sidecarConfig,
  spiffeId,
  writeIdentity,
} from '../e2e/mesh-fixture.ts';
import { type Finding, scanTls } from '../parts/testssl.ts';

/** What a scanner that knows the public web holds against a mesh, and why it is meant to be. */
const MEANT: Record<string, string> = {
  cert_trust: 'the certificate says who its holder is by a SPIFFE id, and has no host name',
  cert_expirationStatus: 'certificates live for hours',
  cert_notAfter: 'certificates live for hours',
  cert_revocation: 'short lives take the place of revocation lists',
  optimal_proto:
    'the scanner has no certificate to show, so its openssl gets no connection; its own sockets go as far as they need',
  sessionresumption_ID: 'asked with a certificate by sidecar/src/identity/trust.test.ts',
  secure_client_renego: 'asked with a certificate by sidecar/src/identity/trust.test.ts',
  BREACH: 'the sidecar compresses nothing',
  engine_problem: 'about the openssl that scans',
};
const QUIET = ['OK', 'INFO', 'DEBUG'];
const PROTOCOLS = ['SSLv2', 'SSLv3', 'TLS1', 'TLS1_1', 'TLS1_2', 'TLS1_3'];

let folder: Folder;
let authority: Authority;

beforeAll(async () => {
  folder = await createFolder();
  authority = await openAuthority();
});

afterAll(() => folder.remove());

function offered(findings: Finding[]): string[] {
  return PROTOCOLS.filter((id) => {
    const finding = findings.find((entry) => entry.id === id)?.finding;
    if (finding === undefined) throw new Error(`the scan says nothing about ${id}`);
    return !finding.startsWith('not offered');
  });
}

function complaints(findings: Finding[]): Finding[] {
  return findings.filter(({ id, severity }) => !QUIET.includes(severity) && !(id in MEANT));
}

const WAIT_MS = 400_000;

describe.concurrent('a scan', () => {
  async function scanInbound(service: string, settings: Record<string, unknown>): Promise<Finding[]> {
    const own = await writeIdentity(folder, authority, { spiffeId: spiffeId(service) });
    const inbound = [{ name: 'http', listen: '127.0.0.1:0', target: '127.0.0.1:9' }];
    const config = sidecarConfig(service, { identity: { ...own, ...settings }, inbound });
    const configPath = await folder.write(`${service}.yaml`, config);
    const sidecar = await startSidecar({ configPath, lastGoodPath: null });
    try {
      return await scanTls(sidecar.inboundPorts.http ?? 0, `${folder.path}/${service}-roots.pem`);
    } finally {
      await sidecar.drain();
    }
  }

  test('of an inbound listener finds TLS 1.3 alone, and nothing to complain about', {
    timeout: WAIT_MS,
  }, async ({ expect }) => {
    const findings = await scanInbound('worker', {});
    expect(offered(findings)).toEqual(['TLS1_3']);
    expect(complaints(findings)).toEqual([]);
  });

  test('of one that has to speak TLS 1.2 finds it in good order', { timeout: WAIT_MS }, async ({
    expect,
  }) => {
    const findings = await scanInbound('old-worker', { minTlsVersion: 'TLSv1.2' });
    expect(offered(findings)).toEqual(['TLS1_2', 'TLS1_3']);
    expect(complaints(findings)).toEqual([]);
  });

  test('of the authority likewise finds TLS 1.3 alone', { timeout: WAIT_MS }, async ({ expect }) => {
    const ca = await startAuthorityUnderTest();
    const rootsFile = await folder.write('authority-roots.pem', ca.rootsPem);
    try {
      const findings = await scanTls(ca.server.port, rootsFile);
      expect(offered(findings)).toEqual(['TLS1_3']);
      expect(complaints(findings)).toEqual([]);
    } finally {
      await ca.stop();
    }
  });
});
