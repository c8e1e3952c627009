// What the users of Redis that Vault lends may do: all that the platform asks of a real Redis, and nothing beside it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { recordedDeps, until } from '../../mesh/secrets/vault.fixture.ts';
import { VaultSession } from '../../mesh/secrets/vault-session.ts';
import { openJobQueue } from '../../services/lib/job-queue.ts';
import { RetryableFailure, startJobWorker } from '../../services/lib/job-worker.ts';
import { createLog } from '../../services/lib/log.ts';
import { ServiceMetrics } from '../../services/lib/metrics.ts';
import { openRedis, type RedisAccess } from '../../services/lib/redis.ts';
import { compileWindow } from '../../sidecar/src/filters/rate-limit/gcra.ts';
import {
  ask,
  closeLimits,
  openLimits,
  policyOf,
} from '../../sidecar/src/filters/rate-limit/rate-limit.fixture.ts';
import { SCRIPT } from '../../sidecar/src/filters/rate-limit/redis-script.ts';
import type { SharedStore } from '../../sidecar/src/filters/rate-limit/shared-store.ts';
import { type DeployedVault, startDeployable } from './deploy.fixture.ts';

type Command = readonly [name: string, ...args: string[]];
interface Lent {
  readonly username: string;
  readonly password: string;
}

/** To the client itself, and to a script. */
const NOT_ALLOWED = /NOPERM|ACL failure in script/;

let vault: DeployedVault;
let gateway: VaultSession;
let admin: Redis;
const lent: Record<string, Lent> = {};
const users: Record<string, Redis> = {};

beforeAll(async () => {
  vault = await startDeployable();
  await vault.apply();
  gateway = new VaultSession(await vault.loginOf('gateway'), recordedDeps());
  await gateway.loggedIn;
  admin = new Redis(vault.redis.url);
  for (const [kind, path] of [
    ['jobs', 'gateway'],
    ['rate-limit', 'rate-limit'],
  ] as const) {
    lent[kind] = (await gateway.read(`database/creds/${path}`)).data as unknown as Lent;
    users[kind] = new Redis(vault.redis.url, { ...lent[kind], enableReadyCheck: false });
  }
  await admin.set('of-others', 'x');
});
afterAll(async () => {
  for (const client of [admin, ...Object.values(users)]) client?.disconnect();
  gateway?.close();
  await vault?.stop();
});

test('the job queues work with a user of theirs: a job that fails once is done', async () => {
  const log = createLog('test', 'silent');
  const access: RedisAccess = { url: vault.redis.url, log, credentials: lent.jobs, followers: new Set() };
  const redis = openRedis(access);
  const done: number[] = [];
  const metrics = new ServiceMetrics('test');
  const queue = openJobQueue('rights', redis, metrics);
  const worker = startJobWorker({
    queueName: 'rights',
    redis: access,
    concurrency: 1,
    retry: { attempts: 3, firstDelayMs: 10, maxDelayMs: 20 },
    keptFailures: 1,
    workSchema: z.strictObject({}),
    ...{ log, metrics },
    random: () => 0,
    async process({ attempt }) {
      if (attempt === 1) throw new RetryableFailure('on purpose');
      done.push(attempt);
    },
  });
  try {
    await until('a connection', () => redis.status === 'ready');
    await queue.add({ id: 'one', tenant: 'acme', work: {} });
    await until('the job', async () => (await queue.read('one'))?.state === 'completed');
    expect(done).toEqual([2]);
  } finally {
    await worker.drain();
    await queue.close();
    redis.disconnect();
  }
});

test('the limits that sidecars share work with a user of theirs', async () => {
  const credentialsFile = join(vault.folder, 'rate-limit.json');
  writeFileSync(credentialsFile, JSON.stringify(lent['rate-limit']), { mode: 0o600 });
  const limiter = openLimits();
  try {
    const window = { quota: 1, windowSeconds: 60, burst: 1 };
    const { store } = limiter.limits.compile(
      policyOf({
        limits: [{ name: 'a', scope: 'global', windows: [window] }],
        redis: { endpoints: [`127.0.0.1:${vault.redis.port}`], deadlineMs: 1_000, credentialsFile },
      }),
    );
    await until('a connection', limiter.storeIsUp);
    const charge = () => ask(store as SharedStore, 'key', 1, [compileWindow(window)]);
    expect((await charge()).waitUs).toBe(0);
    expect((await charge()).waitUs).toBeGreaterThan(0);
  } finally {
    closeLimits();
  }
});

