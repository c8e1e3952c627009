// A real Redis Cluster of three masters without replicas, on loopback.
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { findFreePort } from './part.ts';
import { type Redis as RedisServer, startRedis } from './redis.ts';

export interface RedisCluster {
  nodes: readonly RedisServer[];
  /** `host:port` of each node. */
  endpoints: readonly string[];
  stop: () => Promise<void>;
}

const NODES = 3;
const SLOTS = 16_384;
const FORM_TIMEOUT_MS = 20_000;

export async function startRedisCluster(): Promise<RedisCluster> {
  const nodes: RedisServer[] = [];
  const stop = async () => void (await Promise.all(nodes.map((node) => node.stop())));
  try {
    for (let i = 0; i < NODES; i++) nodes.push(await startNode());
    await form(nodes.map(({ port }) => port));
  } catch (error) {
    await stop();
    throw error;
  }
  return { nodes, endpoints: nodes.map(({ port }) => `127.0.0.1:${port}`), stop };
}

async function startNode(): Promise<RedisServer> {
  const busPort = await findFreePort();
  const cluster = ['--cluster-enabled', 'yes', '--cluster-port', String(busPort)];
  return startRedis({ args: [...cluster, '--cluster-announce-bus-port', String(busPort)], own: true });
}

async function form(ports: readonly number[]): Promise<void> {
  const clients = ports.map((port) => new Redis(port, '127.0.0.1'));
  try {
    await Promise.all(
      clients.map((client, i) => client.call('CLUSTER', 'ADDSLOTSRANGE', firstSlot(i), firstSlot(i + 1) - 1)),
    );
    const [first, ...others] = clients as [Redis, ...Redis[]];
    for (const other of others) {
      const [, port = '', busPort = ''] =
        /:(\d+)@(\d+)/.exec((await other.call('CLUSTER', 'NODES')) as string) ?? [];
      await first.call('CLUSTER', 'MEET', '127.0.0.1', port, busPort);
    }
    const deadline = performance.now() + FORM_TIMEOUT_MS;
    while (!(await Promise.all(clients.map(isFormed))).every(Boolean)) {
      if (performance.now() > deadline) throw new Error('the nodes did not become a cluster');
      await sleep(20);
    }
  } finally {
    for (const client of clients) client.disconnect();
  }
}

function firstSlot(node: number): number {
  return Math.floor((node * SLOTS) / NODES);
}

async function isFormed(client: Redis): Promise<boolean> {
  const info = (await client.call('CLUSTER', 'INFO')) as string;
  return info.includes('cluster_state:ok') && info.includes(`cluster_size:${NODES}`);
}
