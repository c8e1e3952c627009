// What a service does with Redis, through the port that it is told: everything that changes how replies belong to commands.
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { Redis } from 'ioredis';

/** `bigBytes`: the size of a value that takes several reads. */
export async function runRedisSession(port: number, bigBytes = 200_000): Promise<void> {
  const clients: Redis[] = [];
  const open = (name: string): Redis => {
    // The check for readiness asks for INFO, whose answer tells about the machine.
    const client = new Redis({
      port,
      connectionName: name,
      enableReadyCheck: false,
      retryStrategy: () => null,
    });
    clients.push(client);
    return client;
  };
  try {
    const main = open('main');
    await main.set('user:1', 'a');
    await main.get('user:1');
    await main
      .pipeline()
      .set('cart:1', 'x')
      .incr('counter')
      .get('cart:1')
      .hset('user:2', { a: 1, b: 2 })
      .exec();
    await main.hgetall('user:2');
    await main.multi().set('user:1', 'b').incr('counter').get('user:1').exec();
    await main.incr('user:1').catch(() => {});
    await main.eval('return {1, {2, "three"}, redis.status_reply("FINE")}', 1, 'cart:1');
    await main.eval('return redis.error_reply("MYERR own")', 0).catch(() => {});
    const big = 'x'.repeat(bigBytes);
    await main.set('big:1', big);
    if ((await main.get('big:1')) !== big) throw new Error('a big value was not returned as it was set');
    await main.scan(0);
    await main.xadd('events:1', '*', 'k', 'v');
    await main.xread('COUNT', 1, 'STREAMS', 'events:1', '0');

    const waiter = open('waiter');
    const popped = waiter.blpop('jobs:1', 5);
    await pause(30);
    await main.rpush('jobs:1', 'job');
    await popped;
    await waiter.xread('BLOCK', 20, 'STREAMS', 'events:1', '$');

    const subscriber = open('subscriber');
    await subscriber.subscribe('news', 'sport');
    const heard = once(subscriber, 'message');
    await main.publish('news', 'hello');
    await heard;
    await subscriber.psubscribe('n*');
    await subscriber.ping();
    await subscriber.unsubscribe('news', 'sport');
    await subscriber.punsubscribe('n*');
    await subscriber.get('user:1');
    await main.quit();
  } finally {
    for (const client of clients) client.disconnect();
  }
  await runResp3Session(port);
}

/** ioredis speaks RESP2; this is RESP3 by hand: pushes, maps, sets, doubles, CLIENT REPLY and MONITOR. */
async function runResp3Session(port: number): Promise<void> {
  const socket = createConnection(port, '127.0.0.1');
  let heard = '';
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => {
    heard += text;
  });
  await once(socket, 'connect');
  const say = async (line: string, until: string): Promise<void> => {
    heard = '';
    socket.write(`${line}\r\n`);
    while (!heard.includes(until)) await once(socket, 'data');
  };
  try {
    await say('HELLO 3', 'modules');
    await say('CLIENT TRACKING ON', '+OK');
    await say('HGETALL user:2', '%2');
    await say('GET user:1', '$1');
    await say('SET user:1 c', 'invalidate');
    await say('SUBSCRIBE news', 'subscribe');
    await say('PUBLISH news hello', 'message');
    await say('UNSUBSCRIBE', 'unsubscribe');
    await say('ZADD scores:1 1.5 a', ':1');
    await say('ZSCORE scores:1 a', ',1.5');
    await say('SADD tags:1 a', ':1');
    await say('SMEMBERS tags:1', '~1');
    await say('CLIENT REPLY OFF\r\nSET user:1 d\r\nCLIENT REPLY ON', '+OK');
    await say('MULTI\r\nINCR counter\r\nEXEC', '*1');
    await say('MONITOR', '+OK');
    await say('PING', '+PONG');
    await say('RESET', '+RESET');
  } finally {
    socket.destroy();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
