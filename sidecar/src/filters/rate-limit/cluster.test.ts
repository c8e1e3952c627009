// A real cluster of three: keys spread over its nodes, all windows of one key together on one.
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RedisCluster, startRedisCluster } from '../../../../test/parts/redis-cluster.ts';
import { compileWindow } from './gcra.ts';
import { closeLimits, openLimits, policyOf } from './rate-limit.fixture.ts';
import type { SharedStore } from './shared-store.ts';

const PLAN = [
  compileWindow({ quota: 3, windowSeconds: 60, burst: 3 }),
  compileWindow({ quota: 10, windowSeconds: 3_600, burst: 10 }),
];
let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startRedisCluster();
});
afterAll(async () => {
  closeLimits();
  await cluster.stop();
});

test('two sidecars share limits over a cluster, whatever node a key belongs to', async () => {
  const stores = await Promise.all([openStore(), openStore()]);
  const keys = Array.from({ length: 60 }, (_, i) => `tenant-${i}`);
  const waits = await Promise.all(
    keys.map((key) => Promise.all([0, 1, 0, 1, 0].map((i) => ask(stores[i] as SharedStore, key)))),
  );
  for (const ofKey of waits) expect(ofKey.filter((waitUs) => waitUs === 0)).toHaveLength(3);
  const sizes = await Promise.all(cluster.nodes.map(({ port }) => sizeOf(port)));
  expect(sizes.reduce((sum, size) => sum + size)).toBe(keys.length * PLAN.length);
  for (const size of sizes) expect(size).toBeGreaterThan(0);
});

async function openStore(): Promise<SharedStore> {
  const limiter = openLimits();
  const { store } = limiter.limits.compile(
    policyOf({
      limits: [{ name: 'a', scope: 'global', windows: [{ quota: 1, windowSeconds: 1 }] }],
      redis: { endpoints: cluster.endpoints, cluster: 'on', deadlineMs: 1_000 },
    }),
  );
  while (!limiter.storeIsUp()) await sleep(5);
  return store as SharedStore;
}

function ask(store: SharedStore, key: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const onFailure = () => reject(new Error('the store did not answer'));
    const question = { id: 'demo/tenants/a', key, cost: 1, windows: PLAN, onAnswer: resolve, onFailure };
    if (!store.ask(question)) onFailure();
  });
}

async function sizeOf(port: number): Promise<number> {
  const client = new Redis(port, '127.0.0.1');
  try {
    return await client.dbsize();
  } finally {
    client.disconnect();
  }
}
