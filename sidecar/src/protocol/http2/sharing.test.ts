// Many exchanges on few connections to one endpoint: what one of them does must not become the trouble of another.
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { reply } from '../../core/course.ts';
import { Failure } from '../../core/failure.ts';
import { REPLIED } from '../../core/filter.ts';
import { LIMITS } from '../../core/limits.ts';
import { FLAG_END_STREAM, FRAME_RST_STREAM, NO_ERROR } from './frame.ts';
import { type Hop, type HopOptions, openHop } from './hop.fixture.ts';
import { data, goaway, headers, RawPeer, reset, settings, windowUpdate } from './raw-peer.fixture.ts';
import { answerWithPath, openUpstream, type Serve, type Upstream } from './upstream.fixture.ts';

let upstream: Upstream;
let hop: Hop;

async function open(serve: Serve, opening = settings(), options: Partial<HopOptions> = {}): Promise<void> {
  upstream = await openUpstream(serve, opening);
  hop = await openHop({ downstream: 'http1', upstream: 'http2', upstreamPort: upstream.port, ...options });
}

afterEach(async () => {
  await hop.close();
  upstream.close();
});

function ask(path: string, body = ''): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port: hop.port, path, method: 'POST', agent: false });
    request.on('error', reject);
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('latin1').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject).on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.end(body);
  });
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const startedMs = performance.now();
  while (!condition()) {
    if (performance.now() - startedMs > 4_000) throw new Error(`${what} did not come`);
    await sleep(2);
  }
}

test.each([1, 3])(
  'an endpoint that allows %i streams gets no more, and each request once',
  async (streams) => {
    let most = 0;
    const running = new Map<RawPeer, number>();
    await open(
      (request) => {
        const now = (running.get(request.peer) ?? 0) + 1;
        running.set(request.peer, now);
        most = Math.max(most, now);
        void request.peer
          .until(() => request.peer.isComplete(request.streamId))
          .then(() => sleep(5))
          .then(() => {
            running.set(request.peer, (running.get(request.peer) as number) - 1);
            answerWithPath(request);
          })
          .catch(() => {});
      },
      settings([3, streams]),
    );
    const answers = await Promise.all(Array.from({ length: 24 }, (_, i) => ask(`/${i}`, 'body')));
    expect(answers).toEqual(answers.map((_, i) => ({ status: 200, text: `/${i}` })));
    expect(most).toBe(streams);
    expect(upstream.requests.length).toBe(24);
  },
);

test('an endpoint that allows fewer streams than are open is given time', async () => {
  await open((request) => {
    if (request.path === '/hang') return;
    answerWithPath(request);
  });
  const hanging = Array.from({ length: 4 }, () => ask('/hang'));
  await until(() => upstream.seen('/hang').length === 4, 'the requests');
  upstream.peers[0]?.send(settings([3, 2]));
  await upstream.peers[0]?.settle();
  expect((await ask('/other')).text).toBe('/other');
  expect(upstream.peers.length).toBe(2);
  for (const request of upstream.seen('/hang')) answerWithPath(request);
  await Promise.all(hanging);
  // The first connection has room again, within what it allows now.
  expect((await ask('/again')).text).toBe('/again');
});

test('callers that leave make us leave the connection before the endpoint throws us out', async () => {
  await open((request) => {
    if (request.path !== '/hang') answerWithPath(request);
  });
  await ask('/first');
  const calm = ask('/hang');
  await until(() => upstream.seen('/hang').length === 1, 'the calm request');
  const leaving = 2 * LIMITS.http2OwnPrematureResets + 50;
  for (let batch = 0; batch < leaving; batch += 50) {
    const before = upstream.requests.length;
    const requests = Array.from({ length: 50 }, () => {
      const request = http.request({ host: '127.0.0.1', port: hop.port, path: '/hang', agent: false });
      request.on('error', () => {}).end();
      return request;
    });
    await until(() => upstream.requests.length === before + 50, 'the requests');
    for (const request of requests) request.socket?.resetAndDestroy();
    await until(() => hop.open() === 1, 'the aborts');
  }
  const resets = upstream.peers.map(
    ({ frames }) => frames.filter(({ type }) => type === FRAME_RST_STREAM).length,
  );
  expect(Math.max(...resets)).toBeLessThanOrEqual(LIMITS.http2OwnPrematureResets + 50);
  expect(upstream.peers.length).toBeGreaterThanOrEqual(3);
  for (const request of upstream.seen('/hang')) answerWithPath(request);
  expect(await calm).toMatchObject({ status: 200 });
});

test('a response that nobody reads does not hold up others of its connection', async () => {
  const body = Buffer.alloc(16_384, 'x');
  await open((request) => {
    const { peer, streamId, path } = request;
    if (path !== '/large') {
      answerWithPath(request);
      return;
    }
    peer.send(headers(streamId, [[':status', '200']]));
    // All that the stream's window holds.
    for (let i = 0; i < 16; i++) peer.send(data(streamId, body));
  });
  const slow = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const client = await RawPeer.connect(hop.port, null);
      client.socket.pause();
      client.socket.write('GET /large HTTP/1.1\r\nHost: a\r\n\r\n');
      return client;
    }),
  );
  await until(() => upstream.seen('/large').length === 20, 'the large requests');
  // More than the connection's first window came, and was not read; it goes on all the same.
  for (let i = 0; i < 10; i++) expect((await ask(`/small${i}`)).text).toBe(`/small${i}`);
  expect(upstream.peers.length).toBe(1);
  for (const client of slow) client.destroy();
});

