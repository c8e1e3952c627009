import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer } from 'node:tls';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createAuthority } from '../../../../mesh/ca/authority.ts';
import { type Redis as RedisServer, startRedis } from '../../../../test/parts/redis.ts';
import { compileWindow } from './gcra.ts';
import { KeyTable } from './key-table.ts';
import { ask, closeLimits, openLimits, policyOf } from './rate-limit.fixture.ts';
import { SCRIPT, storeKeys } from './redis-script.ts';
import type { SharedStore } from './shared-store.ts';

let server: RedisServer;
let client: Redis;
beforeAll(async () => {
  server = await startRedis();
  client = new Redis(server.url);
});
afterEach(closeLimits);
afterAll(async () => {
  await client.quit();
  await server.stop();
});

async function openStore(redis: Record<string, unknown> = {}): Promise<SharedStore> {
  const limiter = openLimits();
  const { store } = limiter.limits.compile(
    policyOf({
      limits: [{ name: 'a', scope: 'global', windows: [{ quota: 1, windowSeconds: 1 }] }],
      redis: { endpoints: [`127.0.0.1:${server.port}`], deadlineMs: 1_000, ...redis },
    }),
  );
  while (!limiter.storeIsUp()) await sleep(5);
  return store as SharedStore;
}

async function serverTimeUs(): Promise<number> {
  const [seconds, micros] = await client.time();
  return Number(seconds) * 1e6 + Number(micros);
}

describe('the script', () => {
  test('decides exactly as the local table does, for the same sequence at the same times', async () => {
    // The same text, with its one source of time replaced.
    const withTime = SCRIPT.replace("redis.call('TIME')", '{0, ARGV[#ARGV]}');
    expect(withTime).not.toBe(SCRIPT);
    const window = fc
      .record({
        quota: fc.integer({ min: 1, max: 9 }),
        windowSeconds: fc.integer({ min: 60, max: 3_600 }),
        burst: fc.integer({ min: 1, max: 20 }),
      })
      .map(compileWindow);
    const plans = fc.uniqueArray(window, {
      minLength: 1,
      maxLength: 3,
      selector: ({ windowSeconds }) => windowSeconds,
    });
    const requests = fc.array(
      fc.record({ afterUs: fc.integer({ min: 0, max: 30_000_000 }), cost: fc.integer({ min: 1, max: 5 }) }),
      { minLength: 1, maxLength: 25 },
    );
    let run = 0;
    await fc.assert(
      fc.asyncProperty(plans, requests, async (plan, sequence) => {
        const keys = storeKeys('parity:', 'demo/tenants/a', `run-${run++}`, plan);
        const table = new KeyTable([plan], 1);
        let nowUs = 1e15;
        for (const { afterUs, cost } of sequence) {
          nowUs += afterUs;
          const args = [
            cost,
            ...plan.flatMap(({ intervalUs, toleranceUs }) => [intervalUs, toleranceUs]),
            nowUs,
          ];
          const [remoteWaitUs, ...remoteDebts] = (await client.eval(
            withTime,
            keys.length,
            ...keys,
            ...args,
          )) as number[];
          const slot = table.slotOf('key', 0, nowUs);
          expect(remoteWaitUs).toBe(Math.max(table.decide(slot, cost, nowUs), 0));
          expect(remoteDebts).toEqual(plan.map((_, i) => table.debtUs(slot, i, nowUs)));
        }
      }),
      { numRuns: 60 },
    );
  });

  test('leaves keys that expire when they are as good as none', async () => {
    const store = await openStore({ keyPrefix: 'expiry:' });
    const plan = [
      compileWindow({ quota: 10, windowSeconds: 1, burst: 5 }),
      compileWindow({ quota: 600, windowSeconds: 60, burst: 100 }),
    ];
    const { debtsUs } = await ask(store, 'somebody', 3, plan);
    expect(debtsUs).toEqual([300_000, 300_000]);
    const keys = (await client.keys('expiry:*')).sort();
    expect(keys).toEqual(['expiry:{demo/tenants/a|somebody}1', 'expiry:{demo/tenants/a|somebody}60']);
    for (const key of keys) {
      const leftMs = await client.pttl(key);
      expect(leftMs).toBeGreaterThan(0);
      expect(leftMs).toBeLessThanOrEqual(301);
    }
  });
});

