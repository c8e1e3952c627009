// The demo's mesh with something broken at every hop, all of it from the beginning: requests die beside each other, and none of another's death.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Mesh } from '../../examples/demo/mesh.ts';
import { pickPorts } from '../../examples/demo/ports.ts';
import { edgeUrl, RUN_PATH } from '../../examples/demo/scenario.ts';
import { portsOf, type Topology } from '../../examples/demo/topology.ts';
import {
  createFolder,
  type Folder,
  openAuthority,
  sidecarConfig,
  spiffeId,
  writeIdentity,
} from '../e2e/mesh-fixture.ts';
import { Processes, SIDECAR } from '../e2e/process-fixture.ts';
import { findMiniLm } from '../parts/minilm.ts';
import { startRedis } from '../parts/redis.ts';
import { troubleAt } from './trouble.ts';

export interface Asked {
  readonly requestId: string;
  readonly status: number;
}

export class BrokenMesh {
  /** Of the control plane, as `--control` has it. */
  readonly control: string;
  readonly #topology: Topology;
  readonly #pids: ReadonlyMap<string, number | null>;
  readonly #parts: AsyncDisposableStack;

  private constructor(
    control: string,
    topology: Topology,
    pids: ReadonlyMap<string, number | null>,
    parts: AsyncDisposableStack,
  ) {
    this.control = control;
    this.#topology = topology;
    this.#pids = pids;
    this.#parts = parts;
  }

  static async start(): Promise<BrokenMesh> {
    await using parts = new AsyncDisposableStack();
    const folder = parts.adopt(await createFolder(), (it) => it.remove());
    const jwtSecretFile = await folder.write('jwt-secret', 'a secret that the issuer and the edge share');
    const limitStore = parts.adopt(await startRedis({ own: true }), (it) => it.stop());
    const silent = parts.use(await startSilence());
    const [gone = 0, foreign = 0] = await pickPorts(2);
    const pids = new Map([['limit-store', limitStore.pid]]);
    const mesh = new Mesh(
      {
        onSpans: () => {},
        onStarted: ({ name, pid }) => pids.set(name, pid),
        onLost: () => {},
      },
      troubleAt({
        gone,
        foreign,
        silent: silent.port,
        limitStore: limitStore.port,
        jwtSecretFile,
        modelFolder: await findMiniLm(),
      }),
    );
    parts.adopt(mesh, (it) => it.stop());
    const topology = await mesh.start();
    const processes = parts.adopt(new Processes(), (it) => it.stop());
    await startForeigner(processes, folder, foreign, portsOf(topology, 'workflow-worker').service);
    const control = `http://127.0.0.1:${mesh.adminPorts.control}`;
    return new BrokenMesh(control, topology, pids, parts.move());
  }

  close(): Promise<void> {
    return this.#parts.disposeAsync();
  }

  /** What was started here, by its name in the demo or `limit-store`. */
  signal(name: string, signal: 'SIGSTOP' | 'SIGCONT'): void {
    process.kill(this.#pidOf(name), signal);
  }

  /** Resolves when it is gone. */
  async kill(name: string): Promise<void> {
    const pid = this.#pidOf(name);
    process.kill(pid, 'SIGKILL');
    while (isAlive(pid)) await sleep(5);
  }

  #pidOf(name: string): number {
    const pid = this.#pids.get(name);
    if (typeof pid !== 'number') throw new Error(`${name} is no process of ours`);
    return pid;
  }

  /** As a client outside of the mesh, with its API key unless `headers` say something else. */
  async ask(path: string, headers: Record<string, string> = {}, body?: object): Promise<Asked> {
    const key = { 'x-api-key': this.#topology.apiKey };
    const json = { 'content-type': 'application/json' };
    const response = await fetch(edgeUrl(this.#topology) + path, {
      ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
      headers: { ...key, ...(body !== undefined && json), ...headers },
    });
    await response.text();
    return { requestId: response.headers.get('x-request-id') ?? '', status: response.status };
  }

  startRun(webhook: string, input: object = { orderId: 'A-1' }): Promise<Asked> {
    return this.ask(RUN_PATH, {}, { webhookUrl: `http://${webhook}`, input });
  }

  search(query: string): Promise<Asked> {
    return this.ask('/v1/search', {}, { query });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** A sidecar like that of the worker, in front of the worker, of another trust domain. */
async function startForeigner(
  processes: Processes,
  folder: Folder,
  port: number,
  target: number,
): Promise<void> {
  const identity = await writeIdentity(folder, await openAuthority(), {
    spiffeId: spiffeId('workflow-worker'),
  });
  const inbound = [{ name: 'http', listen: `127.0.0.1:${port}`, target: `127.0.0.1:${target}` }];
  const config = await folder.write(
    'foreigner.yaml',
    sidecarConfig('workflow-worker', { identity, inbound }),
  );
  await processes.start(SIDECAR, config);
}

/** Takes connections and says nothing. */
async function startSilence(): Promise<AsyncDisposable & { port: number }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}).resume());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
