// What an endpoint of HTTP/2 may do wrong, or right in an unusual way (RFC 9113; sections of it where nothing else is said).
import {
  CANCEL,
  COMPRESSION_ERROR,
  ENHANCE_YOUR_CALM,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FLAG_PADDED,
  FLAG_PRIORITY,
  FLOW_CONTROL_ERROR,
  FRAME_CONTINUATION,
  FRAME_DATA,
  FRAME_GOAWAY,
  FRAME_HEADERS,
  FRAME_PING,
  FRAME_PRIORITY,
  FRAME_PUSH_PROMISE,
  FRAME_SETTINGS,
  FRAME_SIZE_ERROR,
  FRAME_WINDOW_UPDATE,
  INTERNAL_ERROR,
  NO_ERROR,
  PROTOCOL_ERROR,
  REFUSED_STREAM,
} from '../../../sidecar/src/protocol/http2/frame.ts';
import {
  block,
  data,
  type Field,
  frame,
  goaway,
  headers,
  padded,
  ping,
  reset,
  settings,
  windowUpdate,
} from '../../../sidecar/src/protocol/http2/raw-peer.fixture.ts';
import { answerWithPath } from '../../../sidecar/src/protocol/http2/upstream.fixture.ts';
import { raw } from './case.ts';
import { OK, respond, sends, type UpstreamCase, type UpstreamExpectation } from './upstream-case.ts';

const END = FLAG_END_STREAM;
const INVALID: UpstreamExpectation = { status: 502, failure: 'invalid_response', reset: [PROTOCOL_ERROR] };
const CUT: UpstreamExpectation = {
  status: 200,
  failure: 'invalid_response',
  broken: true,
  reset: [PROTOCOL_ERROR],
};
const RESET: UpstreamExpectation = { status: 502, failure: 'upstream_reset' };

function connectionError(...codes: number[]): UpstreamExpectation {
  return { ...RESET, goaway: codes };
}

export const malformedHeads: UpstreamCase[] = (
  [
    ['no-status', '8.3.2', ['x', 'y']],
    ['status-empty', '8.3.2', [':status', '']],
    ['status-short', 'RFC 9110 15: three digits', [':status', '20']],
    ['status-long', 'RFC 9110 15', [':status', '2000']],
    ['status-low', 'RFC 9110 15', [':status', '099']],
    ['status-high', 'RFC 9110 15', [':status', '600']],
    ['status-word', 'RFC 9110 15', [':status', 'OK!']],
    ['status-crlf', 'response splitting', [':status', '200\r\nx: y']],
    ['status-reason', 'response splitting', [':status', '200 OK']],
    ['status-101', '8.6: no switch of protocols', [':status', '101']],
    ['status-twice', '8.3', [':status', '200'], [':status', '200']],
    ['status-behind-field', '8.3', ['x', 'y'], [':status', '200']],
    ['pseudo-of-requests', '8.3', [':status', '200'], [':path', '/']],
    ['pseudo-unknown', '8.3', [':status', '200'], [':foo', 'bar']],
    ['name-capital', '8.2.1', [':status', '200'], ['X-Capital', 'a']],
    ['name-space', '8.2.1', [':status', '200'], ['x y', 'a']],
    ['name-crlf', 'response splitting', [':status', '200'], ['x\r\ny', 'a']],
    ['name-colon', 'response splitting', [':status', '200'], ['x: y', 'a']],
    ['name-empty', '8.2.1', [':status', '200'], ['', 'a']],
    ['value-crlf', 'response splitting', [':status', '200'], ['x', 'a\r\n\r\nHTTP/1.1 200 OK']],
    ['value-nul', '8.2.1', [':status', '200'], ['x', 'a\0']],
    ['value-space', '8.2.1', [':status', '200'], ['x', 'a ']],
    ['connection', '8.2.2', [':status', '200'], ['connection', 'close']],
    ['keep-alive', '8.2.2', [':status', '200'], ['keep-alive', 'timeout=1']],
    ['proxy-connection', '8.2.2', [':status', '200'], ['proxy-connection', 'close']],
    ['transfer-encoding', '8.2.2', [':status', '200'], ['transfer-encoding', 'chunked']],
    ['upgrade', '8.2.2', [':status', '200'], ['upgrade', 'h2c']],
    ['te', '8.2.2: of requests only', [':status', '200'], ['te', 'trailers']],
    ['length-negative', 'RFC 9110 8.6', [':status', '200'], ['content-length', '-1']],
    ['length-list', 'RFC 9110 8.6', [':status', '200'], ['content-length', '4, 4']],
    ['length-empty', 'RFC 9110 8.6', [':status', '200'], ['content-length', '']],
    ['length-twice', 'RFC 9110 8.6', [':status', '200'], ['content-length', '4'], ['content-length', '4']],
  ] as const satisfies readonly (readonly [string, string, ...Field[]])[]
).map(([id, why, ...fields]) => ({
  id: `head-${id}`,
  why,
  serve: respond(fields as unknown as Field[], 'leak'),
  expect: INVALID,
}));

