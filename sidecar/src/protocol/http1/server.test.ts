// What a downstream connection does when one side falls silent, leaves, or says more than it should. What is forwarded and what is refused
// is the business of test/conformance.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { resume } from '../../core/course.ts';
import type { Exchange } from '../../core/exchange.ts';
import { Failure } from '../../core/failure.ts';
import { type Filter, PAUSED } from '../../core/filter.ts';
import { LIMITS } from '../../core/limits.ts';
import { type End, Hop, TIMEOUT_MS, until } from './hop.fixture.ts';

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
const STREAM_HEAD = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';

let hop: Hop;

beforeEach(() => {
  hop = new Hop();
});

afterEach(() => hop.close());

/** A response that has begun and goes on, chunk by chunk. */
async function beginStream(request = GET): Promise<{ client: End; origin: End }> {
  await hop.open();
  const client = hop.client();
  client.socket.write(request);
  const origin = await hop.connected(1);
  await origin.receives('\r\n\r\n');
  origin.socket.write(`${STREAM_HEAD}5\r\nfirst\r\n`);
  await client.receives('first');
  return { client, origin };
}

describe('a client that leaves during a response', () => {
  test.each([
    ['closes', (client: End) => client.socket.destroy()],
    ['closes its side', (client: End) => client.socket.end()],
  ])('is noticed when it %s and the response stands still', async (_how, leave) => {
    const { client, origin } = await beginStream();
    leave(client);
    const passedMs = await hop.passTimeUntil(() => hop.over.length > 0);
    expect(passedMs).toBeLessThan(TIMEOUT_MS);
    expect(hop.over[0]?.failure).toBe(Failure.downstreamAborted);
    // The upstream works for nobody any more, and what the client has does not look complete.
    await until(() => origin.ended && client.closed);
    expect(client.received).not.toContain('0\r\n\r\n');
  });

  test('is noticed by the next write, without any wait', async () => {
    const { client, origin } = await beginStream();
    client.socket.destroy();
    const interval = setInterval(() => origin.socket.write('4\r\nmore\r\n'), 5);
    await until(() => hop.over.length > 0);
    clearInterval(interval);
    expect(hop.over[0]?.failure).toBe(Failure.downstreamAborted);
  });

  test('gets all of it when it only closed its side and the response goes on', async () => {
    const { client, origin } = await beginStream();
    client.socket.end();
    await until(() => hop.upstream.length === 1);
    for (let i = 0; i < 5; i++) {
      await hop.clock.advance(LIMITS.halfClosedQuietMs - 2 * LIMITS.deadlineTickMs);
      origin.socket.write(`2\r\nm${i}\r\n`);
      await client.receives(`m${i}`);
    }
    origin.socket.write('0\r\n\r\n');
    await until(() => client.ended);
    expect(client.received.endsWith('0\r\n\r\n')).toBe(true);
    expect(hop.over.map(({ failure }) => failure)).toEqual([Failure.none]);
  });

  test('may leave a tunnel half open in silence', async () => {
    await hop.open();
    const client = hop.client();
    const upgrade = 'connection: upgrade\r\nupgrade: echo\r\n';
    client.socket.write(`GET / HTTP/1.1\r\nhost: a\r\n${upgrade}\r\n`);
    const origin = await hop.connected(1);
    await origin.receives('\r\n\r\n');
    origin.socket.write(`HTTP/1.1 101 Switching Protocols\r\n${upgrade}\r\n`);
    await client.receives('101');
    client.socket.end('up');
    await origin.receives('up');
    await until(() => origin.ended);
    await hop.clock.advance(10 * LIMITS.halfClosedQuietMs);
    origin.socket.end('down');
    await client.receives('down');
    await until(() => hop.over.length > 0);
    expect(hop.over[0]?.failure).toBe(Failure.none);
  });
});

describe('a client that closes its side before the response', () => {
  const ask = async () => {
    await hop.open();
    const client = hop.client();
    client.socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    const origin = await hop.connected(1);
    await origin.receives('\r\n\r\n');
    return { client, origin };
  };

  test('and is gone, is noticed by the second probe, and the upstream works for nobody any more', async () => {
    const { client, origin } = await ask();
    client.socket.destroy();
    const passedMs = await hop.passTimeUntil(() => hop.over.length > 0);
    expect(passedMs).toBeLessThan(TIMEOUT_MS);
    expect(hop.over[0]?.failure).toBe(Failure.downstreamAborted);
    await until(() => origin.ended);
  });

  test('and reads on, is probed twice and gets its response', async () => {
    const { client, origin } = await ask();
    client.socket.end();
    await client.receives('100 Continue');
    await hop.clock.advance(LIMITS.secondProbeMs + 2 * LIMITS.deadlineTickMs);
    await until(() => client.received.split('100 Continue').length === 3);
    await hop.clock.advance(4 * LIMITS.secondProbeMs);
    origin.socket.write('HTTP/1.1 204 No Content\r\n\r\n');
    await until(() => client.ended);
    expect(client.received.match(/HTTP\/1\.1 \d+/g)).toEqual([
      'HTTP/1.1 100',
      'HTTP/1.1 100',
      'HTTP/1.1 204',
    ]);
    expect(hop.over.map(({ failure }) => failure)).toEqual([Failure.none]);
  });
});

