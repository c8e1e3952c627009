// HTTP/1.1 to HTTP/2, back, and HTTP/2 to itself: the same exchange whatever the two sides speak. Bodies of every framing, trailers, 100
// and early answers arrive as they were sent; whoever breaks off, at whatever point, the other end sees it at once, and the exchange is
// observed once, with what went wrong.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Hop, openHop } from '../../../sidecar/src/protocol/http2/hop.fixture.ts';
import {
  type ClientEnd,
  type Framing,
  openClient,
  openServer,
  type Protocol,
  type Server,
  type ServerEnd,
} from './ends.ts';

const PAIRS: [Protocol, Protocol][] = [
  ['http1', 'http2'],
  ['http2', 'http1'],
  ['http2', 'http2'],
];
const OPEN: Framing = { kind: 'open' };
const NONE: Framing = { kind: 'none' };
const WAIT_LIMIT_MS = 3_000;
/** A client of HTTP/1.1 that closes may only have half-closed, and is due its response: a reset is its one way to break off. */
const WAYS_TO_LEAVE = { http1: ['vanish'], http2: ['abort', 'vanish'] } as const;

describe.each(PAIRS)('from %s to %s', (downstream, upstream) => {
  let server: Server;
  let hop: Hop;
  let client: ClientEnd;

  beforeEach(async () => {
    server = await openServer(upstream);
    hop = await openHop({ downstream, upstream, upstreamPort: server.port });
    client = await openClient(downstream, hop.port);
  });

  afterEach(async () => {
    client.vanish();
    await hop.close();
    server.close();
  });

  async function received(): Promise<ServerEnd> {
    await until(() => server.requests.length > 0, 'the request');
    return server.requests[0] as ServerEnd;
  }

  /** Once, and with this failure. */
  async function observed(failure: string): Promise<void> {
    await until(() => hop.ended.length > 0, 'the end of the exchange');
    // An exchange that was observed twice would be by now.
    await sleep(20);
    expect(hop.ended.map((ended) => ended.failure)).toEqual([failure]);
    expect(hop.open()).toBe(0);
  }

  test.each<[string, Framing, Framing, string]>([
    ['nothing', NONE, NONE, ''],
    ['nothing, said so', { kind: 'length', length: 0 }, { kind: 'length', length: 0 }, ''],
    ['nothing, of unknown length', OPEN, OPEN, ''],
    ['a word', { kind: 'length', length: 5 }, { kind: 'length', length: 5 }, 'hello'],
    ['a word of unknown length', OPEN, OPEN, 'hello'],
    ['a word one way and unknown the other', { kind: 'length', length: 5 }, OPEN, 'hello'],
    ['60 kB', OPEN, { kind: 'length', length: 60_000 }, 'abcdefghij'.repeat(6_000)],
  ])('a body of %s', async (_name, asked, answered, body) => {
    client.begin('POST', asked);
    if (body !== '') client.sendBody(body);
    if (asked.kind !== 'none') client.sendEnd();
    const request = await received();
    await until(() => request.seen().complete, 'the request');
    expect(request.seen().body).toBe(body);
    request.begin(
      200,
      answered.kind === 'none' && upstream === 'http1' ? { kind: 'length', length: 0 } : answered,
    );
    if (body !== '') request.sendBody(body);
    if (answered.kind !== 'none') request.sendEnd();
    await until(() => client.seen().complete, 'the response');
    expect(client.seen()).toMatchObject({ status: 200, body, broken: false });
    await observed('none');
  });

  test('trailers of both', async () => {
    client.begin('POST', OPEN);
    client.sendBody('up');
    client.sendEnd([['x-up', '1']]);
    const request = await received();
    await until(() => request.seen().complete, 'the request');
    expect(request.seen()).toMatchObject({ body: 'up', trailers: [['x-up', '1']] });
    request.begin(200, OPEN);
    request.sendBody('down');
    request.sendEnd([['x-down', '2']]);
    await until(() => client.seen().complete, 'the response');
    expect(client.seen()).toMatchObject({ body: 'down', trailers: [['x-down', '2']] });
    await observed('none');
  });

  test('a client that waits for 100', async () => {
    client.begin('POST', { kind: 'length', length: 5 }, [['expect', '100-continue']]);
    const request = await received();
    expect(request.seen().fields).toContainEqual(['expect', '100-continue']);
    request.sendInterim(100);
    await until(() => client.seen().interim.length > 0, '100');
    expect(client.seen()).toMatchObject({ interim: [100], status: 0 });
    client.sendBody('hello');
    client.sendEnd();
    await until(() => request.seen().complete, 'the request');
    request.begin(201, upstream === 'http1' ? { kind: 'length', length: 0 } : NONE);
    await until(() => client.seen().complete, 'the response');
    expect(client.seen().status).toBe(201);
    await observed('none');
  });

  test('an answer before the end of its request', async () => {
    client.begin('POST', OPEN);
    client.sendBody('part');
    const request = await received();
    request.begin(413, { kind: 'length', length: 2 });
    request.sendBody('no');
    request.sendEnd();
    await until(() => client.seen().complete, 'the response');
    expect(client.seen()).toMatchObject({ status: 413, body: 'no', broken: false });
    await until(() => request.seen().broken, 'the end of the request');
    await observed('none');
  });

  test('both directions at once', async () => {
    client.begin('POST', OPEN);
    const request = await received();
    request.begin(200, OPEN);
    let sent = '';
    for (let i = 0; i < 20; i++) {
      const part = String.fromCharCode(97 + i).repeat(1_000);
      sent += part;
      client.sendBody(part);
      await until(() => request.seen().body === sent, 'a part of the request');
      request.sendBody(part);
      await until(() => client.seen().body === sent, 'a part of the response');
    }
    client.sendEnd();
    await until(() => request.seen().complete, 'the request');
    request.sendEnd();
    await until(() => client.seen().complete, 'the response');
    await observed('none');
  });

  describe.each(WAYS_TO_LEAVE[downstream])('a client that leaves (%s)', (leave) => {
    test('while it waits', async () => {
      client.begin('GET', NONE);
      const request = await received();
      client[leave]();
      await until(() => request.seen().broken, 'the end at the endpoint');
      await observed('downstream_aborted');
    });

    test('within its request', async () => {
      client.begin('POST', { kind: 'length', length: 100 });
      client.sendBody('part');
      const request = await received();
      await until(() => request.seen().body === 'part', 'the part');
      client[leave]();
      await until(() => request.seen().broken, 'the end at the endpoint');
      expect(request.seen().complete).toBe(false);
      await observed('downstream_aborted');
    });

    test('within the response', async () => {
      client.begin('GET', NONE);
      const request = await received();
      request.begin(200, OPEN);
      request.sendBody('part');
      await until(() => client.seen().body === 'part', 'the part');
      client[leave]();
      await until(() => request.seen().broken, 'the end at the endpoint');
      await observed('downstream_aborted');
    });
  });

  describe.each(['abort', 'vanish'] as const)('an endpoint that leaves (%s)', (leave) => {
    test('before it answers', async () => {
      client.begin('POST', { kind: 'length', length: 2 });
      client.sendBody('ab');
      client.sendEnd();
      const request = await received();
      await until(() => request.seen().complete, 'the request');
      request[leave]();
      await until(() => client.seen().complete, 'the response');
      expect(client.seen().status).toBe(502);
      await observed('upstream_reset');
    });

    test('within the request', async () => {
      client.begin('POST', { kind: 'length', length: 100 });
      client.sendBody('part');
      const request = await received();
      await until(() => request.seen().body === 'part', 'the part');
      request[leave]();
      await until(() => client.seen().complete, 'the response');
      expect(client.seen().status).toBe(502);
      await observed('upstream_reset');
    });

    test('within its response', async () => {
      client.begin('GET', NONE);
      const request = await received();
      request.begin(200, OPEN);
      request.sendBody('part');
      await until(() => client.seen().body === 'part', 'the part');
      request[leave]();
      await until(() => client.seen().broken, 'the end at the client');
      expect(client.seen().complete).toBe(false);
      await observed('upstream_reset');
    });

    test('within a response whose length is known', async () => {
      client.begin('GET', NONE);
      const request = await received();
      request.begin(200, { kind: 'length', length: 100 });
      request.sendBody('part');
      await until(() => client.seen().body === 'part', 'the part');
      request[leave]();
      await until(() => client.seen().broken, 'the end at the client');
      await observed('upstream_reset');
    });
  });
});

async function until(condition: () => boolean, what: string): Promise<void> {
  const startedMs = performance.now();
  while (!condition()) {
    if (performance.now() - startedMs > WAIT_LIMIT_MS) throw new Error(`${what} did not come`);
    await sleep(2);
  }
}