export const bodies: UpstreamCase[] = [
  {
    id: 'body-shorter-than-length',
    why: '8.1.1',
    serve: respond([...OK, ['content-length', '9']], 'part'),
    expect: CUT,
  },
  {
    id: 'body-longer-than-length',
    why: '8.1.1; the rest would be the next response',
    serve: respond([...OK, ['content-length', '1']], 'leak'),
    expect: CUT,
  },
  {
    id: 'body-longer-than-length-later',
    why: '8.1.1',
    serve: sends((id) => [
      headers(id, [...OK, ['content-length', '2']]),
      data(id, 'ok'),
      data(id, 'leak', END),
    ]),
    expect: CUT,
  },
  {
    id: 'body-missing',
    why: '8.1.1: END_STREAM on a head with a length',
    serve: respond([...OK, ['content-length', '9']]),
    expect: INVALID,
  },
  {
    id: 'body-of-204',
    why: 'RFC 9110 15.3.5: none, or it would be the next response',
    serve: respond([[':status', '204']], 'HTTP/1.1 200 OK\r\n\r\nleak'),
    expect: { ...CUT, status: 204 },
  },
  {
    id: 'body-of-304',
    why: 'RFC 9110 15.4.5',
    serve: respond([[':status', '304']], 'HTTP/1.1 200 OK\r\n\r\nleak'),
    expect: { ...CUT, status: 304 },
  },
  {
    id: 'body-of-304-with-length',
    why: 'RFC 9110 8.6: the length of what is not sent',
    serve: respond([
      [':status', '304'],
      ['content-length', '5'],
    ]),
    expect: { status: 304 },
  },
  {
    id: 'body-of-head',
    why: 'RFC 9110 9.3.2',
    method: 'HEAD',
    serve: respond(OK, 'HTTP/1.1 200 OK\r\n\r\nleak'),
    expect: CUT,
  },
  {
    id: 'body-of-head-with-length',
    why: 'RFC 9110 9.3.2',
    method: 'HEAD',
    serve: respond([...OK, ['content-length', '4']], 'leak'),
    expect: CUT,
  },
  {
    id: 'head-with-length',
    why: 'RFC 9110 8.6: the length of what is not sent',
    method: 'HEAD',
    serve: respond([...OK, ['content-length', '4']]),
    expect: { status: 200, body: '' },
  },
  { id: 'body-before-head', why: '8.1', serve: sends((id) => [data(id, 'leak')]), expect: INVALID },
  {
    id: 'end-before-head',
    why: '8.1',
    serve: sends((id) => [data(id, '', END)]),
    expect: { ...INVALID, reset: [] },
  },
  { id: 'interim-that-ends', why: '8.1', serve: respond([[':status', '103']]), expect: INVALID },
  {
    id: 'interims-without-end',
    why: 'bounded',
    serve: sends((id) => Array.from({ length: 17 }, () => headers(id, [[':status', '103']]))),
    expect: INVALID,
  },
  {
    id: 'interims',
    why: 'RFC 9110 15.2',
    serve: sends((id) => [headers(id, [[':status', '103']]), headers(id, OK), data(id, 'ok', END)]),
    expect: { status: 200, body: 'ok', interim: [103] },
  },
  {
    id: 'head-twice',
    why: '8.1: trailers end the stream',
    serve: sends((id) => [headers(id, OK), headers(id, OK), data(id, 'leak', END)]),
    expect: CUT,
  },
  {
    id: 'trailers',
    why: '8.1',
    serve: sends((id) => [headers(id, OK), data(id, 'ok'), headers(id, [['x-sum', '7']], END)]),
    expect: { status: 200, body: 'ok', trailers: { 'x-sum': '7' } },
  },
  ...(
    [
      ['pseudo', ':status', '200'],
      ['framing', 'transfer-encoding', 'chunked'],
      ['length', 'content-length', '2'],
      ['crlf', 'x', 'a\r\nb'],
    ] as const
  ).map(
    ([id, name, value]): UpstreamCase => ({
      id: `trailers-with-${id}`,
      why: '8.1; RFC 9110 6.5.1',
      serve: sends((streamId) => [
        headers(streamId, OK),
        data(streamId, 'ok'),
        headers(streamId, [[name, value]], END),
      ]),
      expect: CUT,
    }),
  ),
  {
    id: 'early-response',
    why: '8.1: complete before its request, which is not wanted',
    method: 'POST',
    body: 'x'.repeat(400_000),
    serve: sends((id) => [headers(id, [[':status', '413']]), data(id, 'no', END), reset(id, NO_ERROR)]),
    expect: { status: 413, body: 'no' },
  },
];

