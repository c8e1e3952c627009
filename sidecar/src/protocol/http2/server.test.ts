// The life of a downstream connection: how it begins, how long it may be quiet, how it is left, and what a tunnel on it does.
import { afterEach, describe, expect, test } from 'vitest';
import {
  CANCEL,
  FLAG_ACK,
  FLAG_END_STREAM,
  FRAME_GOAWAY,
  FRAME_PING,
  MAX_STREAM_ID,
  NO_ERROR,
  PREFACE,
  REFUSED_STREAM,
  readUint32,
  SETTINGS_ENABLE_CONNECT_PROTOCOL,
  SETTINGS_INITIAL_WINDOW_SIZE,
} from './frame.ts';
import { type Hop, type HopOptions, openHop } from './hop.fixture.ts';
import {
  data,
  type Field,
  fieldOf,
  frame,
  goaway,
  headers,
  RawPeer,
  settings,
  windowUpdate,
} from './raw-peer.fixture.ts';
import { answerWithPath, openUpstream, type SeenRequest, type Upstream } from './upstream.fixture.ts';

const END = FLAG_END_STREAM;
const TUNNELS = settings([SETTINGS_ENABLE_CONNECT_PROTOCOL, 1]);

let upstream: Upstream;
let hop: Hop;
let client: RawPeer;

async function open(timeouts: HopOptions['timeouts'] = {}): Promise<void> {
  upstream = await openUpstream((request) => {
    if (request.path !== '/hang') answerWithPath(request);
  }, TUNNELS);
  hop = await openHop({ downstream: 'http2', upstream: 'http2', upstreamPort: upstream.port, timeouts });
  client = await RawPeer.connect(hop.port);
}

afterEach(async () => {
  client.destroy();
  await hop.close();
  upstream.close();
});

function get(streamId: number, path: string, flags = END): Buffer {
  const fields: Field[] = [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':authority', 'a.test'],
    [':path', path],
  ];
  return headers(streamId, fields, flags);
}

async function upstreamSees(path: string): Promise<SeenRequest> {
  for (let tries = 0; upstream.seen(path).length === 0 && tries < 200; tries++)
    await new Promise((resolve) => setTimeout(resolve, 5));
  return upstream.seen(path)[0] as SeenRequest;
}

function goaways(): number[] {
  return client.frames
    .filter(({ type }) => type === FRAME_GOAWAY)
    .map(({ payload }) => readUint32(payload, 0));
}

describe('a connection that is drained', () => {
  test('says so first, completes what is open, refuses what comes too late, and ends', async () => {
    await open();
    client.send(get(1, '/hang'));
    const request = await upstreamSees('/hang');
    hop.drain();
    await client.until(() => goaways().length === 2, 'both GOAWAYs');
    expect(goaways()).toEqual([MAX_STREAM_ID, 1]);
    expect(client.goawayCode).toBe(NO_ERROR);
    client.send(get(3, '/late'));
    await client.until(() => client.resetCode(3) === REFUSED_STREAM, 'the refusal');
    answerWithPath(request);
    await client.until(() => client.isComplete(1), 'the response');
    await client.closed();
    expect(upstream.seen('/late')).toEqual([]);
    expect(hop.ended.map(({ failure }) => failure)).toEqual(['none']);
  });

  test('still serves what was on its way before the client heard of it', async () => {
    await open();
    client.send(get(1, '/hang'));
    const request = await upstreamSees('/hang');
    client.answers = false;
    hop.drain();
    await client.until(() => goaways().length === 1, 'the first GOAWAY');
    client.send(get(3, '/crossing'));
    await client.until(() => client.isComplete(3), 'the response');
    expect(client.status(3)).toBe(200);
    const ping = await client.until(() => client.find(FRAME_PING), 'the ping');
    client.send(frame(FRAME_PING, FLAG_ACK, 0, ping.payload));
    await client.until(() => goaways().length === 2, 'the second GOAWAY');
    expect(goaways()[1]).toBe(3);
    answerWithPath(request);
    await client.closed();
  });

  test('ends at once when nothing is open', async () => {
    await open();
    await client.settle();
    hop.drain();
    await client.closed();
    expect(client.goawayCode).toBe(NO_ERROR);
  });

  test('does not wait for a client that says nothing', async () => {
    await open();
    await client.settle();
    client.answers = false;
    hop.drain();
    await client.closed();
  });
});

