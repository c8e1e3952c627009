import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { createAuthority } from '../../../mesh/ca/authority.ts';
import { issueSvid } from '../../../mesh/ca/issue-svid.ts';
import { readAccepted, sharesAcceptedReads } from './accepted-reads.ts';

const BUFFER_BYTES = 16_384;
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0)) await part.close();
});

test('this Node lets accepted sockets read into a shared buffer', () => {
  expect(sharesAcceptedReads).toBe(true);
});

describe.each(['tcp', 'tls'] as const)('reads of accepted %s sockets', (kind) => {
  test('bring what was sent, for several connections through one buffer', async () => {
    const sent = [randomBytes(300_000), randomBytes(1), randomBytes(100_001)];
    const { port, results, foreignReads } = await collect(kind, sent.length);
    for (const bytes of sent) await send(kind, port, bytes);
    const received = await results;
    const sorted = (all: Buffer[]) => all.map((bytes) => bytes.toString('base64')).sort();
    expect(sorted(received)).toEqual(sorted(sent));
    expect(foreignReads()).toBe(0);
  });
});

/** Accepts `count` connections and settles with what each of them brought. */
async function collect(kind: 'tcp' | 'tls', count: number) {
  const shared = Buffer.alloc(BUFFER_BYTES);
  let foreign = 0;
  const all: Promise<Buffer>[] = [];
  const done = Promise.withResolvers<Buffer[]>();
  const accept = (socket: net.Socket) => {
    const pieces: Buffer[] = [];
    readAccepted(socket, shared, (length, buffer) => {
      if (buffer.buffer !== shared.buffer || buffer.byteOffset !== shared.byteOffset) foreign++;
      pieces.push(Buffer.from(buffer.subarray(0, length)));
      return true;
    });
    all.push(once(socket, 'end').then(() => Buffer.concat(pieces)));
    if (all.length === count) done.resolve(Promise.all(all));
  };
  const server =
    kind === 'tcp'
      ? net.createServer({ pauseOnConnect: true }, accept)
      : tls.createServer(await serverCertificate(), accept);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push({ close: () => new Promise((resolve) => server.close(() => resolve())) });
  const { port } = server.address() as net.AddressInfo;
  return { port, results: done.promise, foreignReads: () => foreign };
}

async function send(kind: 'tcp' | 'tls', port: number, bytes: Buffer): Promise<void> {
  const target = { host: '127.0.0.1', port };
  // Who the server is makes no difference to how it reads.
  const socket = kind === 'tcp' ? net.connect(target) : tls.connect({ ...target, rejectUnauthorized: false });
  open.push({ close: async () => void socket.destroy() });
  await once(socket, kind === 'tcp' ? 'connect' : 'secureConnect');
  socket.end(bytes);
}

async function serverCertificate(): Promise<{ cert: string; key: string }> {
  const authority = await createAuthority({ trustDomain: 'demo.tulle.test' });
  const svid = await issueSvid(authority, { spiffeId: 'spiffe://demo.tulle.test/ns/demo/sa/orders' });
  return { cert: svid.certificatePem, key: svid.keyPem };
}
