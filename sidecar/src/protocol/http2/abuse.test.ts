// What a hostile client can do within the protocol: each attempt ends in GOAWAY or a reset, the upstream work it caused is given up, what is
// kept of it is bounded, and clients on other connections notice nothing.
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PAUSED } from '../../core/filter.ts';
import { LIMITS } from '../../core/limits.ts';
import {
  CANCEL,
  ENHANCE_YOUR_CALM,
  FLAG_END_STREAM,
  FLAG_PADDED,
  FRAME_DATA,
  FRAME_PRIORITY,
  FRAME_RST_STREAM,
  FRAME_WINDOW_UPDATE,
  PREFACE,
  REFUSED_STREAM,
  readUint32,
} from './frame.ts';
import { type Hop, type HopOptions, openHop } from './hop.fixture.ts';
import {
  data,
  type Field,
  frame,
  headers,
  OPENING,
  ping,
  RawPeer,
  reset,
  settings,
  windowUpdate,
} from './raw-peer.fixture.ts';
import type { Http2Server } from './server.ts';

const END = FLAG_END_STREAM;
const MB = 1_048_576;
/** Far more than a burst. */
const MANY = LIMITS.http2ChatterBurst + 1_000;

let origin: http.Server;
/** Requests that the origin has and has not answered. */
let working: Set<http.IncomingMessage>;
let hop: Hop;
let innocent: RawPeer;

async function open(options: Partial<HopOptions> = {}): Promise<void> {
  working = new Set();
  origin = http.createServer((request, response) => {
    working.add(request);
    response.on('close', () => working.delete(request));
    if (request.url === '/hang') return;
    response.end(Buffer.alloc(request.url === '/big' ? 4 * MB : 2, 'x'));
  });
  await new Promise((resolve) => origin.listen(0, '127.0.0.1', () => resolve(null)));
  const { port } = origin.address() as AddressInfo;
  hop = await openHop({ downstream: 'http2', upstream: 'http1', upstreamPort: port, ...options });
  innocent = await RawPeer.connect(hop.port);
}

afterEach(async () => {
  innocent.destroy();
  await hop.close();
  origin.closeAllConnections();
  origin.close();
});

function request(streamId: number, path = '/', flags = END, fields: readonly Field[] = []): Buffer {
  const pseudo: Field[] = [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':authority', 'a.test'],
    [':path', path],
  ];
  return headers(streamId, [...pseudo, ...fields], flags);
}

function repeat(count: number, make: (i: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));
}

/** The n-th stream of a client. */
function nth(i: number): number {
  return 1 + 2 * i;
}

/** Another connection is served, and nothing is left of the hostile one. */
async function checkPeace(): Promise<void> {
  const streamId = nth(innocent.frames.length);
  innocent.send(request(streamId));
  await innocent.until(() => innocent.isComplete(streamId), 'the answer to an innocent client');
  expect(innocent.status(streamId)).toBe(200);
  const startedMs = performance.now();
  while ((working.size > 0 || hop.open() > 0) && performance.now() - startedMs < 3_000) await sleep(5);
  expect({ working: working.size, exchanges: hop.open() }).toEqual({ working: 0, exchanges: 0 });
}

describe('a flood ends the connection', () => {
  beforeEach(() => open());

  test.each<[string, Buffer]>([
    ['of resets', repeat(MANY, (i) => Buffer.concat([request(nth(i), '/hang'), reset(nth(i), CANCEL)]))],
    [
      'of resets of requests with bodies',
      repeat(MANY, (i) =>
        Buffer.concat([request(nth(i), '/hang', 0), data(nth(i), 'x'), reset(nth(i), CANCEL)]),
      ),
    ],
    ['of resets that are provoked by a window of 0', provoke((id) => windowUpdate(id, 0))],
    ['of resets that are provoked by a window too large', provoke((id) => windowUpdate(id, 0x7fff_ffff))],
    [
      'of resets that are provoked by a stream that depends on itself',
      provoke((id) => frame(FRAME_PRIORITY, 0, id, Buffer.from([0, 0, id >>> 8, id & 255, 0]))),
    ],
    ['of resets that are provoked by a short priority', provoke((id) => frame(FRAME_PRIORITY, 0, id, 'x'))],
    ['of resets that are provoked by a body too long', provoke((id) => data(id, 'much too long'))],
    ['of resets that are provoked by a body too short', provoke((id) => data(id, '', END))],
    ['of resets that are provoked by a second head', provoke((id) => headers(id, [['x', 'y']]))],
    [
      'of resets that are provoked by DATA behind the end',
      repeat(MANY, (i) => Buffer.concat([request(nth(i), '/hang'), data(nth(i), 'x')])),
    ],
    ['of malformed requests', repeat(MANY, (i) => headers(nth(i), [[':method', 'GET']], END))],
    ['of pings', repeat(MANY, () => ping())],
    ['of settings', repeat(MANY, () => settings())],
    ['of empty DATA', Buffer.concat([request(1, '/hang', 0), repeat(MANY, () => data(1, ''))])],
    [
      'of DATA that is nothing but padding',
      Buffer.concat([
        request(1, '/hang', 0),
        repeat(MANY, () => frame(FRAME_DATA, FLAG_PADDED, 1, '\x01\0')),
      ]),
    ],
    ['of windows', repeat(MANY, () => windowUpdate(0, 1))],
    [
      'of windows of a stream',
      Buffer.concat([request(1, '/hang', 0), repeat(MANY, () => windowUpdate(1, 1))]),
    ],
    ['of priorities', repeat(MANY, (i) => frame(FRAME_PRIORITY, 0, nth(i), '\0\0\0\0\0'))],
    ['of frames that nobody knows', repeat(MANY, () => frame(0xbe, 0, 0, ''))],
    [
      'of resets of a stream that is gone',
      Buffer.concat([request(1, '/hang'), repeat(MANY, () => reset(1, CANCEL))]),
    ],
  ])('%s', async (_name, flood) => {
    const client = await RawPeer.connect(hop.port);
    client.answers = false;
    client.send(flood);
    await client.closed();
    expect(client.goawayCode).toBe(ENHANCE_YOUR_CALM);
    expect(innocent.goawayCode).toBe(-1);
    client.destroy();
    await checkPeace();
  });

  /** Opens streams and makes each of them an error. */
  function provoke(wrong: (streamId: number) => Buffer): Buffer {
    const length: Field[] = [['content-length', '5']];
    return repeat(MANY, (i) => Buffer.concat([request(nth(i), '/hang', 0, length), wrong(nth(i))]));
  }
});