describe('a request body', () => {
  const post = (lines = '') => `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n${lines}\r\n`;

  test('that never begins is waited for as long as one that stops', async () => {
    await hop.open();
    const client = hop.client();
    client.socket.write(post());
    await hop.passTimeUntil(() => client.ended);
    expect(client.received).toMatch(/^HTTP\/1\.1 408 [\s\S]*connection: close[\s\S]*request_body_timeout/);
    expect(hop.over[0]?.failure).toBe(Failure.requestBodyTimeout);
  });

  test('that waits for 100 Continue waits for the upstream, which is to blame', async () => {
    await hop.open();
    const client = hop.client();
    client.socket.write(post('expect: 100-continue\r\n'));
    await hop.passTimeUntil(() => client.ended);
    expect(client.received).toMatch(/^HTTP\/1\.1 504 /);
    expect(hop.over[0]?.failure).toBe(Failure.upstreamTimeout);
  });

  test('that was asked for with 100 Continue and does not come is the fault of the client', async () => {
    await hop.open();
    const client = hop.client();
    client.socket.write(post('expect: 100-continue\r\n'));
    const origin = await hop.connected(1);
    await origin.receives('\r\n\r\n');
    origin.socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    await client.receives('100 Continue');
    await hop.passTimeUntil(() => client.ended);
    expect(hop.over[0]?.failure).toBe(Failure.requestBodyTimeout);
  });

  test('that ends too early behind a filter that waits is no request', async () => {
    const paused: Exchange[] = [];
    const pausing: Filter = {
      name: 'pausing',
      onRequestHead: (exchange) => {
        paused.push(exchange);
        return PAUSED;
      },
    };
    await hop.open([pausing]);
    const client = hop.client();
    client.socket.end(`${post()}hel`);
    await until(() => paused.length > 0);
    resume(paused[0] as Exchange);
    await until(() => hop.over.length > 0);
    expect(hop.over[0]?.failure).toBe(Failure.downstreamAborted);
  });
});

describe('the rest of a body behind a complete response', () => {
  const HEAD = 'POST /first HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n';
  const chunk = (bytes: number) => `${bytes.toString(16)}\r\n${'x'.repeat(bytes)}\r\n`;

  async function answerEarly(status: string): Promise<{ client: End; origin: End }> {
    await hop.open();
    const client = hop.client();
    client.socket.write(HEAD);
    const origin = await hop.connected(1);
    await origin.receives('hi');
    origin.socket.write(`HTTP/1.1 ${status}\r\ncontent-length: 2\r\n\r\nok`);
    await client.receives('\r\n\r\nok');
    return { client, origin };
  }

  test('is read and thrown away, and the connection serves the next request', async () => {
    const { client } = await answerEarly('200 OK');
    expect(client.received).not.toContain('connection: close');
    client.socket.write(
      `${chunk(LIMITS.discardBodyBytes - 2)}0\r\n\r\nGET /second HTTP/1.1\r\nhost: a\r\n\r\n`,
    );
    const second = await hop.connected(2);
    await second.receives('GET /second ');
  });

  test('ends the connection when it is too much', async () => {
    const { client } = await answerEarly('200 OK');
    client.socket.write(
      `${chunk(LIMITS.discardBodyBytes + 1)}0\r\n\r\nGET /second HTTP/1.1\r\nhost: a\r\n\r\n`,
    );
    await until(() => client.ended);
    expect(client.failed).toBe(false);
    expect(hop.upstream).toHaveLength(1);
  });

  test('ends the connection when it is malformed', async () => {
    const { client } = await answerEarly('200 OK');
    client.socket.write('nonsense\r\n');
    await until(() => client.ended);
    expect(hop.over.map(({ failure }) => failure)).toEqual([Failure.none]);
  });

  test('is announced as unwanted when nobody knows how much it is and the response is a refusal', async () => {
    const { client } = await answerEarly('401 Unauthorized');
    expect(client.received).toContain('connection: close');
    // Who goes on sending is listened to for a while, so that nothing overtakes the response, but not for ever.
    const steps = LIMITS.lingerTotalMs / LIMITS.lingerMs;
    for (let i = 0; i < steps; i++) {
      expect(client.closed).toBe(false);
      client.socket.write(chunk(1_000));
      await hop.clock.advance(LIMITS.lingerMs - 2 * LIMITS.deadlineTickMs);
    }
    await hop.clock.advance(LIMITS.lingerMs);
    // A connection that is gone answers with a reset.
    await until(() => {
      if (client.socket.writable) client.socket.write(chunk(1_000));
      return client.closed;
    });
  });
});
