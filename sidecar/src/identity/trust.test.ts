/** Real certificates over real sockets: who is let in, and who is refused by which side. */
import { once } from 'node:events';
import { type AddressInfo, connect as connectPlain } from 'node:net';
import {
  type ConnectionOptions,
  connect,
  createServer,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
} from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Authority, createAuthority } from '../../../mesh/ca/authority.ts';
import { issueSvid } from '../../../mesh/ca/issue-svid.ts';
import type { TlsVersion } from '../config/schema.ts';
import { type DenyList, NOBODY_DENIED } from './deny-list.ts';
import type { Svid } from './svid.ts';
import { NO_FOREIGN_ROOTS } from './svid.ts';
import { clientTlsOptions, deniedSpiffeId, peerSpiffeId, serverTlsOptions } from './trust.ts';

const TRUSTED = { denied: NOBODY_DENIED, foreign: NO_FOREIGN_ROOTS, rootsPem: '' };
const TRUST_DOMAIN = 'demo.tulle.test';
const GATEWAY = `spiffe://${TRUST_DOMAIN}/ns/demo/sa/gateway`;
const DISPATCHER = `spiffe://${TRUST_DOMAIN}/ns/demo/sa/webhook-dispatcher`;
const DAY_MS = 24 * 3_600_000;

let authority: Authority;
let gateway: Svid;
let dispatcher: Svid;
const servers: Server[] = [];

