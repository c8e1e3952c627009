// Clients and servers of plain TCP for end-to-end tests, and a pair of sidecars between them.
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Authority } from '../../mesh/ca/authority.ts';
import { type Sidecar, startSidecar } from '../../sidecar/src/app.ts';
import { type Folder, send, sidecarConfig, spiffeId, writeIdentity } from './mesh-fixture.ts';

export interface TcpServer {
  readonly port: number;
  readonly sockets: net.Socket[];
  close(): Promise<void>;
}

export async function listenTcp(
  accept: (socket: net.Socket) => void,
  host = '127.0.0.1',
): Promise<TcpServer> {
  const sockets: net.Socket[] = [];
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    // Tests look at `errored`; without a listener a reset would end the process.
    socket.on('error', () => {});
    accept(socket);
  });
  server.listen(0, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

export const echo = (socket: net.Socket): void => void socket.pipe(socket);

/** One client connection, with all that it got. */
export class Client {
  readonly socket: net.Socket;
  readonly chunks: Buffer[] = [];
  ended = false;
  error: NodeJS.ErrnoException | null = null;

  constructor(port: number, host = '127.0.0.1') {
    this.socket = net.connect({ port, host, allowHalfOpen: true });
    this.socket.on('data', (chunk: Buffer) => void this.chunks.push(chunk));
    this.socket.on('end', () => {
      this.ended = true;
    });
    this.socket.on('error', (error) => {
      this.error = error;
    });
  }

  get received(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get text(): string {
    return this.received.toString('latin1');
  }

  /** Sends, and waits until so many bytes came back altogether. */
  async exchange(bytes: string | Buffer, count: number): Promise<string> {
    this.socket.write(bytes);
    await until(() => this.received.length >= count || this.error !== null || this.ended);
    return this.text;
  }

  closed(): Promise<void> {
    return until(() => this.socket.closed);
  }
}

/** The test's own time limit is the limit. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(5);
}

export interface Mesh {
  sidecar(name: string, spec: Record<string, unknown>): Promise<Sidecar>;
  /** Drains what was started. */
  close(): Promise<void>;
}

export function createMesh(folder: Folder): Mesh {
  const started: Sidecar[] = [];
  return {
    async sidecar(name, spec) {
      const configPath = await folder.write(`${name}.yaml`, sidecarConfig(name, spec));
      const sidecar = await startSidecar({ configPath });
      started.push(sidecar);
      return sidecar;
    },
    async close() {
      await Promise.all(started.splice(0).map((sidecar) => sidecar.drain()));
    },
  };
}

/** What the far and the near side of a pair are told, on top of where they listen. */
export interface PairOptions {
  readonly inbound?: Record<string, unknown>;
  readonly service?: Record<string, unknown>;
  readonly timeouts?: Record<string, number>;
}

export interface Pair {
  /** Of the service's own listener on the near side. */
  readonly port: number;
  readonly near: Sidecar;
  readonly far: Sidecar;
}

/** Two sidecars with mTLS between them, in front of a server. */
export async function startPair(
  mesh: Mesh,
  folder: Folder,
  authority: Authority,
  target: number,
  { inbound = {}, service = {}, timeouts = {} }: PairOptions = {},
): Promise<Pair> {
  const far = await mesh.sidecar('far', {
    identity: await writeIdentity(folder, authority, { spiffeId: spiffeId('far') }),
    inbound: [{ name: 'in', listen: '127.0.0.1:0', target: `127.0.0.1:${target}`, ...inbound }],
    timeouts: { drainMs: 500, ...timeouts },
  });
  const near = await mesh.sidecar('near', {
    identity: await writeIdentity(folder, authority, { spiffeId: spiffeId('near') }),
    outbound: {
      listen: '127.0.0.1:0',
      services: [
        {
          host: 'far',
          identity: spiffeId('far'),
          listen: '127.0.0.1:0',
          endpoints: [`127.0.0.1:${far.inboundPorts.in}`],
          ...service,
        },
      ],
    },
    timeouts: { drainMs: 500, ...timeouts },
  });
  return { port: near.servicePorts.far as number, near, far };
}

/** The value of a sample; 0 when there is none. */
export async function metric(sidecar: Sidecar, name: string, ...labels: string[]): Promise<number> {
  const { body } = await send(sidecar.adminPort, '/metrics', { host: '127.0.0.1' });
  const line = body
    .split('\n')
    .find((text) => text.startsWith(`${name}{`) && labels.every((label) => text.includes(label)));
  return Number(line?.slice(line.lastIndexOf(' ') + 1) ?? 0);
}
