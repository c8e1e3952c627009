import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { type GeneratedLoad, generateLoad } from './generator.ts';
import { callHttp1 } from './http1-caller.ts';

const BODY = 'z'.repeat(1000);
const GOOD = `HTTP/1.1 200 OK\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;
let server: Server | null = null;
const sockets = new Set<Socket>();

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  server?.close();
});

/** Answers each request with what `answer` writes. */
async function serve(answer: (socket: Socket) => void): Promise<number> {
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', () => answer(socket));
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

function loadOn(port: number, options: Partial<GeneratedLoad> = {}): GeneratedLoad {
  const request = Buffer.from('GET / HTTP/1.1\r\nHost: test\r\n\r\n');
  return {
    connections: Array.from({ length: 4 }, () => callHttp1({ port, request, responseBytes: BODY.length })),
    concurrency: 4,
    responseBytes: BODY.length,
    ratePerSecond: null,
    warmUpMs: 20,
    measureMs: 200,
    readCpuNs: () => 0,
    ...options,
  };
}

test('a closed loop keeps asking on every connection and checks what comes back', async () => {
  const port = await serve((socket) => socket.write(GOOD));
  const result = await generateLoad(loadOn(port));
  expect(result.requests).toBeGreaterThan(10);
  expect(result.p99Ms).toBeGreaterThanOrEqual(result.p50Ms);
  expect(sockets.size).toBe(4);
});

test('answers may come in any pieces', async () => {
  const port = await serve(async (socket) => {
    for (const piece of GOOD.match(/[\s\S]{1,97}/g) ?? []) {
      socket.write(piece);
      await sleep(0);
    }
  });
  expect((await generateLoad(loadOn(port))).requests).toBeGreaterThan(0);
});

test('an open loop keeps its rate whatever the server does, and waiting counts as latency', async () => {
  // Each connection can serve 20 requests a second; 200 a second arrive at 4 connections.
  const port = await serve(async (socket) => {
    await sleep(50);
    socket.write(GOOD);
  });
  const result = await generateLoad(loadOn(port, { ratePerSecond: 200, measureMs: 400 }));
  expect(result.p99Ms).toBeGreaterThan(100);
});

test.each([
  ['a status other than 200', GOOD.replace('200', '503'), /unexpected response: HTTP\/1.1 503/],
  ['a wrong length', GOOD.replace('1000', '999'), /unexpected response/],
  ['too many bytes', `${GOOD}zz`, /too long/],
  ['no length at all', GOOD.replace('Content-Length', 'X-Length'), /unexpected response/],
])('%s is an error', async (_, answer, expected) => {
  const port = await serve((socket) => socket.write(answer));
  await expect(generateLoad(loadOn(port))).rejects.toThrow(expected);
});

test('a closed connection is an error', async () => {
  const port = await serve((socket) => socket.destroy());
  await expect(generateLoad(loadOn(port))).rejects.toThrow(/closed a connection|ECONNRESET/);
});

test('a request that is never answered is an error', async () => {
  const port = await serve(() => {});
  await expect(generateLoad(loadOn(port))).rejects.toThrow(/still unanswered/);
});
