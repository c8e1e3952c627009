// TCP through one sidecar and through a pair with mTLS: every byte arrives, and so does every way in which a connection can end.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type net from 'node:net';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Authority } from '../../mesh/ca/authority.ts';
import {
  createFolder,
  type Folder,
  openAuthority,
  send,
  spiffeId,
  startOrigin,
  writeIdentity,
} from './mesh-fixture.ts';
import {
  Client,
  createMesh,
  echo,
  listenTcp,
  type Mesh,
  metric,
  startPair,
  type TcpServer,
  until,
} from './tcp-fixture.ts';

const MEGABYTE = 1_048_576;

let authority: Authority;
let folder: Folder;
let mesh: Mesh;
let servers: TcpServer[];
let clients: Client[];

beforeAll(async () => {
  authority = await openAuthority();
});

beforeEach(async () => {
  folder = await createFolder();
  mesh = createMesh(folder);
  servers = [];
  clients = [];
});

afterEach(async () => {
  for (const { socket } of clients) socket.destroy();
  await mesh.close();
  for (const server of servers) await server.close();
  await folder.remove();
});

async function serve(accept: (socket: net.Socket) => void): Promise<TcpServer> {
  const server = await listenTcp(accept);
  servers.push(server);
  return server;
}

function connect(port: number): Client {
  const client = new Client(port);
  clients.push(client);
  return client;
}

type Way = 'one sidecar' | 'a pair with mTLS';

/** The port that leads to the server, either way. */
async function open(way: Way, target: number, options: Record<string, unknown> = {}): Promise<number> {
  if (way === 'a pair with mTLS') {
    return (await startPair(mesh, folder, authority, target, { service: options })).port;
  }
  const sidecar = await mesh.sidecar('single', {
    outbound: {
      listen: '127.0.0.1:0',
      services: [
        { host: 'far', mtls: 'off', listen: '127.0.0.1:0', endpoints: [`127.0.0.1:${target}`], ...options },
      ],
    },
    timeouts: { drainMs: 500 },
  });
  return sidecar.servicePorts.far as number;
}

