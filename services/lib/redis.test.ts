import { once } from 'node:events';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Redis as RedisServer, startRedis } from '../../test/parts/redis.ts';
import { createLog } from './log.ts';
import { openWorkerRedis, type RedisAccess } from './redis.ts';

let server: RedisServer;
let admin: Redis;

beforeAll(async () => {
  server = await startRedis({ own: true });
  admin = new Redis(server.url);
});

afterAll(async () => {
  admin.disconnect();
  await server.stop();
});

test('a connection that has ended and is opened again, as BullMQ does, uses the newest credentials', async () => {
  const access: { -readonly [key in keyof RedisAccess]: RedisAccess[key] } = {
    url: server.url,
    log: createLog('test', 'silent'),
    credentials: { username: 'first', password: 'one' },
    followers: new Set(),
  };
  await admin.call('ACL', 'SETUSER', 'first', 'on', '>one', '~*', '+@all');
  const redis = openWorkerRedis(access);
  redis.on('error', () => {});
  await redis.connect();
  redis.disconnect();
  await once(redis, 'end');
  expect(access.followers.size).toBe(0);

  await admin.call('ACL', 'DELUSER', 'first');
  await admin.call('ACL', 'SETUSER', 'second', 'on', '>two', '~*', '+@all');
  access.credentials = { username: 'second', password: 'two' };
  await redis.connect();
  expect(await redis.call('ACL', 'WHOAMI')).toBe('second');
  expect(access.followers.size).toBe(1);
  redis.disconnect();
  await once(redis, 'end');
});
