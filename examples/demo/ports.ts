import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

// Ports for processes that need each other's before either has started.
// They are taken from below the range that the kernel gives to outgoing connections (32768 and up on Linux), so that between picking and
// listening no connection of the many that are opened meanwhile can take one.

const FIRST = 20_000;
const LAST = 32_767;
const TRIES_PER_PORT = 50;

export async function pickPorts(count: number): Promise<number[]> {
  const picked = new Set<number>();
  for (let tries = 0; picked.size < count; tries++) {
    if (tries >= count * TRIES_PER_PORT) {
      throw new Error(`no ${count} free ports between ${FIRST} and ${LAST} on 127.0.0.1`);
    }
    const port = randomInt(FIRST, LAST + 1);
    if (!picked.has(port) && (await isFree(port))) picked.add(port);
  }
  return [...picked];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