describe.each<Way>(['one sidecar', 'a pair with mTLS'])('through %s', (way) => {
  it('bytes of a client that speaks first come back', async () => {
    const { port: target } = await serve(echo);
    const client = connect(await open(way, target));
    expect(await client.exchange('\x00hello', 6)).toBe('\x00hello');
    expect(await client.exchange(' again', 12)).toBe('\x00hello again');
  });

  it('a server that speaks first is heard without being told what it is', async () => {
    const { port: target } = await serve((socket) => {
      socket.write('220 ready\r\n');
      echo(socket);
    });
    const client = connect(await open(way, target));
    expect(await client.exchange('', 11)).toBe('220 ready\r\n');
    // After the banner nothing is taken for HTTP any more.
    expect(await client.exchange('GET / HTTP/1.1\r\n', 27)).toBe('220 ready\r\nGET / HTTP/1.1\r\n');
  });

  it('a declared server that speaks first does not wait for detection', async () => {
    const { port: target } = await serve((socket) => socket.write('220 ready\r\n'));
    const options = { protocol: 'smtp' };
    // A detection that took place would outlast the test.
    const timeouts = { detectMs: 3_600_000 };
    const pair = await startPair(mesh, folder, authority, target, { service: options, timeouts });
    const client = connect(pair.port);
    expect(await client.exchange('', 11)).toBe('220 ready\r\n');
  });

  it('a client that has ended still gets a megabyte', async () => {
    const body = randomBytes(MEGABYTE);
    const { port: target } = await serve((socket) => {
      socket.resume();
      socket.on('end', () => socket.end(body));
    });
    const client = connect(await open(way, target));
    client.socket.end('\x00send it all');
    await until(() => client.ended);
    expect(client.received.equals(body)).toBe(true);
    await client.closed();
    expect(client.error).toBeNull();
  });

  it('a client that says nothing but its end is passed on', async () => {
    const { port: target } = await serve((socket) => {
      socket.resume();
      socket.on('end', () => socket.end('goodbye'));
    });
    const client = connect(await open(way, target));
    client.socket.end();
    await until(() => client.ended);
    expect(client.text).toBe('goodbye');
  });

  it('a server that has ended still gets a megabyte', async () => {
    const body = randomBytes(MEGABYTE);
    const received: Buffer[] = [];
    const server = await serve((socket) => {
      socket.on('data', (chunk: Buffer) => received.push(chunk));
      socket.end('enough');
    });
    const client = connect(await open(way, server.port));
    client.socket.write('\x00');
    await until(() => client.ended);
    client.socket.end(body);
    await client.closed();
    await until(() => server.sockets[0]?.closed === true);
    expect(Buffer.concat(received).subarray(1).equals(body)).toBe(true);
    expect(client.error).toBeNull();
  });

  it("a client's reset is a reset for the server", async () => {
    const server = await serve((socket) => void socket.resume());
    const client = connect(await open(way, server.port));
    client.socket.write('\x00');
    await until(() => server.sockets.length > 0);
    client.socket.resetAndDestroy();
    await until(() => server.sockets[0]?.closed === true);
    expect(server.sockets[0]?.errored).toMatchObject({ code: 'ECONNRESET' });
  });

  it("a server's reset is a reset for the client", async () => {
    const { port: target } = await serve((socket) => {
      socket.once('data', () => socket.resetAndDestroy());
    });
    const client = connect(await open(way, target));
    client.socket.write('\x00');
    await client.closed();
    expect(client.error?.code).toBe('ECONNRESET');
    expect(client.ended).toBe(false);
  });

  it('a reader that stops holds up its sender, with bounded memory, and gets all of it', async () => {
    const size = 50 * MEGABYTE;
    const block = randomBytes(MEGABYTE);
    let sent = 0;
    const { port: target } = await serve((socket) => {
      const more = (): void => {
        while (sent < size) {
          sent += block.length;
          if (!socket.write(block)) return;
        }
        socket.end();
      };
      socket.on('drain', more);
      socket.once('data', more);
    });
    const client = connect(await open(way, target));
    const before = process.memoryUsage();
    client.socket.pause();
    client.socket.write('\x00');
    await untilSteady(() => sent);
    // What the kernel and the buffers on the way take: far less than what there is to send.
    expect(sent).toBeLessThan(size / 2);
    const { arrayBuffers, external } = process.memoryUsage();
    expect(arrayBuffers + external - before.arrayBuffers - before.external).toBeLessThan(20 * MEGABYTE);
    client.socket.resume();
    await until(() => client.ended);
    expect(client.received.length).toBe(size);
    for (let at = 0; at < size; at += block.length) {
      expect(client.received.subarray(at, at + block.length).equals(block)).toBe(true);
    }
  });

  it('bytes of 500 connections at once stay apart', async () => {
    const { port: target } = await serve(echo);
    const port = await open(way, target);
    const outcomes = await Promise.all(
      Array.from({ length: 500 }, async (_, i) => {
        // Binary first, so that none is taken for HTTP; then as much as makes several writes.
        const bytes = Buffer.concat([Buffer.from([0, i >> 8, i & 255]), randomBytes(1_000 + i * 37)]);
        const client = connect(port);
        for (let at = 0; at < bytes.length; at += 4_096) client.socket.write(bytes.subarray(at, at + 4_096));
        client.socket.end();
        await until(() => client.ended || client.error !== null);
        return client.received.equals(bytes);
      }),
    );
    expect(outcomes.filter((intact) => !intact)).toEqual([]);
  });
});

