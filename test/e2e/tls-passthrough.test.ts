// TLS of the services' own: it is passed on by the server name that it asks for, and nobody in between touches it.
import { once } from 'node:events';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Authority } from '../../mesh/ca/authority.ts';
import { issueSvid } from '../../mesh/ca/issue-svid.ts';
import type { Sidecar } from '../../sidecar/src/app.ts';
import { createFolder, type Folder, openAuthority, spiffeId, writeIdentity } from './mesh-fixture.ts';
import { Client, createMesh, type Mesh, metric, until } from './tcp-fixture.ts';

let authority: Authority;
let folder: Folder;
let mesh: Mesh;
let server: https.Server;
let serverFingerprint: string;
let near: Sidecar;
let far: Sidecar;

beforeAll(async () => {
  authority = await openAuthority();
  folder = await createFolder();
  mesh = createMesh(folder);
  // Of the service's own, and none of the certificates that the sidecars have.
  const svid = await issueSvid(authority, { spiffeId: spiffeId('the-service-itself') });
  server = https.createServer({ key: svid.keyPem, cert: svid.certificatePem }, (request, response) => {
    response.end(`secret of ${request.headers.host}, ${request.headers['x-request-id'] ?? 'untouched'}`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  serverFingerprint = await fingerprintOf((server.address() as AddressInfo).port, 'x.test');

  const target = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  far = await mesh.sidecar('far', {
    identity: await writeIdentity(folder, authority, { spiffeId: spiffeId('far') }),
    inbound: [
      { name: 'mesh', listen: '127.0.0.1:0', target },
      { name: 'open', listen: '127.0.0.1:0', mtls: 'off', target },
    ],
  });
  near = await mesh.sidecar('near', {
    identity: await writeIdentity(folder, authority, { spiffeId: spiffeId('near') }),
    outbound: {
      listen: '127.0.0.1:0',
      services: [
        { host: 'plain.test', mtls: 'off', endpoints: [target] },
        {
          host: 'meshed.test',
          identity: spiffeId('far'),
          endpoints: [`127.0.0.1:${far.inboundPorts.mesh}`],
        },
      ],
    },
    timeouts: { headMs: 300 },
  });
});

afterAll(async () => {
  await mesh.close();
  server.closeAllConnections();
  server.close();
  await folder.remove();
});

describe('TLS to the outbound listener', () => {
  it.each(['plain.test', 'meshed.test', 'Meshed.TEST'])('reaches the service named %s', async (name) => {
    const port = near.outboundPort as number;
    expect(await fingerprintOf(port, name)).toBe(serverFingerprint);
    expect(await get(port, name)).toBe(`secret of ${name}, untouched`);
  });

  it('comes in whatever pieces', async () => {
    const port = near.outboundPort as number;
    const splitter = net.createServer((socket) => {
      const upstream = net.connect({ port, host: '127.0.0.1', noDelay: true });
      upstream.pipe(socket);
      socket.on('data', (chunk: Buffer) => {
        for (const byte of chunk.subarray(0, 40)) upstream.write(Buffer.from([byte]));
        upstream.write(chunk.subarray(40));
      });
      socket.on('end', () => upstream.end());
      for (const end of [socket, upstream]) end.on('error', () => {});
    });
    splitter.listen(0, '127.0.0.1');
    await once(splitter, 'listening');
    expect(await get((splitter.address() as AddressInfo).port, 'meshed.test')).toContain('secret');
    splitter.close();
  });

  it.each([
    ['a name of no service', 'unknown.test', 'unknown_destination'],
    ['no name', '', 'unknown_destination'],
  ])('with %s is closed for that reason', async (_, name, failure) => {
    const before = await closedFor(failure);
    await expect(fingerprintOf(near.outboundPort as number, name)).rejects.toThrow('ECONNRESET');
    expect(await closedFor(failure)).toBe(before + 1);
  });

  it.each([
    ['that is broken', Buffer.from([22, 3, 1, 0, 1, 7]), 'malformed_client_hello'],
    ['that stops in the middle', Buffer.from([22, 3, 1, 0, 99, 1]), 'detect_timeout'],
  ])('with a ClientHello %s is closed for that reason', async (_, bytes, failure) => {
    const client = new Client(near.outboundPort as number);
    client.socket.write(bytes);
    await until(() => client.socket.closed);
    expect(client.error?.code).toBe('ECONNRESET');
    expect(await closedFor(failure)).toBe(1);
  });
});

describe('TLS to an inbound listener without mTLS', () => {
  it('is for the service', async () => {
    const port = far.inboundPorts.open as number;
    expect(await fingerprintOf(port, 'anything.test')).toBe(serverFingerprint);
    expect(await get(port, 'anything.test')).toBe('secret of anything.test, untouched');
  });
});

function closedFor(failure: string): Promise<number> {
  return metric(near, 'tulle_tcp_connections_closed_total', `failure="${failure}"`, 'route="unrouted"');
}

/** Of the certificate that a handshake brings. */
async function fingerprintOf(port: number, servername: string): Promise<string> {
  // Whose certificate it is gets compared, not who vouches for it.
  const socket = tls.connect({ host: '127.0.0.1', port, servername, rejectUnauthorized: false });
  try {
    await once(socket, 'secureConnect');
    return socket.getPeerCertificate().fingerprint256;
  } finally {
    socket.destroy();
  }
}

async function get(port: number, host: string): Promise<string> {
  const options = { host: '127.0.0.1', port, servername: host, headers: { host }, rejectUnauthorized: false };
  const request = https.get({ ...options, agent: false });
  const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage];
  let text = '';
  for await (const chunk of response) text += chunk;
  return text;
}
