import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { startRedis } from './redis.ts';

test('a started Redis answers PING and runs Lua, and is gone after stop', async () => {
  const redis = await startRedis();
  const client = new Redis(redis.url, { maxRetriesPerRequest: 0, retryStrategy: () => null });
  client.on('error', () => {});
  try {
    expect(await client.ping()).toBe('PONG');
    expect(await client.eval('return redis.call("INCR", KEYS[1])', 1, 'tulle:parts:test')).toBe(1);
    await client.del('tulle:parts:test');
  } finally {
    client.disconnect();
    await redis.stop();
  }
  if (redis.pid !== null) expect(() => process.kill(redis.pid as number, 0)).toThrow(/ESRCH/);
});

test.skipIf(process.env.REDIS_URL)('two servers of our own share nothing', async () => {
  const servers = await Promise.all([startRedis(), startRedis()]);
  try {
    expect(servers[0].port).not.toBe(servers[1].port);
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
});
