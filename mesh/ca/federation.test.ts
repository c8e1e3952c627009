// The bundle of a foreign trust domain, from the real interface of its authority, from an endpoint with an SVID, and from a file.
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { writeSpiffeBundle } from '../../sidecar/src/identity/spiffe-bundle.ts';
import { readTrustDocument } from '../../sidecar/src/identity/trust-document.ts';
import { type AuthorityUnderTest, startAuthorityUnderTest, TRUST_DOMAIN } from './authority.fixture.ts';
import { type Authority, createAuthority } from './authority.ts';
import { type BundleSource, Federation, type FederationEvent } from './federation.ts';
import { issueSvid } from './issue-svid.ts';

const FOREIGN = TRUST_DOMAIN;
const ENDPOINT_ID = 'spiffe://a.test/ns/x/sa/bundles';
const PATIENCE = { timeout: 20_000, interval: 20 };

let folder: string;
let issuer: Authority;
let authority: AuthorityUnderTest;
let opened: Federation[];
let events: FederationEvent[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-federation-'));
  issuer = await createAuthority({ trustDomain: FOREIGN });
  authority = await startAuthorityUnderTest({ issuer });
  opened = [];
  events = [];
});
afterEach(async () => {
  for (const federation of opened) federation.close();
  await authority.stop();
  await rm(folder, { recursive: true });
});

async function open(source: BundleSource, trustDomain = FOREIGN): Promise<Federation> {
  const report = (event: FederationEvent) => void events.push(event);
  const federation = await Federation.open([{ trustDomain, source }], folder, report);
  opened.push(federation);
  return federation;
}

const rootsOf = (federation: Federation, trustDomain = FOREIGN) =>
  federation
    .bundles()
    .get(trustDomain)
    ?.rootsPem.match(/-----BEGIN/g)?.length;
const kinds = () => events.map(({ event }) => event);

async function web(): Promise<BundleSource> {
  const rootsFile = join(folder, 'web-roots.pem');
  await writeFile(rootsFile, authority.rootsPem);
  return { kind: 'https_web', url: `https://127.0.0.1:${authority.server.port}/v1/bundle`, rootsFile };
}

async function writeBundle(rootsPem: string): Promise<string> {
  const file = join(folder, 'bundle.json');
  await writeFile(file, JSON.stringify(writeSpiffeBundle({ sequence: 1, rootsPem, refreshSeconds: 1 })));
  return file;
}

describe('a bundle endpoint with a web certificate', () => {
  it('is followed through a whole rotation of its root, which signs its own certificate, too', async () => {
    const federation = await open(await web());
    expect(rootsOf(federation)).toBe(1);
    const first = federation.bundles().get(FOREIGN)?.rootsPem;
    await issuer.rotateRoot('prepare');
    await vi.waitFor(() => expect(rootsOf(federation)).toBe(2), PATIENCE);
    await issuer.rotateRoot('activate', { force: true });
    await issuer.rotateRoot('retire', { force: true });
    await vi.waitFor(() => expect(rootsOf(federation)).toBe(1), PATIENCE);
    expect(federation.bundles().get(FOREIGN)?.rootsPem).not.toBe(first);
    expect(kinds()).toEqual(Array(3).fill('foreign_bundle_changed'));
  });

  it('is believed about its own trust domain alone', async () => {
    const federation = await open(await web(), 'b.test');
    expect(federation.bundles().size).toBe(0);
    expect(events).toMatchObject([{ reason: expect.stringContaining('is for spiffe://a.test') }]);
  });

  it('is not believed when it is another one, and what was kept stays over a restart', async () => {
    const source = await web();
    const first = await open(source);
    const known = first.bundles().get(FOREIGN)?.rootsPem;
    first.close();
    await authority.stop();
    authority = await startAuthorityUnderTest();
    const url = `https://127.0.0.1:${authority.server.port}/v1/bundle`;
    const second = await open({ ...source, url } as BundleSource);
    expect(second.bundles().get(FOREIGN)?.rootsPem).toBe(known);
    expect(kinds()).toEqual(['foreign_bundle_changed', 'foreign_bundle_not_refreshed']);
  });
});

describe('a bundle endpoint with an SVID', () => {
  let endpoint: Server | null;
  beforeEach(() => {
    endpoint = null;
  });
  afterEach(() => {
    endpoint?.closeAllConnections();
    endpoint?.close();
  });

  async function serve(signer: Authority, spiffeId = ENDPOINT_ID): Promise<BundleSource> {
    const { certificatePem: cert, keyPem: key } = await issueSvid(signer, { spiffeId });
    endpoint = createServer({ cert, key }, (_, response) =>
      response.end(JSON.stringify(writeSpiffeBundle({ ...issuer.trustBundle(), refreshSeconds: 1 }))),
    );
    endpoint.listen(0, '127.0.0.1');
    await once(endpoint, 'listening');
    const { port } = endpoint.address() as AddressInfo;
    const bundleFile = await writeBundle(issuer.trustBundle().rootsPem);
    return { kind: 'https_spiffe', url: `https://127.0.0.1:${port}`, spiffeId: ENDPOINT_ID, bundleFile };
  }

  it('is known by its id, and by the bundle that it gave before', async () => {
    const federation = await open(await serve(issuer));
    expect(rootsOf(federation)).toBe(1);
    await issuer.rotateRoot('prepare');
    await vi.waitFor(() => expect(rootsOf(federation)).toBe(2), PATIENCE);
  });

  it.each([
    ['another workload of the domain', () => issuer, 'spiffe://a.test/ns/x/sa/thief', /expected spiffe/],
    [
      'whoever has another root',
      () => createAuthority({ trustDomain: FOREIGN }),
      ENDPOINT_ID,
      /unable to|self-signed/,
    ],
  ] as const)('is not %s', async (_, signer, spiffeId, reason) => {
    const federation = await open(await serve(await signer(), spiffeId));
    expect(federation.bundles().size).toBe(0);
    expect(events).toMatchObject([{ reason: expect.stringMatching(reason) }]);
  });
});

describe('a bundle in a file', () => {
  it('is taken, and passed on to the sidecars with the own one', async () => {
    const source: BundleSource = { kind: 'file', file: await writeBundle(issuer.trustBundle().rootsPem) };
    const home = await startAuthorityUnderTest({
      issuer: await createAuthority({ trustDomain: 'home.test' }),
      foreign: [{ trustDomain: FOREIGN, source }],
    });
    const { body } = await home.send('/v1/bundle');
    await home.stop();
    const { foreign } = readTrustDocument(body, 'home.test');
    expect([...foreign.keys()]).toEqual([FOREIGN]);
    expect(foreign.get(FOREIGN)?.rootsPem.trim()).toBe(issuer.trustBundle().rootsPem.trim());
  });

  it('that is away is told, and the start goes on', async () => {
    const federation = await open({ kind: 'file', file: join(folder, 'nowhere.json') });
    expect(federation.bundles().size).toBe(0);
    expect(events).toMatchObject([{ reason: expect.stringContaining('nowhere.json') }]);
  });
});