describe('what a busy client does is no flood', () => {
  beforeEach(() => open());

  test('pings and windows that go with bodies', async () => {
    const client = await RawPeer.connect(hop.port);
    client.send(windowUpdate(0, 64 * MB));
    for (let round = 0; round < 2; round++) {
      const ids = Array.from({ length: 2 }, (_, i) => nth(round * 2 + i));
      for (const id of ids) client.send(request(id, '/big'), windowUpdate(id, 8 * MB));
      let answered = 0;
      await client.until(() => {
        const frames = client.frames.filter(({ type }) => type === FRAME_DATA).length;
        for (; answered < frames; answered++) client.send(ping(), windowUpdate(0, 1), ping());
        return ids.every((id) => client.isComplete(id));
      }, 'the bodies');
    }
    await client.settle();
    expect(client.goawayCode).toBe(-1);
    expect(client.frames.length).toBeGreaterThan(2 * LIMITS.http2NuisanceBurst);
    client.destroy();
  });

  test('uploads that are answered before their end', async () => {
    const client = await RawPeer.connect(hop.port);
    client.send(windowUpdate(0, 64 * MB));
    for (let round = 0; round < 30; round++) {
      const ids = Array.from({ length: 50 }, (_, i) => nth(round * 50 + i));
      // The expectation is refused, and the bodies are on their way.
      for (const id of ids)
        client.send(request(id, '/', 0, [['expect', 'x']]), data(id, 'a'), data(id, 'b'), data(id, 'c', END));
      await client.until(() => ids.every((id) => client.isComplete(id)), 'the answers');
    }
    await client.settle();
    expect(client.goawayCode).toBe(-1);
    client.destroy();
    await checkPeace();
  });
});

test('streams above the limit are refused, and reach nobody', async () => {
  await open();
  const client = await RawPeer.connect(hop.port);
  client.send(repeat(1_000, (i) => request(nth(i), '/hang')));
  const refused = () =>
    client.frames.filter(
      ({ type, payload }) => type === FRAME_RST_STREAM && readUint32(payload, 0) === REFUSED_STREAM,
    );
  await client.until(() => refused().length >= 1_000 - LIMITS.http2StreamsPerConnection, 'the refusals');
  await client.settle();
  expect(refused().length).toBe(1_000 - LIMITS.http2StreamsPerConnection);
  expect(hop.open()).toBe(LIMITS.http2StreamsPerConnection);
  client.destroy();
  await checkPeace();
});