describe('a quiet connection', () => {
  test('is closed when it has no stream for long enough', async () => {
    await open({ idleMs: 150 });
    client.send(get(1, '/a'));
    await client.closed();
    expect(client.status(1)).toBe(200);
    expect(client.goawayCode).toBe(NO_ERROR);
  });

  test('is not closed while a stream is open', async () => {
    await open({ idleMs: 100, upstreamMs: 600 });
    client.send(get(1, '/hang'));
    await client.until(() => client.isComplete(1), 'the failure');
    expect(client.status(1)).toBe(504);
  });

  test.each([
    ['before its preface', Buffer.alloc(0)],
    ['within its preface', PREFACE.subarray(0, 10)],
    ['before its settings', PREFACE],
  ])('is closed %s', async (_name, opening) => {
    await open({ headMs: 150, idleMs: 60_000 });
    const silent = await RawPeer.connect(hop.port, opening);
    await silent.closed();
    silent.destroy();
  });

  test('ends a request whose body stands still', async () => {
    await open({ bodyIdleMs: 150 });
    client.send(get(1, '/hang', 0), data(1, 'part'));
    await client.until(() => client.isComplete(1) || client.resetCode(1) !== -1, 'the end');
    expect(client.status(1)).toBe(408);
    expect(hop.ended.map(({ failure }) => failure)).toEqual(['request_body_timeout']);
    const { peer, streamId } = await upstreamSees('/hang');
    await peer.until(() => peer.resetCode(streamId) === CANCEL, 'the end at the endpoint');
  });
});

describe('a client that leaves', () => {
  test.each<[string, (peer: RawPeer) => void]>([
    ['by closing', ({ socket }) => socket.end()],
    ['by a reset of TCP', ({ socket }) => socket.resetAndDestroy()],
    ['by a frame that is an error', (peer) => peer.send(data(0, 'x'))],
  ])('%s, takes all its streams along', async (_name, leave) => {
    await open();
    client.send(get(1, '/hang'), get(3, '/hang'), get(5, '/hang', 0), data(5, 'part'));
    for (let tries = 0; upstream.seen('/hang').length < 3 && tries < 200; tries++)
      await new Promise((resolve) => setTimeout(resolve, 5));
    leave(client);
    for (const { peer, streamId } of upstream.seen('/hang'))
      await peer.until(() => peer.resetCode(streamId) === CANCEL, 'the end at the endpoint');
    expect(hop.ended.map(({ failure }) => failure)).toEqual(Array(3).fill('downstream_aborted'));
    expect(hop.open()).toBe(0);
  });

  test('gracefully, gets what it waits for', async () => {
    await open();
    client.send(get(1, '/hang'), goaway(0, NO_ERROR));
    answerWithPath(await upstreamSees('/hang'));
    await client.until(() => client.isComplete(1), 'the response');
    await client.closed();
    expect(client.goawayCode).toBe(NO_ERROR);
  });
});

test('trailers that have to wait stay those of their own stream, in both directions', async () => {
  await open();
  client.destroy();
  client = await RawPeer.connect(
    hop.port,
    Buffer.concat([PREFACE, settings([SETTINGS_INITIAL_WINDOW_SIZE, 0])]),
  );
  client.send(get(1, '/warm'));
  const [peer] = [(await upstreamSees('/warm')).peer];
  peer.send(settings([SETTINGS_INITIAL_WINDOW_SIZE, 0]));
  await peer.settle();
  const ids = [3, 5, 7];
  for (const id of ids)
    client.send(get(id, '/hang', 0), data(id, 'up'), headers(id, [['x-up', `${id}`]], END));
  await client.settle();
  const requests = upstream.seen('/hang');
  expect(requests.length).toBe(ids.length);
  for (const { streamId } of requests) {
    peer.send(
      headers(streamId, [[':status', '200']]),
      data(streamId, 'down'),
      headers(streamId, [['x-down', `${streamId}`]], END),
    );
  }
  await peer.settle();
  for (const { streamId } of requests) peer.send(windowUpdate(streamId, 100));
  for (const id of ids) client.send(windowUpdate(id, 100));
  await client.until(() => ids.every((id) => client.isComplete(id)), 'the responses');
  expect(ids.map((id) => client.heads(id)[1])).toEqual(
    requests.map(({ streamId }) => [['x-down', `${streamId}`]]),
  );
});

test('trailers that wait for a connection stay those of their own stream', async () => {
  await open();
  const ids = [1, 3, 5];
  for (const id of ids) client.send(get(id, '/hang', 0), headers(id, [['x-up', `${id}`]], END));
  await client.settle();
  for (let tries = 0; upstream.seen('/hang').length < ids.length && tries < 200; tries++)
    await new Promise((resolve) => setTimeout(resolve, 5));
  const [{ peer }] = upstream.seen('/hang') as [SeenRequest];
  await peer.until(() => ids.every((id) => peer.isComplete(id)), 'the requests');
  expect(ids.map((id) => peer.heads(id)[1])).toEqual(ids.map((id) => [['x-up', `${id}`]]));
});

