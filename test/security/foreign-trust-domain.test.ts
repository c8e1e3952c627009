/** Two trust domains that accept each other: real certificates over real sockets, in both directions. A root of one must be worth nothing for the other. */
import 'reflect-metadata';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  createRootCertificate,
  createSvidCertificate,
  exportKey,
  generateKeys,
  importSigner,
  type Signer,
  toPem,
} from '../../mesh/ca/certificates.ts';
import { NOBODY_DENIED } from '../../sidecar/src/identity/deny-list.ts';
import type { Svid } from '../../sidecar/src/identity/svid.ts';
import {
  clientTlsOptions,
  isRefused,
  peerSpiffeId,
  serverTlsOptions,
} from '../../sidecar/src/identity/trust.ts';
import { trustDomainOf } from '../../sidecar/src/identity/uri-name.ts';

const ID_A = 'spiffe://a.test/ns/x/sa/orders';
const ID_B = 'spiffe://b.test/ns/x/sa/billing';
const DAY_MS = 24 * 3_600_000;

let a: Domain;
let b: Domain;
/** Each accepts the other trust domain. */
let inA: Svid;
let inB: Svid;
const servers: Server[] = [];

beforeAll(async () => {
  [a, b] = [await openDomain('a.test'), await openDomain('b.test')];
  [inA, inB] = [await issue(a, ID_A), await issue(b, ID_B)];
});
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** Who the server took the client for, and the client the server; null where one of them refused. */
async function meet(server: Svid, client: Svid, expected: string): Promise<[string | null, string | null]> {
  const seen = Promise.withResolvers<string | null>();
  const listener = createServer(serverTlsOptions(server), (socket) => {
    socket.on('error', () => {});
    const peer = peerSpiffeId(socket, server);
    seen.resolve(peer);
    if (peer === null) socket.destroy();
    else socket.end('welcome');
  });
  listener.on('tlsClientError', () => seen.resolve(null));
  servers.push(listener);
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const socket = connect({ port, host: '127.0.0.1', ...clientTlsOptions(client, expected) });
  const peer = await new Promise<string | null>((resolve) => {
    let known: string | null = null;
    socket.on('secureConnect', () => {
      known = peerSpiffeId(socket, client);
    });
    socket.on('error', () => {});
    socket.on('data', () => {});
    socket.on('close', () => resolve(known));
  });
  return [await seen.promise, peer];
}

describe('two trust domains that accept each other', () => {
  it('meet in both directions, and stay what they are for their own', async () => {
    expect(await meet(inA, inB, ID_A)).toEqual([ID_B, ID_A]);
    expect(await meet(inB, inA, ID_B)).toEqual([ID_A, ID_B]);
    expect(await meet(inA, inA, ID_A)).toEqual([ID_A, ID_A]);
  });

  it('are strangers where only one of them accepts the other', async () => {
    const closed = { ...inA, foreign: new Map<string, string>() };
    expect(await meet(closed, inB, ID_A)).toEqual([null, ID_A]);
    expect(await meet(inB, closed, ID_B)).toEqual([null, null]);
  });

  it('leave out a third one, which has no root here', async () => {
    const c = await openDomain('c.test');
    const inC = { ...(await issue(c, 'spiffe://c.test/ns/x/sa/y')), rootsPem: c.root.certificatePem };
    expect(await meet(inA, inC, ID_A)).toEqual([null, ID_A]);
    expect(await meet(inC, inA, inC.spiffeId)).toEqual([null, null]);
  });

  it('deny one of the other domain, too', async () => {
    const denied = { spiffeIds: new Set([ID_B]), serialNumbers: new Set<string>() };
    const careful = { ...inA, denied };
    expect((await meet(careful, inB, ID_A))[0]).toBeNull();
    expect((await meet(inB, careful, ID_B))[1]).toBeNull();
  });
});

