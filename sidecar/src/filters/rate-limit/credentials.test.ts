import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Redis as RedisServer, startRedis } from '../../../../test/parts/redis.ts';
import { compileWindow } from './gcra.ts';
import { ask, closeLimits, openLimits, policyOf } from './rate-limit.fixture.ts';

const PLAN = [compileWindow({ quota: 100_000, windowSeconds: 1, burst: 100_000 })];

let server: RedisServer;
let admin: Redis;
let folder: string;
let credentialsFile: string;
beforeAll(async () => {
  server = await startRedis({ own: true });
  admin = new Redis(server.url);
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-rate-limit-'));
  credentialsFile = join(folder, 'redis');
});
afterEach(async () => {
  closeLimits();
  await rm(folder, { recursive: true });
});
afterAll(async () => {
  admin.disconnect();
  await server.stop();
});

const addUser = (name: string) =>
  admin.call('ACL', 'SETUSER', name, 'on', `>${name}-pass`, '~rotate:*', '+@all');

async function write(content: object): Promise<void> {
  await writeFile(`${credentialsFile}.new`, JSON.stringify(content));
  await rename(`${credentialsFile}.new`, credentialsFile);
}

const policy = () =>
  policyOf({
    limits: [{ name: 'a', scope: 'global', windows: [{ quota: 1, windowSeconds: 1 }] }],
    redis: {
      endpoints: [`127.0.0.1:${server.port}`],
      deadlineMs: 1_000,
      keyPrefix: 'rotate:',
      credentialsFile,
    },
  });

test('credentials that rotate under load cost no question', async () => {
  await addUser('first');
  await write({ username: 'first', password: 'first-pass' });
  const limiter = openLimits();
  const store = limiter.limits.compile(policy()).store as NonNullable<
    ReturnType<typeof limiter.limits.compile>['store']
  >;
  while (!limiter.storeIsUp()) await sleep(5);

  let former = 'first';
  let answers = 0;
  let rotating = true;
  const load = async () => {
    while (rotating) {
      await ask(store, 'hot', 1, PLAN);
      answers++;
    }
  };
  const callers = Promise.all([load(), load(), load()]);
  for (const next of ['second', 'third', 'fourth']) {
    await addUser(next);
    // Refused by the server: the connection that stands is kept.
    await write({ username: next, password: 'not yet' });
    const refusals = () => limiter.events.filter((event) => event === 'rate_limit_store_unreachable').length;
    const before = refusals();
    while (refusals() === before) await sleep(5);
    const rotations = () => limiter.events.filter((event) => event === 'rate_limit_store_rotated').length;
    const rotated = rotations();
    await write({ username: next, password: `${next}-pass` });
    while (rotations() === rotated) await sleep(5);
    // Closes the connections of that user.
    await sleep(1_000);
    await admin.call('ACL', 'DELUSER', former);
    former = next;
  }
  rotating = false;
  await callers;
  expect(answers).toBeGreaterThan(100);
  expect(limiter.failures()).toEqual({});
  expect(limiter.events).not.toContain('rate_limit_store_lost');
});

describe('a file with credentials', () => {
  test.each([
    ['is not there', null, /redis\.credentialsFile: .*redis cannot be read \(ENOENT\); check its path/],
    [
      'has no user',
      '{ password: hunter2 }',
      /redis must be a mapping of `username` and `password`, both text$/,
    ],
    ['is no mapping', 'hunter2', /redis must be a mapping of `username` and `password`, both text$/],
    ['is no YAML', '{ hunter2', /redis must be a mapping of `username` and `password`, both text$/],
  ])('that %s is a mistake of the config, told without what is in it', async (_what, content, message) => {
    if (content !== null) await writeFile(credentialsFile, content);
    expect(() => openLimits().limits.compile(policy())).toThrow(message);
  });
});