describe('who does not read', () => {
  const timeouts = { bodyIdleMs: 500 };

  test('is cut off, stream by stream, and costs a bounded amount', async () => {
    await open({ timeouts });
    const client = await RawPeer.connect(hop.port, Buffer.concat([PREFACE, settings([4, 0])]));
    client.send(repeat(60, (i) => request(nth(i), '/big')));
    await client.until(() => client.heads(nth(59)).length > 0, 'the heads');
    await client.until(() => client.resetCode(nth(59)) === CANCEL, 'the resets');
    expect(hop.ended.map(({ failure }) => failure)).toEqual(Array(60).fill('downstream_stalled'));
    // Of 4 MB each, no more was fetched than may wait and what was on its way.
    const fetched = hop.ended.map(({ responseBytes }) => responseBytes);
    expect(Math.max(...fetched)).toBeLessThan(LIMITS.http2StreamPendingBytes + 2 * LIMITS.readBufferBytes);
    client.destroy();
    await checkPeace();
  });

  test('does not gain time by windows that let nothing through', async () => {
    await open({ timeouts });
    const client = await RawPeer.connect(hop.port, Buffer.concat([PREFACE, settings([4, 8 * MB])]));
    client.send(request(1, '/big'));
    // The connection's window is used up; the stream's is not what is missing.
    await client.until(() => client.body(1).length === 65_535, 'one window');
    let ticks = 0;
    while (client.resetCode(1) === -1 && ticks++ < 40) {
      client.send(windowUpdate(1, 1));
      await sleep(100);
    }
    expect(client.resetCode(1)).toBe(CANCEL);
    expect(ticks).toBeLessThan(30);
    client.destroy();
    await checkPeace();
  });

  test('is cut off though its windows are open', async () => {
    await open({ timeouts });
    const client = await RawPeer.connect(hop.port, Buffer.concat([PREFACE, settings([4, 0x7fff_ffff])]));
    client.socket.pause();
    client.send(
      windowUpdate(0, 0x7fff_0000),
      repeat(20, (i) => request(nth(i), '/big')),
    );
    const startedMs = performance.now();
    while (hop.ended.length < 20 && performance.now() - startedMs < 6_000) await sleep(20);
    const stalled = hop.ended.filter(({ failure }) => failure === 'downstream_stalled').length;
    expect(stalled).toBeGreaterThan(0);
    const [server] = serversOf(hop, innocent);
    expect(server?.transport.pendingBytes ?? 0).toBeLessThan(16 * MB);
    client.destroy();
    await checkPeace();
  });

  test('is not read from either: heads of responses have no window', async () => {
    await open();
    const client = await RawPeer.connect(hop.port);
    client.socket.pause();
    const [server] = serversOf(hop, innocent);
    let sent = 0;
    // Refused at once, each with a head and a body of its own.
    for (let round = 0; round < 40; round++) {
      client.send(repeat(1_000, (i) => request(nth(sent + i), '/', END, [['expect', 'x']])));
      sent += 1_000;
      await sleep(5);
    }
    const answered = hop.ended.length;
    expect(answered).toBeLessThan(sent);
    expect(server?.transport.pendingBytes).toBeLessThan(8 * MB);
    client.destroy();
    await checkPeace();
  });
});

describe('bodies that nobody takes', () => {
  beforeEach(() =>
    open({
      filters: [{ name: 'waits', onRequestHead: ({ request: { path } }) => (path === '/wait' ? PAUSED : 0) }],
    }),
  );

  test('do not grow with the number of their frames', async () => {
    const client = await RawPeer.connect(hop.port);
    const bytes = 200_000;
    const floods = [1, 3, 5].map((id) => Buffer.alloc(10 * bytes, data(id, 'x')));
    const before = process.memoryUsage().heapUsed;
    for (const [i, flood] of floods.entries()) client.send(request(nth(i), '/wait', 0), flood);
    await client.settle();
    expect(hop.open()).toBe(3);
    // As objects of their own they would take a hundred bytes each.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(3 * bytes * 40);
    client.destroy();
    await checkPeace();
  });

  test('are bounded by windows of the connection that are not renewed', async () => {
    const client = await RawPeer.connect(hop.port);
    let allowed = 65_535;
    let seen = 0;
    let sent = 0;
    const readWindows = () => {
      for (; seen < client.frames.length; seen++) {
        const { type, streamId, payload } = client.frames[seen] as RawPeer['frames'][number];
        if (type === FRAME_WINDOW_UPDATE && streamId === 0) allowed += readUint32(payload, 0);
      }
    };
    await client.settle();
    for (let i = 0; i < 100; i++) {
      client.send(request(nth(i), '/wait', 0));
      for (let piece = 0; piece < 15; piece++) {
        readWindows();
        if (sent + 16_384 > allowed) break;
        client.send(data(nth(i), Buffer.alloc(16_384)));
        sent += 16_384;
      }
      await client.settle();
    }
    expect(sent).toBeGreaterThan(LIMITS.http2ConnectionWindowBytes);
    expect(sent).toBeLessThan(2.6 * LIMITS.http2ConnectionWindowBytes);
    client.destroy();
    await checkPeace();
  });
});

test('a body beyond its window is an error of its stream', async () => {
  await open({
    filters: [{ name: 'waits', onRequestHead: ({ request: { path } }) => (path === '/wait' ? PAUSED : 0) }],
  });
  const client = await RawPeer.connect(hop.port);
  client.send(OPENING.subarray(PREFACE.length), request(1, '/wait', 0));
  client.send(repeat(17, () => data(1, Buffer.alloc(16_384))));
  await client.until(() => client.resetCode(1) === 0x3, 'FLOW_CONTROL_ERROR');
  expect(client.goawayCode).toBe(-1);
  client.destroy();
  await checkPeace();
});

/** Codecs of the other clients. */
function serversOf({ connections }: Hop, { socket }: RawPeer): Http2Server[] {
  return ([...connections] as Http2Server[]).filter(
    ({ transport }) => transport.socket.remotePort !== socket.localPort,
  );
}