describe('an open connection with a foreign peer', () => {
  it('outlives the roots of its handshake, and ends when the peer is denied or its domain not accepted any more', async () => {
    const open = Promise.withResolvers<TLSSocket>();
    const listener = createServer(serverTlsOptions(inA), (socket) => open.resolve(socket));
    servers.push(listener);
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address() as AddressInfo;
    const client = connect({ port, host: '127.0.0.1', ...clientTlsOptions(inB, ID_A) });
    const socket = await open.promise;
    const next = await openDomain('a.test');
    const rotated = {
      ...inA,
      rootsPem: next.root.certificatePem,
      foreign: new Map([['b.test', next.root.certificatePem]]),
    };
    const denied = { spiffeIds: new Set([ID_B]), serialNumbers: new Set<string>() };
    expect(isRefused(socket, inA)).toBe(false);
    expect(isRefused(socket, rotated)).toBe(false);
    expect(isRefused(socket, { ...inA, denied })).toBe(true);
    expect(isRefused(socket, { ...inA, foreign: new Map() })).toBe(true);
    client.destroy();
    socket.destroy();
  });
});

describe.each([
  ['an id of b by the root of a', ID_B, () => a],
  ['an id of a by the root of b', ID_A, () => b],
] as const)('%s', (_, id, signer) => {
  it('is refused as client by a server of either domain', async () => {
    const forged = await issue(signer(), id);
    for (const server of [inA, inB]) expect((await meet(server, forged, server.spiffeId))[0]).toBeNull();
  });

  it('is refused as server by a client of either domain', async () => {
    const forged = await issue(signer(), id);
    for (const client of [inA, inB]) expect((await meet(forged, client, id))[1]).toBeNull();
  });

  it('is refused though a workload of that domain lends its key and its certificate to it', async () => {
    // The handshake finds a way by the forged authority; by name and key the workload's certificate would be another way, to the other root, and is of no authority.
    const honest = id === ID_A ? inA : inB;
    const imitation = await imitate(signer(), honest);
    const forged = await issue(signer(), id, imitation);
    for (const between of [
      honest.certificatePem + imitation.certificatePem,
      imitation.certificatePem + honest.certificatePem,
    ]) {
      const confused = { ...forged, certificatePem: forged.certificatePem + between };
      for (const server of [inA, inB]) expect((await meet(server, confused, server.spiffeId))[0]).toBeNull();
      for (const client of [inA, inB]) expect((await meet(confused, client, id))[1]).toBeNull();
    }
  });
});

/** A trust domain whose root signs whatever the test asks for. */
interface Domain {
  readonly name: string;
  readonly root: Signer;
}

async function openDomain(name: string): Promise<Domain> {
  const keys = await generateKeys();
  const certificate = await createRootCertificate(keys, name, validity());
  return { name, root: { certificate, certificatePem: toPem(certificate), key: keys.privateKey } };
}

/** Signed by the root of `domain`, whatever the id; it trusts both domains. */
async function issue(domain: Domain, id: string, signer: Signer = domain.root): Promise<Svid> {
  const keys = await generateKeys();
  const leaf = await createSvidCertificate(signer, keys.publicKey, id, validity());
  const own = trustDomainOf(id) === 'a.test' ? a : b;
  const other = own === a ? b : a;
  return {
    certificatePem: toPem(leaf),
    keyPem: await exportKey(keys.privateKey),
    rootsPem: own.root.certificatePem,
    spiffeId: id,
    notBeforeMs: 0,
    notAfterMs: 0,
    denied: NOBODY_DENIED,
    foreign: new Map([[other.name, other.root.certificatePem]]),
  };
}

/** An authority below the root of `domain` with the key and the name that a workload has. */
async function imitate({ root }: Domain, { keyPem, certificatePem }: Svid): Promise<Signer> {
  const { key } = await importSigner({ keyPem, certificatePem });
  const certificate = await X509CertificateGenerator.create({
    signingKey: root.key,
    issuer: root.certificate.subjectName,
    subject: 'O=Tulle',
    publicKey: await new X509Certificate(certificatePem).publicKey.export(),
    ...validity(),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
    ],
  });
  return { certificate, certificatePem: toPem(certificate), key };
}

function validity() {
  return { notBefore: new Date(Date.now() - DAY_MS), notAfter: new Date(Date.now() + DAY_MS) };
}