beforeAll(async () => {
  authority = await createAuthority({ trustDomain: TRUST_DOMAIN });
  gateway = await issueSvid(authority, { spiffeId: GATEWAY });
  dispatcher = await issueSvid(authority, { spiffeId: DISPATCHER });
});

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A server that echoes; `peers` gets the identity of each connection that completed its handshake. */
async function startEcho(
  svid: Svid,
  minVersion?: TlsVersion,
): Promise<{ server: Server; port: number; peers: (string | null)[] }> {
  const peers: (string | null)[] = [];
  const server = createServer(serverTlsOptions(svid, minVersion), (socket) => {
    peers.push(peerSpiffeId(socket, TRUSTED));
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port, peers };
}

function contextOf({ certificatePem: cert, keyPem: key, rootsPem: ca }: Svid): SecureContextOptions {
  return { cert, key, ca };
}

async function open(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', ...options });
  socket.setEncoding('utf8');
  await once(socket, 'secureConnect');
  return socket;
}

async function echo(socket: TLSSocket, text: string): Promise<string> {
  socket.write(text);
  const closed = once(socket, 'close').then(() => Promise.reject(new Error('closed without an answer')));
  const [answer] = await Promise.race([once(socket, 'data'), closed]);
  return answer;
}

/** Opens a connection, echoes, and returns who the server was. With TLS 1.3 the client learns of a refusal only when it reads. */
async function talk(port: number, options: ConnectionOptions): Promise<string | null> {
  const socket = await open(port, options);
  expect(await echo(socket, 'hello')).toBe('hello');
  const peer = peerSpiffeId(socket, TRUSTED);
  socket.destroy();
  return peer;
}

describe('a connection between two SVIDs of one trust domain', () => {
  it('is accepted and each side knows the other', async () => {
    const { port, peers } = await startEcho(dispatcher);
    expect(await talk(port, clientTlsOptions(gateway, DISPATCHER))).toBe(DISPATCHER);
    expect(peers).toEqual([GATEWAY]);
  });

  it('is TLS 1.3 with P-256 signatures', async () => {
    const { port } = await startEcho(dispatcher);
    const socket = await open(port, clientTlsOptions(gateway, DISPATCHER));
    expect(socket.getProtocol()).toBe('TLSv1.3');
    expect(socket.getSharedSigalgs()).toEqual(['ECDSA+SHA256']);
    socket.destroy();
  });

  it('accepts a certificate from a clock that is minutes ahead', async () => {
    const ahead = await issueSvid(authority, { spiffeId: GATEWAY, validFromMs: Date.now() + 4 * 60_000 });
    const { port, peers } = await startEcho(dispatcher);
    await talk(port, clientTlsOptions(ahead, DISPATCHER));
    expect(peers).toEqual([GATEWAY]);
  });

  it('is never resumed, so each one shows a certificate that is valid now', async () => {
    const { port, peers } = await startEcho(dispatcher);
    const first = await open(port, clientTlsOptions(gateway, DISPATCHER));
    const sessions: Buffer[] = [];
    first.on('session', (session) => sessions.push(session));
    await echo(first, 'hello');
    first.destroy();
    const [session] = sessions;
    expect(session).toBeDefined();

    const second = await open(port, { ...clientTlsOptions(gateway, DISPATCHER), session });
    await echo(second, 'hello');
    expect(second.isSessionReused()).toBe(false);
    expect(peers).toEqual([GATEWAY, GATEWAY]);
    second.destroy();
  });
});

describe('a connection in TLS 1.2, where that is let in', () => {
  const old = () =>
    ({ ...contextOf(gateway), maxVersion: 'TLSv1.2', checkServerIdentity: () => undefined }) as const;

  it('has forward secrecy, and each side knows the other', async () => {
    const { port, peers } = await startEcho(dispatcher, 'TLSv1.2');
    const socket = await open(port, old());
    expect(await echo(socket, 'hello')).toBe('hello');
    expect(socket.getCipher()).toMatchObject({ name: 'ECDHE-ECDSA-AES128-GCM-SHA256', version: 'TLSv1.2' });
    expect(peerSpiffeId(socket, TRUSTED)).toBe(DISPATCHER);
    expect(peers).toEqual([GATEWAY]);
    socket.destroy();
  });

  it('goes to a peer that has nothing better', async () => {
    const server = createServer(
      { ...contextOf(dispatcher), requestCert: true, maxVersion: 'TLSv1.2' },
      (socket) => {
        socket.on('error', () => {});
        socket.pipe(socket);
      },
    );
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    expect(await talk(port, clientTlsOptions(gateway, DISPATCHER, 'TLSv1.2'))).toBe(DISPATCHER);
    await expect(talk(port, clientTlsOptions(gateway, DISPATCHER))).rejects.toThrow();
  });

  it('is never resumed', async () => {
    const { port } = await startEcho(dispatcher, 'TLSv1.2');
    const first = await open(port, old());
    await echo(first, 'hello');
    const session = first.getSession();
    first.destroy();
    const second = await open(port, { ...old(), ...(session && { session }) });
    expect(await echo(second, 'hello')).toBe('hello');
    expect(second.isSessionReused()).toBe(false);
    second.destroy();
  });

  it('is never negotiated anew', async () => {
    const { port } = await startEcho(dispatcher, 'TLSv1.2');
    const socket = await open(port, old());
    await echo(socket, 'hello');
    const refused = once(socket, 'error') as Promise<[NodeJS.ErrnoException]>;
    socket.renegotiate({}, () => {});
    expect((await refused)[0].code).toBe('ERR_SSL_NO_RENEGOTIATION');
  });
});

describe('the server refuses', () => {
  /** What the server knows: why OpenSSL broke off, or else what was wrong with the certificate. */
  async function expectRefusal(options: ConnectionOptions, reason: string): Promise<void> {
    const { server, port, peers } = await startEcho(dispatcher);
    const refused = once(server, 'tlsClientError') as Promise<[NodeJS.ErrnoException, TLSSocket]>;
    await expect(talk(port, options)).rejects.toThrow();
    const [error, socket] = await refused;
    expect([error.code, socket.authorizationError]).toContain(reason);
    expect(peers).toEqual([]);
  }

  it('plaintext', async () => {
    const { server, port, peers } = await startEcho(dispatcher);
    const refused = once(server, 'tlsClientError') as Promise<[NodeJS.ErrnoException]>;
    const socket = connectPlain(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.1\r\nhost: webhook-dispatcher\r\n\r\n');
    await once(socket, 'close');
    expect((await refused)[0].code).toBe('ERR_SSL_HTTP_REQUEST');
    expect(peers).toEqual([]);
  });

  it('a client without a certificate', async () => {
    await expectRefusal(
      { ca: dispatcher.rootsPem, checkServerIdentity: () => undefined },
      'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE',
    );
  });

  it('a certificate of another authority, be it for the same trust domain and id', async () => {
    const impostor = await createAuthority({ trustDomain: TRUST_DOMAIN });
    const svid = { ...(await issueSvid(impostor, { spiffeId: GATEWAY })), rootsPem: gateway.rootsPem };
    await expectRefusal(clientTlsOptions(svid, DISPATCHER), 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY');
  });

  it('an expired certificate', async () => {
    const expired = await issueSvid(authority, { spiffeId: GATEWAY, validFromMs: Date.now() - DAY_MS });
    await expectRefusal(clientTlsOptions(expired, DISPATCHER), 'CERT_HAS_EXPIRED');
  });

  it('a certificate that is not valid yet', async () => {
    const future = await issueSvid(authority, { spiffeId: GATEWAY, validFromMs: Date.now() + DAY_MS });
    await expectRefusal(clientTlsOptions(future, DISPATCHER), 'CERT_NOT_YET_VALID');
  });

  it('TLS 1.2', async () => {
    await expectRefusal(
      { ...contextOf(gateway), maxVersion: 'TLSv1.2', checkServerIdentity: () => undefined },
      'ERR_SSL_UNSUPPORTED_PROTOCOL',
    );
  });
});

describe('the client refuses', () => {
  async function expectRefusal(server: Svid, expectedPeerId: string, reason: string | RegExp): Promise<void> {
    const { port } = await startEcho(server);
    await expect(talk(port, clientTlsOptions(gateway, expectedPeerId))).rejects.toThrow(reason);
  }

  it('a valid peer that is somebody else', async () => {
    const other = `spiffe://${TRUST_DOMAIN}/ns/demo/sa/workflow-worker`;
    await expectRefusal(dispatcher, other, `The peer is ${DISPATCHER}, expected ${other}`);
  });

  it('an id that the expected one only begins with', async () => {
    await expectRefusal(dispatcher, `${DISPATCHER}-2`, 'expected');
    await expectRefusal(dispatcher, DISPATCHER.slice(0, -1), 'expected');
  });

  it('a certificate of another authority', async () => {
    const impostor = await createAuthority({ trustDomain: TRUST_DOMAIN });
    await expectRefusal(
      await issueSvid(impostor, { spiffeId: DISPATCHER }),
      DISPATCHER,
      /self-signed|unable to/,
    );
  });

  it('an expired certificate', async () => {
    const expired = await issueSvid(authority, { spiffeId: DISPATCHER, validFromMs: Date.now() - DAY_MS });
    await expectRefusal(expired, DISPATCHER, 'certificate has expired');
  });

  it('a server certificate without a SPIFFE id, though the same root signed it', async () => {
    const server = await authority.issueServerCertificate(['localhost', '127.0.0.1'], 3600);
    await expectRefusal({ ...dispatcher, ...server }, DISPATCHER, 'without a SPIFFE id');
  });

  it('plaintext', async () => {
    const plain = (await import('node:net')).createServer((socket) => {
      socket.on('error', () => {});
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    });
    plain.listen(0, '127.0.0.1');
    await once(plain, 'listening');
    const { port } = plain.address() as AddressInfo;
    await expect(talk(port, clientTlsOptions(gateway, DISPATCHER))).rejects.toMatchObject({
      code: 'ERR_SSL_WRONG_VERSION_NUMBER',
    });
    plain.close();
  });
});

describe('peerSpiffeId', () => {
  it('is null for an id of another trust domain, even when its root is trusted', async () => {
    const partner = await createAuthority({ trustDomain: 'partner.test' });
    const visitor = await issueSvid(partner, { spiffeId: 'spiffe://partner.test/ns/demo/sa/gateway' });
    const rootsPem = dispatcher.rootsPem + visitor.rootsPem;
    const { port, peers } = await startEcho({ ...dispatcher, rootsPem });
    const lenient = { ...contextOf({ ...visitor, rootsPem }), checkServerIdentity: () => undefined };
    await talk(port, lenient);
    expect(peers).toEqual([null]);
  });

  it('is null when the client was not verified', async () => {
    const seen: (string | null)[] = [];
    const lax = { ...serverTlsOptions(dispatcher), rejectUnauthorized: false };
    const server = createServer(lax, (socket) => {
      seen.push(peerSpiffeId(socket, TRUSTED));
      socket.pipe(socket);
    });
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const expired = await issueSvid(authority, { spiffeId: GATEWAY, validFromMs: Date.now() - DAY_MS });
    await talk((server.address() as AddressInfo).port, clientTlsOptions(expired, DISPATCHER));
    expect(seen).toEqual([null]);
  });
});

describe('deniedSpiffeId', () => {
  it('is the id of a peer on the deny list, by id or by certificate, and null for all others', async () => {
    const lists: [DenyList, string | null][] = [
      [NOBODY_DENIED, null],
      [{ ...NOBODY_DENIED, spiffeIds: new Set([DISPATCHER]) }, null],
      [{ ...NOBODY_DENIED, spiffeIds: new Set([GATEWAY]) }, GATEWAY],
    ];
    const serialNumbers = new Set<string>();
    lists.push([{ ...NOBODY_DENIED, serialNumbers }, GATEWAY]);
    const seen: (string | null)[][] = [];
    const server = createServer(serverTlsOptions(dispatcher), (socket) => {
      serialNumbers.add(socket.getPeerCertificate().serialNumber.toLowerCase());
      seen.push(lists.map(([denied]) => deniedSpiffeId(socket, { denied })));
      socket.pipe(socket);
    });
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    await talk((server.address() as AddressInfo).port, clientTlsOptions(gateway, DISPATCHER));
    expect(seen).toEqual([lists.map(([, id]) => id)]);
  });
});

describe('a rotated SVID', () => {
  it('serves new connections while open ones go on', async () => {
    const { server, port } = await startEcho(dispatcher);
    const before = await open(port, clientTlsOptions(gateway, DISPATCHER));
    const rotated = await issueSvid(authority, { spiffeId: DISPATCHER });
    server.setSecureContext(serverTlsOptions(rotated));
    const after = await open(port, clientTlsOptions(gateway, DISPATCHER));

    const serials = [before, after].map((socket) => socket.getPeerCertificate().serialNumber);
    expect(serials[0]).not.toBe(serials[1]);
    expect(await echo(before, 'still here')).toBe('still here');
    expect(await echo(after, 'here too')).toBe('here too');
    before.destroy();
    after.destroy();
  });

  it('still demands certificates of its clients', async () => {
    const { server, port, peers } = await startEcho(dispatcher);
    server.setSecureContext(serverTlsOptions(await issueSvid(authority, { spiffeId: DISPATCHER })));
    const anonymous = { ca: dispatcher.rootsPem, checkServerIdentity: () => undefined };
    await expect(talk(port, anonymous)).rejects.toThrow();
    expect(peers).toEqual([]);
  });
});