export const frames: UpstreamCase[] = [
  {
    id: 'frames-to-be-ignored',
    why: '5.5, 5.3',
    serve: sends((id) => [
      frame(0xa, 0, 0, '\0\0'),
      frame(0x42, 0xff, id, 'x'),
      raw(FRAME_PRIORITY, 0, id, '00000000 10'),
      ping(),
      settings([0xfade, 7]),
      headers(id, OK),
      data(id, ''),
      windowUpdate(id, 1),
      data(id, 'ok', END),
    ]),
    expect: { status: 200, body: 'ok' },
  },
  {
    id: 'frames-padded',
    why: '6.1, 6.2',
    serve: sends((id) => [
      frame(
        FRAME_HEADERS,
        FLAG_END_HEADERS | FLAG_PADDED | FLAG_PRIORITY,
        id,
        Buffer.concat([Buffer.from([4, 0, 0, 0, 0, 9]), block(OK), Buffer.alloc(4)]),
      ),
      padded(id, 'o', 9),
      padded(id, '', 0),
      padded(id, 'k', 255, END),
    ]),
    expect: { status: 200, body: 'ok' },
  },
  {
    id: 'frames-continued',
    why: '4.3',
    serve: sends((id) => {
      const bytes = block([...OK, ['x-long', 'y'.repeat(100)]]);
      return [
        frame(FRAME_HEADERS, END, id, bytes.subarray(0, 5)),
        frame(FRAME_CONTINUATION, 0, id, bytes.subarray(5, 60)),
        frame(FRAME_CONTINUATION, FLAG_END_HEADERS, id, bytes.subarray(60)),
      ];
    }),
    expect: { status: 200, body: '' },
  },
  {
    id: 'push-promise',
    why: '8.4: refused by our settings',
    serve: sends((id) => [raw(FRAME_PUSH_PROMISE, FLAG_END_HEADERS, id, '00000002 88')]),
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'push-enabled',
    why: '6.5.2: a server must not',
    serve: sends(() => [settings([2, 1])]),
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'headers-on-pushed-stream',
    why: '5.1',
    serve: sends(() => [headers(2, OK, END)]),
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'headers-on-idle-stream',
    why: '5.1',
    serve: sends((id) => [headers(id + 2, OK, END)]),
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'headers-on-stream-0',
    why: '6.2',
    serve: sends(() => [headers(0, OK, END)]),
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'data-on-idle-stream',
    why: '5.1',
    serve: sends((id) => [data(id + 2, 'leak')]),
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'data-on-stream-0',
    why: '6.1',
    serve: sends(() => [data(0, 'leak')]),
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'data-with-bad-padding',
    why: '6.1',
    serve: sends((id) => [raw(FRAME_DATA, FLAG_PADDED, id, '09 00')]),
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'frame-too-long',
    why: '4.2',
    serve: sends((id) => [headers(id, OK), data(id, Buffer.alloc(16_385))]),
    expect: { status: 200, failure: 'upstream_reset', broken: true, goaway: [FRAME_SIZE_ERROR] },
  },
  {
    id: 'continuation-alone',
    why: '6.10',
    serve: sends((id) => [frame(FRAME_CONTINUATION, FLAG_END_HEADERS, id, block(OK))]),
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'continuation-flood',
    why: 'a block without an end',
    serve: sends((id) => [
      frame(FRAME_HEADERS, 0, id, block(OK)),
      ...Array.from({ length: 20 }, () => frame(FRAME_CONTINUATION, 0, id, '')),
    ]),
    expect: connectionError(ENHANCE_YOUR_CALM),
  },
  {
    id: 'block-interrupted',
    why: '6.10',
    serve: sends((id) => [frame(FRAME_HEADERS, 0, id, block(OK)), ping()]),
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'block-malformed',
    why: '4.3',
    serve: sends((id) => [raw(FRAME_HEADERS, END | FLAG_END_HEADERS, id, 'ff ff ff ff ff')]),
    expect: connectionError(COMPRESSION_ERROR),
  },
  {
    id: 'head-too-large',
    why: 'bounded',
    serve: respond([...OK, ...Array.from({ length: 140 }, (_, i): Field => [`x-${i}`, 'y'])], 'leak'),
    expect: INVALID,
  },
  {
    id: 'settings-malformed',
    why: '6.5',
    serve: sends(() => [frame(FRAME_SETTINGS, 0, 0, '12345')]),
    expect: connectionError(FRAME_SIZE_ERROR),
  },
  {
    id: 'ping-malformed',
    why: '6.7',
    serve: sends(() => [frame(FRAME_PING, 0, 0, '1')]),
    expect: connectionError(FRAME_SIZE_ERROR),
  },
  {
    id: 'goaway-malformed',
    why: '6.8',
    serve: sends(() => [frame(FRAME_GOAWAY, 0, 0, '1234')]),
    expect: connectionError(FRAME_SIZE_ERROR),
  },
  {
    id: 'window-of-connection-0',
    why: '6.9',
    serve: sends(() => [windowUpdate(0, 0)]),
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'window-of-connection-overflows',
    why: '6.9.1',
    serve: sends(() => [windowUpdate(0, 0x7fff_ffff)]),
    expect: connectionError(FLOW_CONTROL_ERROR),
  },
  {
    id: 'window-of-stream-0',
    why: '6.9',
    serve: sends((id) => [windowUpdate(id, 0)]),
    expect: INVALID,
  },
  {
    id: 'window-of-stream-overflows',
    why: '6.9.1',
    serve: sends((id) => [windowUpdate(id, 0x7fff_ffff)]),
    expect: { ...INVALID, reset: [FLOW_CONTROL_ERROR] },
  },
  {
    id: 'window-malformed',
    why: '6.9',
    serve: sends((id) => [raw(FRAME_WINDOW_UPDATE, 0, id, '00')]),
    expect: connectionError(FRAME_SIZE_ERROR),
  },
  {
    id: 'reset-of-idle-stream',
    why: '6.4',
    serve: sends((id) => [reset(id + 2, CANCEL)]),
    expect: connectionError(PROTOCOL_ERROR),
  },
];