describe('what goes wrong', () => {
  it('an endpoint that refuses resets the client and is counted by its code', async () => {
    const unused = await serve(echo);
    const { port: target } = unused;
    await unused.close();
    servers.pop();
    const sidecar = await startSingle(target, { protocol: 'tcp' });
    const client = connect(sidecar.servicePorts.far as number);
    await client.closed();
    expect(client.error?.code).toBe('ECONNRESET');
    expect(await metric(sidecar, 'tulle_tcp_connections_closed_total', 'failure="connect_refused"')).toBe(1);
    expect(await metric(sidecar, 'tulle_upstream_connect_failures_total', 'upstream="far"')).toBe(1);
  });

  it('an endpoint that is silent in the handshake is given up after connectMs', async () => {
    const server = await serve((socket) => void socket.resume());
    const near = await mesh.sidecar('near', {
      identity: await writeIdentity(folder, authority, { spiffeId: spiffeId('near') }),
      outbound: {
        listen: '127.0.0.1:0',
        services: [
          {
            host: 'far',
            identity: spiffeId('far'),
            protocol: 'tcp',
            listen: '127.0.0.1:0',
            endpoints: [`127.0.0.1:${server.port}`],
          },
        ],
      },
      timeouts: { connectMs: 200 },
    });
    const client = connect(near.servicePorts.far as number);
    client.socket.write('early bytes');
    await client.closed();
    expect(client.error?.code).toBe('ECONNRESET');
    expect(await metric(near, 'tulle_tcp_connections_closed_total', 'failure="connect_timeout"')).toBe(1);
  });

  it('a peer that takes HTTP alone takes no connection to be passed on', async () => {
    const { port: target } = await serve(echo);
    const pair = await startPair(mesh, folder, authority, target, { inbound: { protocol: 'http' } });
    const client = connect(pair.port);
    client.socket.write('\x00');
    await client.closed();
    expect(await metric(pair.near, 'tulle_tcp_connections_closed_total', 'failure="tls_failed"')).toBe(1);
    expect(await metric(pair.far, 'tulle_downstream_tls_failures_total', 'listener="in"')).toBe(1);
  });

  it('a connection on which nothing moves is closed', async () => {
    const server = await serve(echo);
    const sidecar = await startSingle(server.port, {}, { tcpIdleMs: 200 });
    const client = connect(sidecar.servicePorts.far as number);
    expect(await client.exchange('\x00', 1)).toBe('\x00');
    await client.closed();
    expect(client.error?.code).toBe('ECONNRESET');
    await until(() => server.sockets[0]?.closed === true);
    expect(await metric(sidecar, 'tulle_tcp_connections_closed_total', 'failure="connection_idle"')).toBe(1);
  });

  it('a drain waits for connections, and cuts off those that outlast it', async () => {
    const { port: target } = await serve(echo);
    const sidecar = await startSingle(target, {}, { drainMs: 300 });
    const stays = connect(sidecar.servicePorts.far as number);
    const ends = connect(sidecar.servicePorts.far as number);
    await stays.exchange('\x00', 1);
    await ends.exchange('\x00', 1);
    const drained = sidecar.drain();
    expect(await ends.exchange('\x01', 2)).toBe('\x00\x01');
    ends.socket.end();
    await ends.closed();
    expect(ends.error).toBeNull();
    await drained;
    await stays.closed();
    expect(stays.error?.code).toBe('ECONNRESET');
  });
});

describe('HTTP on a listener that takes anything', () => {
  it('goes through the filters, whatever its host is, and however slowly it comes', async () => {
    const origin = await startOrigin();
    const sidecar = await startSingle(origin.port, {}, { detectMs: 50 });
    const port = sidecar.servicePorts.far as number;
    const answer = await send(port, '/a', { host: 'whatever.test' });
    expect(answer.seen['x-request-id']).toBeDefined();

    // Long silent, long in the middle of its first word: still HTTP.
    const client = connect(port);
    await once(client.socket, 'connect');
    await untilSteady(() => origin.connections());
    client.socket.write('GE');
    await untilSteady(() => origin.connections());
    client.socket.write('T /b HTTP/1.1\r\nhost: other.test\r\nconnection: close\r\n\r\n');
    await until(() => client.ended);
    expect(client.text).toMatch(/^HTTP\/1\.1 200 .*x-request-id/s);
    origin.close();
    expect(await metric(sidecar, 'tulle_requests_total', 'route="far"', 'failure="none"')).toBe(2);
    expect(await metric(sidecar, 'tulle_tcp_connections_opened_total', 'route="far"')).toBe(0);
  });
});

async function startSingle(
  target: number,
  service: Record<string, unknown> = {},
  timeouts: Record<string, number> = {},
) {
  return mesh.sidecar('single', {
    outbound: {
      listen: '127.0.0.1:0',
      services: [
        { host: 'far', mtls: 'off', listen: '127.0.0.1:0', endpoints: [`127.0.0.1:${target}`], ...service },
      ],
    },
    timeouts: { drainMs: 500, ...timeouts },
  });
}

/** Waits until a number has stopped changing for a while. */
async function untilSteady(read: () => number | Promise<number>): Promise<void> {
  for (let before = -1, same = 0; same < 10; ) {
    const now = await read();
    same = now === before ? same + 1 : 0;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}
