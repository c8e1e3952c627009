// WebSocket as services use it (`ws`), through two sidecars. Between them it is an HTTP/1.1 connection of its own at first; once the far
// side has said that it knows RFC 8441, it is a stream among others of HTTP/2.
import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import { seededRandom } from '../seeded-random.ts';
import { throughTwoSidecars } from './sidecar-pair.ts';
import type { Stand } from './stand.ts';

const SOCKETS = 1_000;
/** Opened at once: more would only wait for the loop. */
const BATCH = 100;
const LARGE_BYTES = 300_000;

let server: WebSocketServer;
/** Names of fields as they reached the service, of each upgrade. */
let upgrades: string[][];

beforeAll(async () => {
  upgrades = [];
  server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    handleProtocols: (offered) => [...offered][0] ?? false,
  });
  server.on('connection', (socket, request) => {
    upgrades.push(request.rawHeaders.filter((_, i) => i % 2 === 0));
    socket.on('message', (message, isBinary) => socket.send(message, { binary: isBinary }));
    socket.on('error', () => {});
  });
  await once(server, 'listening');
});

afterAll(() => {
  for (const client of server.clients) client.terminate();
  server.close();
});

describe.each(['off', 'strict'] as const)('mtls: %s', (mtls) => {
  let pair: Stand;
  beforeAll(async () => {
    pair = await throughTwoSidecars({ mtls, protocol: 'http' })((server.address() as AddressInfo).port);
  });
  afterAll(() => pair?.stop());

  it('passes messages, pings and close codes, in the first connection and in later ones', async () => {
    upgrades.length = 0;
    // The first goes before anything is known of the far side; a request makes it known.
    await converse(pair.port, 0);
    await fetch(`http://127.0.0.1:${pair.port}/`, { headers: { host: 'callee' } });
    await converse(pair.port, 1);
    // HTTP/1.1 keeps the letters of names, HTTP/2 does not.
    const kept = upgrades.map((names) => names.includes('Sec-WebSocket-Version'));
    expect(kept).toEqual([true, mtls === 'off']);
  });

  it(`keeps ${SOCKETS} sockets apart, all open at once`, { timeout: 60_000 }, async () => {
    const sockets: WebSocket[] = [];
    for (let i = 0; i < SOCKETS; i += BATCH) {
      sockets.push(...(await Promise.all(Array.from({ length: BATCH }, () => open(pair.port)))));
    }
    const answers = sockets.map((socket, i) => {
      const message = pattern(i);
      const answer = once(socket, 'message').then(([data]) => (data as Buffer).equals(message));
      socket.send(message);
      return answer;
    });
    expect((await Promise.all(answers)).filter((same) => !same)).toEqual([]);
    const closes = sockets.map(async (socket, i) => {
      const closed = once(socket, 'close');
      socket.close(3_000 + (i % 1_000), `bye ${i}`);
      return (await closed)[0] as number;
    });
    const codes = await Promise.all(closes);
    expect(codes).toEqual(codes.map((_, i) => 3_000 + (i % 1_000)));
  });

  it('is seen to end at once when the service breaks off', async () => {
    const socket = await open(pair.port);
    const closed = once(socket, 'close');
    for (const client of server.clients) client.terminate();
    expect((await closed)[0]).toBe(1006);
  });

  it('carries a WebSocket of HTTP/2 (RFC 8441) to a service that knows only HTTP/1.1', async () => {
    const session = http2.connect(`http://127.0.0.1:${pair.port}`);
    const [settings] = (await once(session, 'remoteSettings')) as [http2.Settings];
    expect(settings.enableConnectProtocol).toBe(true);
    const stream = session.request({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': '/chat',
      ':authority': 'callee',
      'sec-websocket-version': '13',
      'sec-websocket-protocol': 'superchat',
    });
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
    expect(headers[':status']).toBe(200);
    expect(headers['sec-websocket-accept']).toBeUndefined();
    expect(headers['sec-websocket-protocol']).toBe('superchat');
    stream.write(textFrame('hello'));
    const [answer] = (await once(stream, 'data')) as [Buffer];
    expect(answer.toString('hex')).toBe(Buffer.from('\x81\x05hello', 'latin1').toString('hex'));
    stream.end();
    stream.resume();
    await once(stream, 'close');
    session.close();
    await once(session, 'close');
  });
});

/** Text, binary, empty and large messages, pings both ways, and a close with a code. */
async function converse(port: number, seed: number): Promise<void> {
  const socket = await open(port);
  for (const message of ['hello', '', 'x'.repeat(LARGE_BYTES), pattern(seed)]) {
    const answered = once(socket, 'message') as Promise<[Buffer, boolean]>;
    socket.send(message);
    const [data, isBinary] = await answered;
    expect(isBinary).toBe(typeof message !== 'string');
    expect(data.equals(Buffer.from(message as string))).toBe(true);
  }
  const pong = once(socket, 'pong');
  socket.ping('are you there');
  expect(String((await pong)[0])).toBe('are you there');
  const served = [...server.clients].at(-1);
  const ponged = once(served as WebSocket, 'pong');
  served?.ping('and you');
  expect(String((await ponged)[0])).toBe('and you');
  const closed = once(socket, 'close');
  const servedClosed = once(served as WebSocket, 'close');
  socket.close(4001, 'enough');
  const [code, reason] = (await closed) as [number, Buffer];
  expect([code, reason.toString()]).toEqual([4001, 'enough']);
  expect((await servedClosed)[0]).toBe(4001);
}

async function open(port: number): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`, { headers: { host: 'callee' } });
  socket.on('error', () => {});
  await once(socket, 'open');
  return socket;
}

function pattern(seed: number): Buffer {
  const random = seededRandom(seed);
  return Buffer.from(Array.from({ length: 200 + Math.floor(random() * 800) }, () => random() * 256));
}

/** Masked, as a client's are (RFC 6455 section 5.3); the mask is 0. */
function textFrame(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);
}