export const endings: UpstreamCase[] = [
  ...(
    [
      ['cancel', CANCEL],
      ['internal-error', INTERNAL_ERROR],
      ['no-error', NO_ERROR],
      ['protocol-error', PROTOCOL_ERROR],
      ['http-1-1-required', 0xd],
      ['unknown', 0xdead_beef],
    ] as const
  ).map(
    ([id, code]): UpstreamCase => ({
      id: `reset-${id}`,
      why: '6.4: it may have been processed',
      serve: sends((streamId) => [reset(streamId, code)]),
      expect: RESET,
    }),
  ),
  {
    id: 'reset-within-body',
    why: '8.1: never looks complete',
    serve: sends((id) => [headers(id, OK), data(id, 'o'), reset(id, INTERNAL_ERROR)]),
    expect: { status: 200, failure: 'upstream_reset', broken: true },
  },
  {
    id: 'reset-behind-response',
    why: '8.1',
    serve: sends((id) => [headers(id, OK), data(id, 'ok', END), reset(id, NO_ERROR)]),
    expect: { status: 200, body: 'ok' },
  },
  {
    id: 'refused-once',
    why: '8.7: nothing was done, so it is sent again',
    serve: (request, attempt) =>
      attempt === 1 ? request.peer.send(reset(request.streamId, REFUSED_STREAM)) : answerWithPath(request),
    expect: { status: 200, requests: 2 },
  },
  {
    id: 'refused-once-not-idempotent',
    why: '8.7: whatever the method',
    method: 'POST',
    serve: (request, attempt) =>
      attempt === 1 ? request.peer.send(reset(request.streamId, REFUSED_STREAM)) : answerWithPath(request),
    expect: { status: 200, requests: 2 },
  },
  {
    id: 'refused-always',
    why: 'bounded',
    serve: sends((id) => [reset(id, REFUSED_STREAM)]),
    expect: { ...RESET, requests: 3 },
  },
  {
    id: 'refused-with-body',
    why: 'a body that was passed on is gone',
    method: 'POST',
    body: 'x'.repeat(100),
    serve(request) {
      const { peer, streamId } = request;
      void peer
        .until(() => peer.isComplete(streamId))
        .then(() => peer.send(reset(streamId, REFUSED_STREAM)))
        .catch(() => {});
    },
    expect: { ...RESET, requests: 1 },
  },
  {
    id: 'goaway-unprocessed',
    why: '6.8: sent again, on another connection',
    serve: (request, attempt) =>
      attempt === 1 ? request.peer.send(goaway(0, NO_ERROR)) : answerWithPath(request),
    expect: { status: 200, requests: 2 },
  },
  {
    id: 'goaway-unprocessed-not-idempotent',
    why: '6.8',
    method: 'POST',
    serve: (request, attempt) =>
      attempt === 1 ? request.peer.send(goaway(0, INTERNAL_ERROR)) : answerWithPath(request),
    expect: { status: 200, requests: 2 },
  },
  {
    id: 'goaway-processed',
    why: '6.8: streams up to the last complete',
    serve(request) {
      request.peer.send(goaway(request.streamId, NO_ERROR));
      answerWithPath(request);
    },
    expect: { status: 200, requests: 1 },
  },
  {
    id: 'goaway-gracefully',
    why: '6.8: the largest number first',
    serve(request) {
      request.peer.send(goaway(0x7fff_ffff, NO_ERROR), goaway(request.streamId, NO_ERROR));
      answerWithPath(request);
    },
    expect: { status: 200, requests: 1 },
  },
  {
    id: 'goaway-then-end',
    why: '6.8: may have been processed',
    method: 'POST',
    serve({ peer, streamId }) {
      peer.send(goaway(streamId, INTERNAL_ERROR));
      peer.socket.end();
    },
    expect: { ...RESET, requests: 1 },
  },
  {
    id: 'end-without-a-word',
    why: 'may have been processed',
    method: 'POST',
    serve: ({ peer }) => void peer.socket.end(),
    expect: { ...RESET, requests: 1 },
  },
  {
    id: 'end-within-body',
    why: 'never looks complete',
    serve({ peer, streamId }) {
      peer.send(headers(streamId, OK), data(streamId, 'o'));
      peer.socket.end();
    },
    expect: { status: 200, failure: 'upstream_reset', broken: true },
  },
  {
    id: 'tcp-reset',
    why: 'may have been processed',
    method: 'POST',
    serve: ({ peer }) => void peer.socket.resetAndDestroy(),
    expect: { ...RESET, requests: 1 },
  },
  {
    id: 'no-answer',
    why: 'bounded by upstreamMs',
    serve: () => {},
    expect: { status: 504, failure: 'upstream_timeout', reset: [CANCEL] },
  },
  {
    id: 'no-body',
    why: 'bounded by bodyIdleMs',
    serve: sends((id) => [headers(id, OK), data(id, 'o')]),
    expect: { status: 200, failure: 'upstream_stalled', broken: true, reset: [CANCEL] },
  },
];