test('a request body that the endpoint does not take does not hold up others', async () => {
  await open((request) => {
    if (request.path !== '/sink') answerWithPath(request);
  });
  const stuck = http.request({
    host: '127.0.0.1',
    port: hop.port,
    path: '/sink',
    method: 'POST',
    agent: false,
  });
  stuck.on('error', () => {});
  stuck.write(Buffer.alloc(2_000_000));
  await until(() => upstream.seen('/sink').length === 1, 'the request');
  const { peer, streamId } = upstream.seen('/sink')[0] as Upstream['requests'][number];
  await until(() => peer.body(streamId).length === 65_535, 'one window');
  // The connection's window is full as well: others need no window for a request without a body.
  expect((await ask('/other')).text).toBe('/other');
  peer.send(windowUpdate(0, 100));
  expect((await ask('/body', 'hello')).text).toBe('/body');
  stuck.destroy();
});

test('a filter that answers in place of an attempt leaves the connection alone', async () => {
  await open(answerWithPath, settings(), {
    filters: [
      {
        name: 'refuses',
        onAttemptHead(exchange) {
          if (exchange.request.path !== '/refused') return 0;
          reply(exchange, Failure.noRoute);
          return REPLIED;
        },
      },
    ],
  });
  await ask('/first');
  expect((await ask('/refused')).status).toBe(404);
  expect((await ask('/second')).text).toBe('/second');
  await upstream.peers[0]?.settle();
  expect(upstream.peers.length).toBe(1);
  expect(upstream.peers[0]?.find(FRAME_RST_STREAM, 3)).toBeUndefined();
  expect(upstream.peers[0]?.goawayCode).toBe(-1);
});

test('each unprocessed request of a connection that is left is sent once more, the processed ones are not', async () => {
  let left = false;
  const answeredTwice: string[] = [];
  await open((request) => {
    if (left) answeredTwice.push(request.path);
    if (left || request.path === '/first') answerWithPath(request);
  });
  await ask('/first');
  const asked = Array.from({ length: 10 }, (_, i) => ask(`/${i}`));
  await until(() => upstream.requests.length === 11, 'the requests');
  left = true;
  const [peer] = upstream.peers as [RawPeer];
  // Streams 3 to 11 are taken, the rest is not.
  peer.send(goaway(11, NO_ERROR));
  for (const request of upstream.requests.slice(1, 6)) answerWithPath(request);
  const answers = await Promise.all(asked);
  expect(answers.map(({ text }) => text)).toEqual(answers.map((_, i) => `/${i}`));
  const later = upstream.requests.slice(6, 11).map(({ path }) => path);
  expect(answeredTwice.toSorted()).toEqual(later.toSorted());
  await peer.closed();
  expect(peer.frames.some(({ flags, streamId }) => streamId > 21 && (flags & FLAG_END_STREAM) !== 0)).toBe(
    false,
  );
});

test('connections that are retired complete what they carry, and take nothing more', async () => {
  await open((request) => {
    if (request.path !== '/hang') answerWithPath(request);
  });
  const hanging = ask('/hang');
  await until(() => upstream.seen('/hang').length === 1, 'the request');
  hop.endpoint.retireConnections();
  expect((await ask('/next')).text).toBe('/next');
  expect(upstream.peers.length).toBe(2);
  answerWithPath(upstream.seen('/hang')[0] as Upstream['requests'][number]);
  expect((await hanging).text).toBe('/hang');
  await upstream.peers[0]?.closed();
  expect(upstream.peers[0]?.goawayCode).toBe(NO_ERROR);
});

test('an endpoint that is silent is left before the next request has to wait for it', async () => {
  await open(
    (request) => {
      if (request.path !== '/hang') answerWithPath(request);
    },
    settings(),
    { timeouts: { upstreamMs: 300 } },
  );
  await ask('/first');
  const [peer] = upstream.peers as [RawPeer];
  peer.answers = false;
  expect((await ask('/hang')).status).toBe(504);
  expect((await ask('/next')).text).toBe('/next');
  expect(upstream.peers.length).toBe(2);
});

test('an endpoint that says of each answered request that it does not want the rest keeps its connection', async () => {
  await open((request) => {
    answerWithPath(request);
    request.peer.send(reset(request.streamId, NO_ERROR));
  });
  const rounds = 30;
  const atOnce = LIMITS.http2NuisanceBurst / 20;
  for (let round = 0; round < rounds; round++) {
    const answers = await Promise.all(Array.from({ length: atOnce }, (_, i) => ask(`/${i}`, 'body')));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
  }
  expect(upstream.requests.length).toBeGreaterThan(LIMITS.http2NuisanceBurst);
  expect(upstream.peers.length).toBe(1);
});
