// ioredis and a client of our own, unchanged, through a real sidecar to a real Redis.
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Span } from '../../mesh/cli/trace/span.ts';
import { REDIS_COMMANDS } from '../../sidecar/src/protocol/redis/commands.ts';
import { type Redis as RedisPart, startRedis } from '../parts/redis.ts';
import { counts, desyncs, type Observed, observe } from './observed.ts';
import { runRedisSession } from './redis-session.ts';

const METRIC = 'db_client_operation_duration_seconds';
let redis: RedisPart;
let observed: Observed;

async function start(headSampleRatio = 1): Promise<void> {
  observed = await observe('redis', redis.port, headSampleRatio);
}

beforeEach(async () => {
  redis = await startRedis();
});
afterEach(async () => {
  await observed?.close();
  await redis.stop();
});

test('a session with everything in it stays in sync, and is counted command by command', async () => {
  await start();
  await runRedisSession(observed.port);
  expect(await desyncs(observed)).toEqual([]);
  expect(await counts(observed, METRIC)).toMatchObject({
    HELLO: 4,
    SET: 4,
    GET: 5,
    MULTI: 2,
    EXEC: 2,
    INCR: 1,
    'INCR !ERR': 1,
    'EVAL !MYERR': 1,
    'BLPOP blocking': 1,
    'XREAD blocking': 1,
    XREAD: 1,
    SUBSCRIBE: 2,
    PSUBSCRIBE: 1,
    UNSUBSCRIBE: 2,
    'CLIENT REPLY': 1,
    MONITOR: 1,
    RESET: 1,
  });
  await observed.drain();
  const exec = observed.spans.find(({ name }) => name === 'EXEC');
  expect(exec?.kind).toBe('client');
  expect(Object.fromEntries(exec?.attributes ?? [])).toMatchObject({
    'db.system.name': 'redis',
    'db.operation.name': 'EXEC',
    'db.operation.batch.size': 3,
    'server.address': 'store',
    'server.port': redis.port,
    'network.peer.address': '127.0.0.1',
  });
  const failed = observed.spans.find(({ name, error }) => name === 'EVAL' && error);
  expect(failed?.attributes.get('db.response.status_code')).toBe('MYERR');
  // Neither keys nor values are in any span.
  const everything = JSON.stringify(observed.spans.map((span) => [span.name, ...span.attributes]));
  for (const secret of ['user:', 'cart', 'hello', 'counter', 'own']) expect(everything).not.toContain(secret);
});

test('the spans that are kept name the slow command, not one that only waited', async () => {
  await start(0);
  const client = new Redis({ port: observed.port, retryStrategy: () => null });
  try {
    await client.set('a', '1');
    await client.eval(BUSY, 0);
    await client.blpop('nothing', 0.2);
    await client.get('a');
  } finally {
    client.disconnect();
  }
  await observed.drain();
  expect(observed.spans.map(({ name }) => name)).toEqual(['EVAL']);
  const [span] = observed.spans as [Span];
  const phase = (name: string) => Number(span.attributes.get(`tulle.phase.${name}_ms`));
  expect(phase('server')).toBeGreaterThan(100);
  const sum = phase('waited') + phase('server') + phase('response');
  expect(sum).toBeCloseTo(span.endMs - span.startMs, 1);
});

/** Holds the server up for 150 ms. */
const BUSY = 'local till = os.clock() + 0.15 while os.clock() < till do end';

test('what is no Redis passes all the same, and is counted', async () => {
  await start();
  const socket = createConnection(observed.port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(Buffer.from('16030100050100000100', 'hex'));
  socket.end();
  await once(socket.resume(), 'close');
  expect(await desyncs(observed)).toEqual(['tls']);
  const client = new Redis({ port: observed.port });
  expect(await client.ping()).toBe('PONG');
  client.disconnect();
});

test('every command of the server is known, with the place of its first key', async () => {
  await start();
  const client = new Redis({ port: redis.port, protocol: 2 });
  const known = new Map(REDIS_COMMANDS.flatMap((each) => [[each.name, each.keyAt]] as const));
  const rows = ((await client.call('COMMAND')) as CommandRow[]).flatMap((row) => [row, ...(row[9] ?? [])]);
  client.disconnect();
  const wrong = rows
    .map((row) => ({ name: row[0].toUpperCase(), firstKey: row[3], movable: row[2].includes('movablekeys') }))
    .filter(({ name }) => !name.includes('|'))
    .filter(({ name, firstKey, movable }) => {
      const keyAt = known.get(name);
      // Channels are no keys; where keys are told by a count, the server gives no place.
      return keyAt === undefined || (keyAt !== firstKey && !movable && !/SUBSCRIBE|SPUBLISH/.test(name));
    });
  expect(wrong).toEqual([]);
});

/** Name, arity, flags, first key, last key, step, categories, tips, key specifications, subcommands. */
type CommandRow = [
  string,
  number,
  string[],
  number,
  number,
  number,
  unknown,
  unknown,
  unknown,
  CommandRow[] | undefined,
];

test('prefixes of keys are named where the config says so, and never what follows them', async () => {
  observed = await observe('redis', redis.port, 1, 'on');
  const client = new Redis(observed.port, '127.0.0.1');
  await client.set('cart:4711', 'secret');
  await client.get('cart:4711');
  await client.get('secretkey');
  await client.quit();
  expect(await counts(observed, METRIC)).toMatchObject({ 'SET cart': 1, 'GET cart': 1, GET: 1 });
  await observed.drain();
  const attributes = observed.spans.map((span) => Object.fromEntries(span.attributes));
  expect(attributes.map((each) => each['tulle.redis.key_prefix'])).toContain('cart');
  expect(JSON.stringify(attributes)).not.toMatch(/4711|secret/);
});