describe('a shared store', () => {
  test('never admits more than rate times time plus burst to eight sidecars at once', async () => {
    const stores = await Promise.all(Array.from({ length: 8 }, () => openStore({ keyPrefix: 'eight:' })));
    const plan = [
      compileWindow({ quota: 200, windowSeconds: 1, burst: 30 }),
      compileWindow({ quota: 6_000, windowSeconds: 60, burst: 400 }),
    ];
    const startedUs = await serverTimeUs();
    let units = 0;
    let refused = 0;
    let sent = 0;
    const hammer = async (store: SharedStore) => {
      while (sent < 6_000) {
        const costs = [1, 2, 3, 1, 4];
        sent += costs.length;
        const answers = await Promise.all(costs.map((cost) => ask(store, 'hot', cost, plan)));
        answers.forEach(({ waitUs }, i) => {
          if (waitUs === 0) units += costs[i] as number;
          else refused++;
        });
      }
    };
    await Promise.all(stores.map(hammer));
    const elapsedSeconds = ((await serverTimeUs()) - startedUs) / 1e6;
    expect(refused).toBeGreaterThan(0);
    for (const { quota, windowSeconds, burst } of plan)
      expect(units).toBeLessThanOrEqual((elapsedSeconds * quota) / windowSeconds + burst);
    // And what it may admit, it does: the burst at the least.
    expect(units).toBeGreaterThanOrEqual(27);
  });

  test('answers many questions of one round of events in one round trip', async () => {
    const store = await openStore({ keyPrefix: 'round:' });
    const plan = [compileWindow({ quota: 1_000, windowSeconds: 1, burst: 1_000 })];
    await ask(store, 'warm', 1, plan);
    const readsBefore = await reads();
    await Promise.all(Array.from({ length: 200 }, (_, i) => ask(store, `key-${i}`, 1, plan)));
    // Two hundred questions of some 200 bytes; the server reads at most 16 KB at once. The rest is the connection that asks.
    expect((await reads()) - readsBefore).toBeLessThan(20);

    async function reads(): Promise<number> {
      return Number(/total_reads_processed:(\d+)/.exec(await client.info('stats'))?.[1]);
    }
  });

  test('loads the script anew when the server has lost it', async () => {
    const store = await openStore({ keyPrefix: 'lost:' });
    await client.script('FLUSH');
    const plan = [compileWindow({ quota: 1, windowSeconds: 60, burst: 1 })];
    const answers = await Promise.all([ask(store, 'x', 1, plan), ask(store, 'x', 1, plan)]);
    expect(answers.map(({ waitUs }) => waitUs === 0)).toEqual([true, false]);
  });

  test('takes a question whose answer is an error for unanswered, and goes on', async () => {
    const store = await openStore({ keyPrefix: 'bad:' });
    const plan = [compileWindow({ quota: 1, windowSeconds: 60, burst: 1 })];
    const [key] = storeKeys('bad:', 'demo/tenants/a', 'x', plan) as [string];
    await client.set(key, 'no number');
    await expect(ask(store, 'x', 1, plan)).rejects.toThrow('did not answer');
    expect((await ask(store, 'y', 1, plan)).waitUs).toBe(0);
  });

  test('asks with user and password, read from a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tulle-rate-limit-'));
    const passwordFile = join(folder, 'password');
    await writeFile(passwordFile, 'secret\n');
    await client.call('ACL', 'SETUSER', 'limiter', 'on', '>secret', '~user:*', '+@all');
    try {
      const store = await openStore({ keyPrefix: 'user:', username: 'limiter', passwordFile });
      const plan = [compileWindow({ quota: 1, windowSeconds: 60, burst: 1 })];
      expect((await ask(store, 'x', 1, plan)).waitUs).toBe(0);
    } finally {
      await client.call('ACL', 'DELUSER', 'limiter');
      await rm(folder, { recursive: true });
    }
  });

  test('asks over TLS, a server that the roots vouch for and no other', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tulle-rate-limit-'));
    const [own, foreign] = await Promise.all([
      startTlsFront(folder, 'own'),
      startTlsFront(folder, 'foreign'),
    ]);
    const overTls = (endpoints: string[], rootsFile: string) => ({
      limits: [{ name: 'a', scope: 'global', windows: [{ quota: 1, windowSeconds: 1 }] }],
      redis: { endpoints, tls: 'on', rootsFile, keyPrefix: 'tls:' },
    });
    try {
      const store = await openStore(overTls([own.address], own.rootsFile).redis);
      const plan = [compileWindow({ quota: 1, windowSeconds: 60, burst: 1 })];
      expect((await ask(store, 'x', 1, plan)).waitUs).toBe(0);
      const deceived = openLimits();
      deceived.limits.compile(policyOf(overTls([foreign.address], own.rootsFile)));
      while (deceived.events.length === 0) await sleep(5);
      expect(deceived.events).toEqual(['rate_limit_store_unreachable']);
      expect(deceived.storeIsUp()).toBe(false);
    } finally {
      closeLimits();
      own.server.close();
      foreign.server.close();
      await rm(folder, { recursive: true });
    }
  });
});

/** The server behind TLS, with a certificate of an authority of its own. */
async function startTlsFront(folder: string, name: string) {
  const authority = await createAuthority({ trustDomain: `${name}.test` });
  const { certificatePem, keyPem } = await authority.issueServerCertificate(['127.0.0.1'], 60);
  const front = createServer({ cert: certificatePem, key: keyPem }, (socket) => {
    const behind = connect(server.port, '127.0.0.1');
    socket.pipe(behind).pipe(socket);
    for (const side of [socket, behind]) side.on('error', () => {});
  });
  // Who does not trust it ends the handshake.
  front.on('tlsClientError', () => {});
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  const rootsFile = join(folder, `${name}.pem`);
  await writeFile(rootsFile, authority.trustBundle().rootsPem);
  return { server: front, address: `127.0.0.1:${(front.address() as AddressInfo).port}`, rootsFile };
}