describe.each<[kind: string, key: string]>([
  ['jobs', 'bull:a'],
  ['rate-limit', 'tulle:rl:a'],
])('a user for %s', (kind, key) => {
  test.each(
    named([
      ['PING'],
      ['INFO', 'server'],
      ['CLIENT', 'SETNAME', 'a'],
      ['SET', key, '1'],
      ['MGET', key],
      ['TIME'],
      ['EVAL', SCRIPT, '1', key, '1', '1', '1'],
      ['SCRIPT', 'LOAD', 'return 1'],
    ]),
  )('may %s', async (_name, command) => {
    await call(kind, command);
  });

  const elsewhere = kind === 'jobs' ? 'tulle:rl:a' : 'bull:a';
  test.each(
    named([
      // The keys of others, also from within a script.
      ['SET', elsewhere, '1'],
      ['MGET', 'of-others'],
      ['MGET', key, 'of-others'],
      ['EVAL', "return redis.call('MGET', KEYS[1])", '1', 'of-others'],
      ['EVAL', "return redis.call('MGET', 'of-others')", '0'],
      // Their names.
      ['KEYS', '*'],
      ['SCAN', '0'],
      ['RANDOMKEY'],
      ['PUBSUB', 'CHANNELS'],
      ['PUBLISH', 'a', 'b'],
      ['SUBSCRIBE', 'a'],
      // The server, and whatever is not of one user.
      ['CONFIG', 'GET', '*'],
      ['CONFIG', 'SET', 'dir', '/'],
      ['ACL', 'LIST'],
      ['ACL', 'SETUSER', 'mine', 'on', 'nopass', '+@all'],
      ['SHUTDOWN'],
      ['SAVE'],
      ['MODULE', 'LIST'],
      ['REPLICAOF', '127.0.0.1', '1'],
      ['CLUSTER', 'RESET'],
      ['SLOWLOG', 'GET'],
      ['LATENCY', 'RESET'],
      ['MONITOR'],
      ['FLUSHALL'],
      ['FLUSHDB'],
      ['SWAPDB', '0', '1'],
      ['SCRIPT', 'FLUSH'],
      ['SCRIPT', 'KILL'],
      ['FUNCTION', 'FLUSH'],
      ['FUNCTION', 'LIST'],
      ['FUNCTION', 'LOAD', "#!lua name=a\nserver.register_function('a', function() end)"],
      ['FUNCTION', 'KILL'],
      // Other clients.
      ['CLIENT', 'LIST'],
      ['CLIENT', 'KILL', 'TYPE', 'normal'],
      ['CLIENT', 'PAUSE', '1'],
      ['CLIENT', 'UNBLOCK', '1'],
      // Values that come from elsewhere or go there.
      ['MIGRATE', '127.0.0.1', '1', key, '0', '1'],
      ['RESTORE', key, '0', 'x'],
    ]),
  )('may not %s', async (_name, command) => {
    await expect(call(kind, command)).rejects.toThrow(NOT_ALLOWED);
  });
});

test.each(
  named([
    ['DEL', 'tulle:rl:a'],
    ['GET', 'tulle:rl:a'],
    ['EXPIRE', 'tulle:rl:a', '1'],
    ['EVAL', "return redis.call('DEL', KEYS[1])", '1', 'tulle:rl:a'],
    ['DBSIZE'],
  ]),
)('one for limits may run the script and what it calls, and not %s', async (_name, command) => {
  await expect(call('rate-limit', command)).rejects.toThrow(NOT_ALLOWED);
});

/** Each with how the report names it. */
function named(commands: readonly Command[]): [name: string, command: Command][] {
  return commands.map((command) => [command.join(' '), command]);
}

function call(kind: string, [name, ...args]: Command): Promise<unknown> {
  return (users[kind] as Redis).call(name, ...args);
}
