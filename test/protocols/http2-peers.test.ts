// Clients and servers of HTTP/2 that services are built with, through two sidecars: Node's, and undici's.
import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { H2CClient } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { throughTwoSidecars } from './sidecar-pair.ts';
import type { Stand } from './stand.ts';

const STREAMS = 200;
const LARGE_BYTES = 1_000_000;

let server: http2.Http2Server;
/** Streams that the service was told are given up. */
let aborted: number;

beforeAll(async () => {
  aborted = 0;
  server = http2.createServer({ maxSessionMemory: 1_000 });
  server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    stream.on('error', () => {});
    stream.on('aborted', () => aborted++);
    if (headers[':path'] === '/hang') return;
    if (headers[':path'] === '/early') stream.additionalHeaders({ ':status': 103, link: '</style.css>' });
    stream.respond({ ':status': 200, 'x-method': headers[':method'] ?? '' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'seven' }));
    stream.pipe(stream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterAll(() => {
  server.close();
});

describe.each(['off', 'strict'] as const)('mtls: %s', (mtls) => {
  let pair: Stand;
  beforeAll(async () => {
    pair = await throughTwoSidecars({ mtls, protocol: 'http2' })((server.address() as AddressInfo).port);
  });
  afterAll(() => pair?.stop());

  describe("Node's client", () => {
    let session: http2.ClientHttp2Session;
    beforeAll(async () => {
      session = http2.connect(`http://127.0.0.1:${pair.port}`);
      await once(session, 'remoteSettings');
    });
    afterAll(() => session.close());

    function ask(path: string, method = 'POST'): http2.ClientHttp2Stream {
      const stream = session.request({ ':method': method, ':path': path, ':authority': 'callee' });
      return stream;
    }

    it(`${STREAMS} streams at once, each with its own body and trailers`, async () => {
      await Promise.all(
        Array.from({ length: STREAMS }, async (_, i) => {
          const body = Buffer.alloc(i * 100, i);
          const stream = ask(`/${i}`);
          const trailers = once(stream, 'trailers');
          stream.end(body);
          expect((await buffer(stream)).equals(body)).toBe(true);
          expect(((await trailers)[0] as http2.IncomingHttpHeaders)['x-sum']).toBe('seven');
        }),
      );
    });

    it('a large body both ways', async () => {
      const body = Buffer.alloc(LARGE_BYTES, 'abcdefg');
      const stream = ask('/large');
      stream.end(body);
      expect((await buffer(stream)).equals(body)).toBe(true);
    });

    it('an interim response, and HEAD', async () => {
      const stream = ask('/early', 'GET');
      const early = once(stream, 'headers');
      stream.end();
      expect(((await early)[0] as http2.IncomingHttpHeaders).link).toBe('</style.css>');
      await text(stream);
      const head = ask('/', 'HEAD');
      const [headers] = (await once(head, 'response')) as [http2.IncomingHttpHeaders];
      expect(headers['x-method']).toBe('HEAD');
      head.resume();
      await once(head, 'close');
    });

    it('a stream that is given up is given up at the service, and no other', async () => {
      const before = aborted;
      const kept = ask('/kept');
      const left = ask('/hang', 'GET');
      left.on('error', () => {});
      await new Promise((resolve) => setTimeout(resolve, 50));
      left.close(http2.constants.NGHTTP2_CANCEL);
      await once(left, 'close');
      kept.end('still here');
      expect(await text(kept)).toBe('still here');
      while (aborted === before) await new Promise((resolve) => setTimeout(resolve, 5));
      expect(aborted).toBe(before + 1);
    });
  });

  it("undici's client", async () => {
    const client = new H2CClient(`http://127.0.0.1:${pair.port}`, { pipelining: 50 });
    const bodies = await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const answer = await client.request({
          method: 'POST',
          path: `/${i}`,
          headers: { 'content-type': 'text/plain' },
          body: `body ${i}`,
        });
        expect(answer.statusCode).toBe(200);
        return answer.body.text();
      }),
    );
    expect(bodies).toEqual(bodies.map((_, i) => `body ${i}`));
    await client.close();
  });
});