const NEVER_SERVED = (): void => {};

export const openings: UpstreamCase[] = [
  {
    id: 'opening-silent',
    why: '3.4: settings are due; bounded by connectMs',
    opening: null,
    serve: NEVER_SERVED,
    expect: { status: 503, failure: 'connect_timeout', requests: 0 },
  },
  {
    id: 'opening-without-settings',
    why: '3.4',
    opening: ping(),
    serve: NEVER_SERVED,
    expect: { status: 503, failure: 'connect_refused', requests: 0 },
  },
  {
    id: 'opening-http1',
    why: 'an endpoint that does not speak HTTP/2',
    opening: Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'),
    serve: NEVER_SERVED,
    expect: { status: 503, failure: 'connect_refused', requests: 0 },
  },
  {
    id: 'opening-goaway',
    why: 'an endpoint that is leaving',
    opening: Buffer.concat([settings(), goaway(0, NO_ERROR)]),
    serve: NEVER_SERVED,
    expect: { ...RESET, requests: 3 },
  },
  {
    id: 'opening-no-streams',
    why: '6.5.2: none is allowed',
    opening: settings([3, 0]),
    serve: NEVER_SERVED,
    expect: { status: 503, failure: 'pool_overflow', requests: 0 },
  },
  {
    id: 'opening-small-windows',
    why: '6.9.2: nothing of a body may be sent before there is room',
    opening: settings([4, 0]),
    method: 'POST',
    body: 'hello',
    serve(request) {
      const { peer, streamId } = request;
      peer.send(windowUpdate(streamId, 2));
      void peer
        .until(() => peer.body(streamId).toString() === 'he')
        .then(() => peer.send(windowUpdate(streamId, 3)))
        .then(() => peer.until(() => peer.isComplete(streamId)))
        .then(() => peer.send(headers(streamId, OK), data(streamId, peer.body(streamId), END)))
        .catch(() => {});
    },
    expect: { status: 200, body: 'hello' },
  },
];