describe('a tunnel', () => {
  const CONNECT: Field[] = [
    [':method', 'CONNECT'],
    [':protocol', 'websocket'],
    [':scheme', 'http'],
    [':authority', 'a.test'],
    [':path', '/hang'],
    ['sec-websocket-version', '13'],
  ];

  test('passes on as a tunnel, without a key', async () => {
    await open();
    client.send(headers(1, CONNECT));
    const { fields } = await upstreamSees('/hang');
    expect(fieldOf(fields, ':method')).toBe('CONNECT');
    expect(fieldOf(fields, ':protocol')).toBe('websocket');
    expect(fieldOf(fields, 'sec-websocket-key')).toBeUndefined();
  });

  test('holds what comes before it is there, and passes on both directions until each has ended', async () => {
    await open();
    client.send(headers(1, CONNECT), data(1, 'early'));
    const { peer, streamId } = await upstreamSees('/hang');
    await peer.settle();
    expect(peer.body(streamId).length).toBe(0);
    peer.send(headers(streamId, [[':status', '200']]));
    await peer.until(() => peer.body(streamId).toString() === 'early', 'the early bytes');
    await client.until(() => client.status(1) === 200, 'the answer');
    expect(fieldOf(client.heads(1)[0] as Field[], 'sec-websocket-accept')).toBeUndefined();
    peer.send(data(streamId, 'down', END));
    await client.until(() => client.isComplete(1), 'the end from the endpoint');
    client.send(data(1, ' and late', END));
    await peer.until(() => peer.isComplete(streamId), 'the end from the client');
    expect(peer.body(streamId).toString()).toBe('early and late');
    expect(client.body(1).toString()).toBe('down');
    await client.settle();
    expect(hop.ended.map(({ failure }) => failure)).toEqual(['none']);
  });

  test('that is declined takes nothing of what came early along', async () => {
    await open();
    client.send(headers(1, CONNECT), data(1, 'early', END));
    const { peer, streamId } = await upstreamSees('/hang');
    peer.send(headers(streamId, [[':status', '403']], END));
    await client.until(() => client.isComplete(1), 'the answer');
    expect(client.status(1)).toBe(403);
    await peer.settle();
    expect(peer.body(streamId).length).toBe(0);
    // The connections are as good as before.
    client.send(get(3, '/next'));
    await client.until(() => client.isComplete(3), 'the next response');
    expect(upstream.peers.length).toBe(1);
  });

  test('whose one direction goes on behind its stream is not mixed up with a request that comes after', async () => {
    await open();
    client.send(headers(1, CONNECT));
    const { peer, streamId } = await upstreamSees('/hang');
    // Nothing of the tunnel may be sent to the endpoint, which has nothing more to say.
    peer.send(settings([SETTINGS_INITIAL_WINDOW_SIZE, 0]), headers(streamId, [[':status', '200']]));
    await client.until(() => client.status(1) === 200, 'the answer');
    for (let i = 0; i < 12; i++) client.send(data(1, Buffer.alloc(16_384, i)));
    client.send(data(1, '', END));
    await client.settle();
    peer.send(data(streamId, '', END));
    await client.until(() => client.isComplete(1), 'the end from the endpoint');
    client.send(get(3, '/next'));
    await client.until(() => client.isComplete(3), 'the next response');
    expect(client.body(3).toString()).toBe('/next');
    peer.send(windowUpdate(0, 1_000_000), windowUpdate(streamId, 1_000_000));
    await peer.until(() => peer.isComplete(streamId), 'the end from the client');
    const expected = Buffer.concat(Array.from({ length: 12 }, (_, i) => Buffer.alloc(16_384, i)));
    expect(peer.body(streamId).equals(expected)).toBe(true);
    await client.settle();
    expect(hop.ended.map(({ failure }) => failure)).toEqual(['none', 'none']);
  });

  test('ends as a whole when either side breaks off', async () => {
    await open();
    client.send(headers(1, CONNECT));
    const { peer, streamId } = await upstreamSees('/hang');
    peer.send(headers(streamId, [[':status', '200']]), data(streamId, 'down'));
    await client.until(() => client.body(1).toString() === 'down', 'the tunnel');
    client.socket.resetAndDestroy();
    await peer.until(() => peer.resetCode(streamId) === CANCEL, 'the end at the endpoint');
    expect(hop.ended.map(({ failure }) => failure)).toEqual(['downstream_aborted']);
  });
});
