// What the two codecs write of each other's heads, read back by a peer that joins the pieces.
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FLAG_END_STREAM, FRAME_HEADERS } from './frame.ts';
import { type Hop, openHop } from './hop.fixture.ts';
import { Http1Peer } from './http1-peer.fixture.ts';
import { type Field, fieldOf, headers, RawPeer, settings } from './raw-peer.fixture.ts';
import { answerWithPath, openUpstream, type SeenRequest, type Upstream } from './upstream.fixture.ts';

const CONNECTION_FIELDS = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'host',
];

describe('a request of HTTP/1.1', () => {
  let upstream: Upstream;
  let hop: Hop;
  let client: Http1Peer;

  beforeAll(async () => {
    upstream = await openUpstream(answerWithPath);
    hop = await openHop({ downstream: 'http1', upstream: 'http2', upstreamPort: upstream.port });
  });
  beforeEach(async () => {
    client = await Http1Peer.connect(hop.port);
  });
  afterEach(() => client.destroy());
  afterAll(async () => {
    await hop.close();
    upstream.close();
  });

  async function pass(head: string): Promise<SeenRequest> {
    const before = upstream.requests.length;
    client.send(head);
    await client.until(() => client.text.includes('\r\n\r\n'));
    return upstream.requests[before] as SeenRequest;
  }

  test('becomes pseudo-headers and fields in lower case, in their order', async () => {
    const { fields } = await pass(
      'GET /p?q HTTP/1.1\r\nX-First: 1\r\nHost: A.test:80\r\nx-second: 2\r\n\r\n',
    );
    expect(fields).toEqual([
      [':method', 'GET'],
      [':scheme', 'http'],
      [':authority', 'A.test:80'],
      [':path', '/p?q'],
      ['x-first', '1'],
      ['x-second', '2'],
    ]);
  });

  test('has the endpoint for its authority when it has none', async () => {
    const { fields } = await pass('GET / HTTP/1.0\r\n\r\n');
    expect(fieldOf(fields, ':authority')).toBe(`127.0.0.1:${upstream.port}`);
  });

  test.each([
    ['Connection: close'],
    ['Connection: x-mine\r\nX-Mine: 1'],
    ['Connection: keep-alive\r\nKeep-Alive: timeout=5'],
    ['Proxy-Connection: keep-alive'],
    ['Upgrade: h2c\r\nConnection: upgrade, http2-settings\r\nHTTP2-Settings: AAMAAABk'],
    ['TE: gzip'],
  ])('leaves out what belongs to its connection: %s', async (lines) => {
    const { fields } = await pass(`GET / HTTP/1.1\r\nHost: a\r\n${lines}\r\n\r\n`);
    const names = fields.map(([name]) => name);
    expect(
      names.filter((name) => [...CONNECTION_FIELDS, 'x-mine', 'te', 'http2-settings'].includes(name)),
    ).toEqual([]);
  });

  test('keeps its wish for trailers', async () => {
    const { fields } = await pass('GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: te\r\n\r\n');
    expect(fieldOf(fields, 'te')).toBe('trailers');
  });

  test('asks for no tunnel that the endpoint does not offer: an upgrade may be ignored', async () => {
    const { fields, peer, streamId } = await pass(
      'GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Key: x\r\n\r\n',
    );
    expect(fieldOf(fields, ':method')).toBe('GET');
    expect(fieldOf(fields, ':protocol')).toBeUndefined();
    expect(peer.isComplete(streamId)).toBe(true);
    expect(client.text).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe('a head of any length', () => {
  let upstream: Upstream;
  let hop: Hop;

  beforeAll(async () => {
    upstream = await openUpstream(answerWithFields);
    hop = await openHop({ downstream: 'http2', upstream: 'http2', upstreamPort: upstream.port });
  });
  afterAll(async () => {
    await hop.close();
    upstream.close();
  });

  /** Sends the request's own fields back. */
  function answerWithFields({ peer, streamId, fields }: SeenRequest): void {
    const own = fields.filter(([name]) => name.startsWith('x-'));
    peer.send(...headersInParts(streamId, [[':status', '200'], ...own]));
  }

  test('is cut into frames that the peer takes, and is the same behind them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 16_000 }), fc.boolean()), { maxLength: 6 }),
        async (lengths) => {
          const own = lengths.map(
            ([length, repeats], i): Field => [
              `x-${i}`,
              (repeats ? 'r' : String.fromCharCode(97 + i)).repeat(Math.min(length, 9_000)),
            ],
          );
          const client = await RawPeer.connect(hop.port, null);
          client.answers = true;
          client.send(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), settings());
          const sent: Field[] = [
            [':method', 'GET'],
            [':scheme', 'http'],
            [':authority', 'a.test'],
            [':path', '/'],
            ...own,
          ];
          client.send(...headersInParts(1, sent));
          await client.until(() => client.isComplete(1) || client.ended, 'the response');
          expect(client.heads(1)[0]?.slice(1)).toEqual(own);
          expect(upstream.requests.at(-1)?.fields.slice(4)).toEqual(own);
          client.destroy();
        },
      ),
      { numRuns: 25 },
    );
  });
});

/** HEADERS with END_STREAM, cut where a frame is full. */
function headersInParts(streamId: number, fields: readonly Field[]): Buffer[] {
  const whole = headers(streamId, fields, FLAG_END_STREAM).subarray(9);
  const parts: Buffer[] = [];
  for (let at = 0; at === 0 || at < whole.length; at += 16_384) {
    const part = whole.subarray(at, at + 16_384);
    const header = Buffer.alloc(9);
    header.writeUIntBE(part.length, 0, 3);
    header[3] = at === 0 ? FRAME_HEADERS : 9;
    header[4] = (at === 0 ? FLAG_END_STREAM : 0) | (at + 16_384 >= whole.length ? 4 : 0);
    header.writeUInt32BE(streamId, 5);
    parts.push(header, part);
  }
  return parts;
}
