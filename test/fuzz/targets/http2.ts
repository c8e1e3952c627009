// Both codecs of HTTP/2 as peers see them, one of whom went mad. Nothing throws, every exchange ends once, what is sent stays well-formed,
// streams and what waits stay bounded, and how the bytes are cut makes no difference to what comes of them.
import { deepStrictEqual, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { begin, onUpstreamReady, onUpstreamUnavailable } from '../../../sidecar/src/core/course.ts';
import { type DownstreamStream, Exchange } from '../../../sidecar/src/core/exchange.ts';
import { Failure } from '../../../sidecar/src/core/failure.ts';
import { LIMITS } from '../../../sidecar/src/core/limits.ts';
import { RequestHead } from '../../../sidecar/src/protocol/head.ts';
import { scanRequestHead } from '../../../sidecar/src/protocol/http1/request-head.ts';
import { Http2Client } from '../../../sidecar/src/protocol/http2/client.ts';
import {
  FRAME_CONTINUATION,
  FRAME_GOAWAY,
  FRAME_HEADERS,
  FRAME_RST_STREAM,
  PREFACE,
} from '../../../sidecar/src/protocol/http2/frame.ts';
import { FrameReader } from '../../../sidecar/src/protocol/http2/frame-reader.ts';
import { HPACK_OK, HpackDecoder } from '../../../sidecar/src/protocol/http2/hpack/decoder.ts';
import { block, type Field, frame, settings } from '../../../sidecar/src/protocol/http2/raw-peer.fixture.ts';
import { Http2Server } from '../../../sidecar/src/protocol/http2/server.ts';
import { SoleEndpoint } from '../../../sidecar/src/upstream/balancer.ts';
import { loneEndpoint } from '../../../sidecar/src/upstream/lone-endpoint.ts';
import { type Stage, setStage, TIMEOUTS } from '../http2-stage.ts';
import { anything, type Chunk, damaged, sizes, split } from '../mutation.ts';
import { readSessions } from '../recorded.ts';
import { fuzzTarget } from '../target.ts';

/** Exchanges that wait for the client codec. */
const ASKED = 4;
/** Far beyond what a flow of a few kilobytes may lead to. */
const SENT_BYTES = 4_194_304;

const field = fc.constantFrom<Field>(
  [':method', 'GET'],
  [':method', 'CONNECT'],
  [':scheme', 'http'],
  [':path', '/made-up'],
  [':authority', 'a.test'],
  [':protocol', 'websocket'],
  [':status', '200'],
  [':status', '103'],
  ['content-length', '3'],
  ['te', 'trailers'],
  ['cookie', 'a=b'],
  ['X-Bad', 'x'],
);
const request = block([
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/made-up'],
  [':authority', 'a.test'],
]);
const payload = fc.oneof(
  fc.constant(Buffer.from(request)),
  fc.array(field, { maxLength: 7 }).map((fields) => block(fields)),
  fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom(4, 5, 6, 8, 0).map((length) => Buffer.alloc(length, 1)),
);
/** Frames that are well-formed in themselves, in an order that nobody meant. */
const madeUp = fc
  .array(
    fc.tuple(
      fc.nat(10),
      fc.constantFrom(0, 1, 4, 5, 8, 0x20, 0x2d, 0xff),
      fc.constantFrom(0, 1, 1, 3, 3, 5, 2, 7),
      payload,
    ),
    { maxLength: 16 },
  )
  .map((frames) => frames.map(([type, flags, streamId, bytes]) => frame(type, flags, streamId, bytes)));

function inputOf(from: 'client' | 'server', opening: Buffer): fc.Arbitrary<[Chunk[], number[]]> {
  const session = fc.oneof(
    { weight: 3, arbitrary: damaged(readSessions('http2')) },
    {
      weight: 3,
      arbitrary: madeUp.map((frames): Chunk[] => [opening, ...frames].map((bytes) => ({ from, bytes }))),
    },
    { weight: 1, arbitrary: anything() },
  );
  return fc.tuple(
    session.map((chunks) => chunks.filter((chunk) => chunk.from === from)),
    sizes,
  );
}

export const targets = [
  fuzzTarget({
    name: 'http2-server',
    input: inputOf('client', Buffer.concat([PREFACE, settings()])),
    check: ([chunks, pieces]) => check(playServer, chunks, pieces),
  }),
  fuzzTarget({
    name: 'http2-client',
    input: inputOf('server', settings()),
    check: ([chunks, pieces]) => check(playClient, chunks, pieces),
  }),
];

type Play = (chunks: readonly Chunk[]) => readonly string[];

function check(play: Play, chunks: readonly Chunk[], pieces: readonly number[]): void {
  deepStrictEqual(play(split(chunks, pieces)), play(chunks));
}

function playServer(chunks: readonly Chunk[]): readonly string[] {
  const stage = setStage();
  const owner = { routeFor: () => stage.route, draining: false, onGone() {} };
  const server = new Http2Server(stage.transport, owner, stage.route, '');
  server.start();
  for (const { bytes } of chunks) {
    stage.feed(bytes);
    ok(server.streams.size <= LIMITS.http2StreamsPerConnection, 'too many streams');
  }
  return outcome(stage, 0);
}

function playClient(chunks: readonly Chunk[]): readonly string[] {
  const stage = setStage();
  const waiting = Array.from({ length: ASKED }, (_, i) => ask(stage, i));
  const owner = {
    onRoom(client: Http2Client) {
      while (client.room > 0 && waiting.length > 0) {
        const exchange = waiting.shift() as Exchange;
        onUpstreamReady(exchange, client.attach(exchange));
      }
    },
    onGone() {},
  };
  const client: Http2Client = new Http2Client(stage.transport, owner as never, TIMEOUTS, 'a.test', '', {
    setupMs: 0,
    tlsMs: 0,
  });
  for (const { bytes } of chunks) {
    stage.feed(bytes);
    ok(client.streams.size <= ASKED, 'more streams than exchanges');
  }
  return outcome(stage, PREFACE.length, waiting.length);
}

/** An exchange whose request is complete, and whose endpoint the test plays. */
function ask({ route, transport }: Stage, i: number): Exchange {
  const head = new RequestHead();
  const bytes = Buffer.from(`${i === 1 ? 'HEAD' : 'GET'} /${i} HTTP/1.1\r\nHost: a\r\n\r\n`);
  scanRequestHead(head, bytes, 0, bytes.length);
  const own = { ...route, balancer: new SoleEndpoint(loneEndpoint('none', NO_ENDPOINT)) };
  const exchange = new Exchange(own, new Sink(), head, transport.context, '', '', 1_000);
  exchange.requestComplete = true;
  begin(exchange);
  return exchange;
}

/** Waits for the stage at first; who is sent again finds nobody. */
const NO_ENDPOINT = {
  open(exchange: Exchange) {
    if (exchange.attempts > 1) onUpstreamUnavailable(exchange, Failure.connectRefused, '');
  },
  cancel() {},
  retireConnections() {},
  close() {},
  counts: { open: 0, idle: 0, waiting: 0 },
};

class Sink implements DownstreamStream {
  readonly takesTrailers = true;
  readonly congested = false;
  sendInterim(): void {}
  sendResponseHead(): void {}
  sendResponseBody(): void {}
  endResponse(): void {}
  abortResponse(): void {}
  pauseRequest(): void {}
  resumeRequest(): void {}
  release(): void {}
}

/** What came of it, as far as it does not depend on when things left. `unsent` exchanges have no connection and never end. */
function outcome(stage: Stage, prefaceBytes: number, unsent = 0): readonly string[] {
  const frames = readFrames(stage.sent().subarray(prefaceBytes));
  stage.close();
  ok(stage.open() <= unsent, 'an exchange did not end');
  ok(stage.transport.pendingBytes === 0, 'something waits on a socket that takes everything');
  return [...stage.ended.toSorted(), ...frames];
}

/** Resets and GOAWAY; what is no sequence of frames, or holds a block that can't be read, is an error. */
function readFrames(bytes: Buffer): string[] {
  ok(bytes.length < SENT_BYTES, 'a few bytes led to many');
  const decoder = new HpackDecoder();
  const seen: string[] = [];
  let parts: Buffer[] = [];
  let whole = true;
  const reader = new FrameReader({
    onFrameHeader(_type, _flags, _streamId, length) {
      whole = false;
      return length <= LIMITS.http2FrameBytes;
    },
    onFrame(type, flags, streamId, from, start, end) {
      whole = true;
      if (type === FRAME_GOAWAY) seen.push(`goaway ${from.readUInt32BE(start + 4)}`);
      if (type === FRAME_RST_STREAM) seen.push(`reset ${streamId} ${from.readUInt32BE(start)}`);
      if (type !== FRAME_HEADERS && type !== FRAME_CONTINUATION) return true;
      parts.push(Buffer.from(from.subarray(start, end)));
      if ((flags & 4) === 0) return true;
      const joined = Buffer.concat(parts);
      parts = [];
      ok(
        decoder.decode(joined, 0, joined.length, { onField() {} }) === HPACK_OK,
        'a block that can not be read',
      );
      return true;
    },
    onDataBytes: () => true,
    onDataEnd() {
      whole = true;
      return true;
    },
    onBadPadding: () => ok(false, 'bad padding'),
  });
  reader.read(bytes, 0, bytes.length);
  ok(whole, 'half a frame');
  return seen.toSorted();
}
