// What a client may do wrong with frames, streams, settings and windows (RFC 9113 sections 3 to 7).
import {
  CANCEL,
  COMPRESSION_ERROR,
  ENHANCE_YOUR_CALM,
  FLAG_ACK,
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
  FRAME_RST_STREAM,
  FRAME_SETTINGS,
  FRAME_SIZE_ERROR,
  FRAME_WINDOW_UPDATE,
  NO_ERROR,
  PREFACE,
  PROTOCOL_ERROR,
  STREAM_CLOSED,
} from '../../../sidecar/src/protocol/http2/frame.ts';
import {
  block,
  data,
  frame,
  goaway,
  headers,
  padded,
  ping,
  reset,
  settings,
  windowUpdate,
} from '../../../sidecar/src/protocol/http2/raw-peer.fixture.ts';
import {
  answered,
  connectionError,
  type DownstreamCase,
  get,
  PSEUDO,
  post,
  raw,
  streamError,
} from './case.ts';

const END = FLAG_END_STREAM;
const BLOCK = block(PSEUDO);
const ABORTED = { forwarded: 0 };

export const preface: DownstreamCase[] = [
  {
    id: 'preface-without-settings',
    why: '3.4: the first frame is SETTINGS',
    opening: PREFACE,
    send: [get()],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'preface-then-ping',
    why: '3.4',
    opening: PREFACE,
    send: [ping()],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'preface-then-settings-ack',
    why: '3.4: an acknowledgement is no setting',
    opening: PREFACE,
    send: [frame(FRAME_SETTINGS, FLAG_ACK, 0)],
    expect: connectionError(PROTOCOL_ERROR),
  },
];

export const frames: DownstreamCase[] = [
  {
    id: 'frame-unknown-type',
    why: '5.5: ignored',
    send: [frame(0x42, 0xff, 0, 'whatever'), frame(0x10, 0, 0, '\0\0\0\x01u=1'), get()],
    expect: answered(),
  },
  {
    id: 'frame-unknown-type-on-idle-stream',
    why: '5.5: ignored wherever it is',
    send: [frame(0x42, 0, 77, ''), get()],
    expect: answered(),
  },
  {
    id: 'frame-unknown-within-block',
    why: '6.10: a header block is not interrupted by anything',
    send: [frame(FRAME_HEADERS, END, 1, BLOCK), frame(0x42, 0, 1)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'frame-undefined-flags',
    why: '4.1: ignored',
    send: [frame(FRAME_HEADERS, 0xd2 | END | FLAG_END_HEADERS, 1, BLOCK)],
    expect: answered(),
  },
  {
    id: 'frame-reserved-bit',
    why: '4.1: ignored',
    send: [frame(FRAME_HEADERS, END | FLAG_END_HEADERS, 0x8000_0001, BLOCK)],
    expect: answered(),
  },
  {
    id: 'frame-too-long',
    why: '4.2: longer than SETTINGS_MAX_FRAME_SIZE',
    send: [post(), data(1, Buffer.alloc(16_385))],
    expect: connectionError(FRAME_SIZE_ERROR),
  },
  {
    id: 'frame-headers-too-long',
    why: '4.2',
    send: [frame(FRAME_HEADERS, END | FLAG_END_HEADERS, 1, Buffer.alloc(16_385))],
    expect: connectionError(FRAME_SIZE_ERROR),
  },
  {
    id: 'frame-longest',
    why: '4.2: exactly SETTINGS_MAX_FRAME_SIZE',
    send: [post(), data(1, Buffer.alloc(16_384, 'x'), END)],
    expect: answered(200, 1, { body: 'x'.repeat(16_384) }),
  },
  {
    id: 'push-promise',
    why: '8.4: a client can not push',
    send: [raw(FRAME_PUSH_PROMISE, FLAG_END_HEADERS, 1, '00000002')],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'continuation-alone',
    why: '6.10',
    send: [frame(FRAME_CONTINUATION, FLAG_END_HEADERS, 1, BLOCK)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'continuation-behind-end-headers',
    why: '6.10',
    send: [get(), frame(FRAME_CONTINUATION, FLAG_END_HEADERS, 1, block([['a', 'b']]))],
    expect: { goaway: [PROTOCOL_ERROR, STREAM_CLOSED], forwarded: 0, atMost: 1 },
  },
  {
    id: 'continuation-of-another-stream',
    why: '6.10',
    send: [frame(FRAME_HEADERS, END, 1, BLOCK), frame(FRAME_CONTINUATION, FLAG_END_HEADERS, 3, '')],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'continuation-interrupted-by-ping',
    why: '6.10',
    send: [frame(FRAME_HEADERS, END, 1, BLOCK), ping()],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'continuation-interrupted-by-data',
    why: '6.10',
    send: [frame(FRAME_HEADERS, 0, 1, BLOCK), data(1, 'x')],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'continuation-in-pieces',
    why: '4.3: a block is cut anywhere',
    send: [
      frame(FRAME_HEADERS, END, 1, BLOCK.subarray(0, 3)),
      frame(FRAME_CONTINUATION, 0, 1, ''),
      frame(FRAME_CONTINUATION, 0, 1, BLOCK.subarray(3, 20)),
      frame(FRAME_CONTINUATION, FLAG_END_HEADERS, 1, BLOCK.subarray(20)),
    ],
    expect: answered(),
  },
  {
    id: 'continuation-flood',
    why: 'CVE-2024-27316 and its kin: a block without an end',
    send: [
      frame(FRAME_HEADERS, END, 1, BLOCK),
      ...Array.from({ length: 20 }, () => frame(FRAME_CONTINUATION, 0, 1, block([['a', 'b']]))),
    ],
    expect: connectionError(ENHANCE_YOUR_CALM),
  },
  {
    id: 'continuation-flood-of-large-frames',
    why: 'the same in bytes',
    send: [
      frame(FRAME_HEADERS, END, 1, BLOCK),
      ...Array.from({ length: 5 }, () => frame(FRAME_CONTINUATION, 0, 1, Buffer.alloc(16_384))),
    ],
    expect: connectionError(ENHANCE_YOUR_CALM),
  },
  {
    id: 'block-malformed',
    why: '4.3: COMPRESSION_ERROR',
    send: [raw(FRAME_HEADERS, END | FLAG_END_HEADERS, 1, 'ff ff ff ff ff')],
    expect: connectionError(COMPRESSION_ERROR),
  },
  {
    id: 'block-index-zero',
    why: 'RFC 7541 6.1',
    send: [raw(FRAME_HEADERS, END | FLAG_END_HEADERS, 1, '80')],
    expect: connectionError(COMPRESSION_ERROR),
  },
  {
    id: 'block-bomb',
    why: 'HPACK bomb: one entry of 4 kB named a thousand times',
    send: [
      frame(
        FRAME_HEADERS,
        END | FLAG_END_HEADERS,
        1,
        Buffer.concat([
          block(PSEUDO),
          Buffer.from([0x40, 1, 0x61, 0x7f, 0x81, 0x1e]),
          Buffer.alloc(4_000, 'x'),
          Buffer.alloc(8_000, 0xbe),
        ]),
      ),
    ],
    expect: connectionError(ENHANCE_YOUR_CALM),
  },
];

export const dataFrames: DownstreamCase[] = [
  { id: 'data-on-stream-0', why: '6.1', send: [data(0, 'x')], expect: connectionError(PROTOCOL_ERROR) },
  { id: 'data-on-idle-stream', why: '5.1', send: [data(1, 'x')], expect: connectionError(PROTOCOL_ERROR) },
  {
    id: 'data-on-stream-of-ours',
    why: '5.1.1: we open none',
    send: [data(2, 'x')],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'data-behind-end',
    why: '5.1: half-closed (remote)',
    send: [get(), data(1, 'x')],
    expect: { resets: { 1: [STREAM_CLOSED] }, forwarded: 0, atMost: 1 },
  },
  {
    id: 'data-padded',
    why: '6.1',
    send: [post(), padded(1, 'hello', 9), padded(1, ' world', 255, END)],
    expect: answered(200, 1, { body: 'hello world' }),
  },
  {
    id: 'data-padded-with-nothing',
    why: '6.1: a pad length of 0 is no padding',
    send: [post(), padded(1, 'x', 0, END)],
    expect: answered(200, 1, { body: 'x' }),
  },
  {
    id: 'data-nothing-but-padding',
    why: '6.1',
    send: [post(), padded(1, '', 100), padded(1, '', 0, END)],
    expect: answered(200, 1, { body: '' }),
  },
  {
    id: 'data-padding-too-long',
    why: '6.1: as long as the payload or longer',
    send: [post(), raw(FRAME_DATA, FLAG_PADDED, 1, '05 00 00 00 00')],
    expect: { goaway: [PROTOCOL_ERROR], forwarded: 0 },
  },
  {
    id: 'data-padding-of-nothing',
    why: '6.1: no room for a pad length',
    send: [post(), raw(FRAME_DATA, FLAG_PADDED, 1, '')],
    expect: { goaway: [PROTOCOL_ERROR, FRAME_SIZE_ERROR], forwarded: 0 },
  },
  {
    id: 'data-empty-end',
    why: 'an end of its own',
    send: [post(), data(1, 'x'), data(1, '', END)],
    expect: answered(200, 1, { body: 'x' }),
  },
];

export const headerFrames: DownstreamCase[] = [
  {
    id: 'headers-on-stream-0',
    why: '6.2',
    send: [headers(0, PSEUDO, END)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'headers-on-even-stream',
    why: '5.1.1',
    send: [headers(2, PSEUDO, END)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'headers-on-lower-stream',
    why: '5.1.1: numbers rise',
    send: [get(5), get(3)],
    expect: { goaway: [PROTOCOL_ERROR, STREAM_CLOSED], forwarded: 0, atMost: 1 },
  },
  {
    id: 'headers-skipping-streams',
    why: '5.1.1: gaps are allowed',
    send: [get(1), get(101), get(1_001)],
    expect: { statuses: { 1: 200, 101: 200, 1001: 200 }, forwarded: 3 },
  },
  {
    id: 'headers-padded',
    why: '6.2',
    send: [
      frame(
        FRAME_HEADERS,
        END | FLAG_END_HEADERS | FLAG_PADDED,
        1,
        Buffer.concat([Buffer.from([7]), BLOCK, Buffer.alloc(7)]),
      ),
    ],
    expect: answered(),
  },
  {
    id: 'headers-padding-too-long',
    why: '6.2',
    send: [
      frame(
        FRAME_HEADERS,
        END | FLAG_END_HEADERS | FLAG_PADDED,
        1,
        Buffer.concat([Buffer.from([BLOCK.length + 1]), BLOCK]),
      ),
    ],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'headers-padded-without-length',
    why: '6.2',
    send: [raw(FRAME_HEADERS, END | FLAG_END_HEADERS | FLAG_PADDED, 1, '')],
    expect: connectionError([PROTOCOL_ERROR, FRAME_SIZE_ERROR]),
  },
  {
    id: 'headers-with-priority',
    why: '5.3: ignored',
    send: [
      frame(
        FRAME_HEADERS,
        END | FLAG_END_HEADERS | FLAG_PRIORITY,
        1,
        Buffer.concat([Buffer.from([0x80, 0, 0, 0, 255]), BLOCK]),
      ),
    ],
    expect: answered(),
  },
  {
    id: 'headers-with-priority-and-padding',
    why: '6.2',
    send: [
      frame(
        FRAME_HEADERS,
        END | FLAG_END_HEADERS | FLAG_PRIORITY | FLAG_PADDED,
        1,
        Buffer.concat([Buffer.from([3, 0, 0, 0, 0, 1]), BLOCK, Buffer.alloc(3)]),
      ),
    ],
    expect: answered(),
  },
  {
    id: 'headers-with-short-priority',
    why: '6.2',
    send: [raw(FRAME_HEADERS, END | FLAG_END_HEADERS | FLAG_PRIORITY, 1, '00 00 00')],
    expect: connectionError([FRAME_SIZE_ERROR, PROTOCOL_ERROR]),
  },
  {
    id: 'headers-depending-on-itself',
    why: 'RFC 7540 5.3.1',
    send: [
      frame(
        FRAME_HEADERS,
        END | FLAG_END_HEADERS | FLAG_PRIORITY,
        1,
        Buffer.concat([Buffer.from([0, 0, 0, 1, 0]), BLOCK]),
      ),
    ],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'headers-behind-reset',
    why: '5.1: closed',
    send: [post(), reset(1, CANCEL), get()],
    expect: connectionError([STREAM_CLOSED, PROTOCOL_ERROR]),
  },
  {
    id: 'headers-twice-without-end',
    why: '8.1: trailers end the stream',
    send: [post(), headers(1, [['x-checksum', '1']])],
    expect: streamError(PROTOCOL_ERROR),
  },
];

export const otherFrames: DownstreamCase[] = [
  { id: 'ping', why: '6.7: answered with its payload', send: [ping(), get()], expect: answered() },
  {
    id: 'ping-ack-unasked',
    why: '6.7: ignored',
    send: [frame(FRAME_PING, FLAG_ACK, 0, '12345678'), get()],
    expect: answered(),
  },
  {
    id: 'ping-on-stream',
    why: '6.7',
    send: [frame(FRAME_PING, 0, 1, '12345678')],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'ping-short',
    why: '6.7',
    send: [frame(FRAME_PING, 0, 0, '1234567')],
    expect: connectionError(FRAME_SIZE_ERROR),
  },
  {
    id: 'ping-long',
    why: '6.7',
    send: [frame(FRAME_PING, 0, 0, '123456789')],
    expect: connectionError(FRAME_SIZE_ERROR),
  },
  {
    id: 'reset-on-stream-0',
    why: '6.4',
    send: [reset(0, CANCEL)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'reset-on-idle-stream',
    why: '6.4',
    send: [reset(1, CANCEL)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'reset-short',
    why: '6.4',
    send: [post(), raw(FRAME_RST_STREAM, 0, 1, '00 00')],
    expect: { goaway: [FRAME_SIZE_ERROR], forwarded: 0 },
  },
  { id: 'reset-of-open-stream', why: '5.1', send: [post(), reset(1, CANCEL)], expect: ABORTED },
  {
    id: 'reset-twice',
    why: '5.1: may cross ours',
    send: [post(), reset(1, CANCEL), reset(1, CANCEL)],
    expect: ABORTED,
  },
  {
    id: 'reset-with-unknown-code',
    why: '7: as any other',
    send: [post(), reset(1, 0xdead_beef)],
    expect: ABORTED,
  },
  {
    id: 'data-behind-reset-of-client',
    why: '5.1: closed',
    send: [post(), reset(1, CANCEL), data(1, 'x')],
    expect: { resets: { 1: [STREAM_CLOSED] }, forwarded: 0 },
  },
  {
    id: 'goaway-of-client',
    why: '6.8: open streams complete',
    send: [get(), goaway(0, NO_ERROR, 'bye')],
    expect: { goaway: [NO_ERROR], statuses: { 1: 200 }, forwarded: 1 },
  },
  {
    id: 'goaway-on-stream',
    why: '6.8',
    send: [raw(FRAME_GOAWAY, 0, 1, '00000000 00000000')],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'goaway-short',
    why: '6.8',
    send: [raw(FRAME_GOAWAY, 0, 0, '00000000')],
    expect: connectionError(FRAME_SIZE_ERROR),
  },
  {
    id: 'priority-of-idle-stream',
    why: '5.3: deprecated, ignored',
    send: [raw(FRAME_PRIORITY, 0, 9, '00000000 10'), get()],
    expect: answered(),
  },
  {
    id: 'priority-on-stream-0',
    why: '6.3',
    send: [raw(FRAME_PRIORITY, 0, 0, '00000001 10')],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'priority-short',
    why: '6.3',
    send: [post(), raw(FRAME_PRIORITY, 0, 1, '00000000')],
    expect: streamError(FRAME_SIZE_ERROR),
  },
  {
    id: 'priority-on-itself',
    why: 'RFC 7540 5.3.1; MadeYouReset (CVE-2025-8671)',
    send: [post(), raw(FRAME_PRIORITY, 0, 1, '00000001 10')],
    expect: streamError(PROTOCOL_ERROR),
  },
];

export const settingsFrames: DownstreamCase[] = [
  {
    id: 'settings-on-stream',
    why: '6.5',
    send: [frame(FRAME_SETTINGS, 0, 1)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'settings-of-wrong-length',
    why: '6.5',
    send: [frame(FRAME_SETTINGS, 0, 0, '12345')],
    expect: connectionError(FRAME_SIZE_ERROR),
  },
  {
    id: 'settings-ack-with-payload',
    why: '6.5',
    send: [frame(FRAME_SETTINGS, FLAG_ACK, 0, '123456')],
    expect: connectionError(FRAME_SIZE_ERROR),
  },
  { id: 'settings-unknown', why: '6.5.2: ignored', send: [settings([0xfade, 1]), get()], expect: answered() },
  {
    id: 'settings-push-2',
    why: '6.5.2: 0 or 1',
    send: [settings([2, 2])],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'settings-push-1',
    why: '6.5.2: of a client, allowed',
    send: [settings([2, 1]), get()],
    expect: answered(),
  },
  {
    id: 'settings-window-too-large',
    why: '6.5.2',
    send: [settings([4, 0x8000_0000])],
    expect: connectionError(FLOW_CONTROL_ERROR),
  },
  {
    id: 'settings-window-largest',
    why: '6.5.2',
    send: [settings([4, 0x7fff_ffff]), get()],
    expect: answered(),
  },
  {
    id: 'settings-window-overflows-stream',
    why: '6.9.2',
    send: [post(), windowUpdate(1, 0x7fff_0000), settings([4, 0x7fff_ffff])],
    expect: { goaway: [FLOW_CONTROL_ERROR], forwarded: 0 },
  },
  {
    id: 'settings-frame-size-too-small',
    why: '6.5.2',
    send: [settings([5, 16_383])],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'settings-frame-size-too-large',
    why: '6.5.2',
    send: [settings([5, 16_777_216])],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'settings-frame-size-largest',
    why: '6.5.2',
    send: [settings([5, 16_777_215]), get()],
    expect: answered(),
  },
  {
    id: 'settings-connect-protocol-2',
    why: 'RFC 8441 3: 0 or 1',
    send: [settings([8, 2])],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'settings-table-of-nothing',
    why: '6.5.2: answers without a dynamic table',
    send: [settings([1, 0]), get(1), get(3)],
    expect: { statuses: { 1: 200, 3: 200 }, forwarded: 2 },
  },
  {
    id: 'settings-many-in-one-frame',
    why: 'each may change the windows of all streams',
    send: [settings(...Array.from({ length: 2_000 }, (_, i): [number, number] => [4, 65_535 + (i & 1)]))],
    expect: connectionError(ENHANCE_YOUR_CALM),
  },
  {
    id: 'settings-no-streams',
    why: '6.5.2: a limit for us, who open none',
    send: [settings([3, 0]), get()],
    expect: answered(),
  },
  {
    id: 'settings-list-size',
    why: '6.5.2: advice',
    send: [settings([6, 10]), get()],
    expect: answered(),
  },
];

export const windows: DownstreamCase[] = [
  {
    id: 'window-of-connection-0',
    why: '6.9',
    send: [windowUpdate(0, 0)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'window-of-stream-0',
    why: '6.9; MadeYouReset (CVE-2025-8671)',
    send: [post(), windowUpdate(1, 0)],
    expect: streamError(PROTOCOL_ERROR),
  },
  {
    id: 'window-of-connection-overflows',
    why: '6.9.1',
    send: [windowUpdate(0, 0x7fff_ffff)],
    expect: connectionError(FLOW_CONTROL_ERROR),
  },
  {
    id: 'window-of-stream-overflows',
    why: '6.9.1',
    send: [post(), windowUpdate(1, 0x7fff_ffff)],
    expect: streamError(FLOW_CONTROL_ERROR),
  },
  {
    id: 'window-of-idle-stream',
    why: '5.1',
    send: [windowUpdate(1, 1)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    id: 'window-of-closed-stream',
    why: '5.1: may come late',
    send: [post(), reset(1, CANCEL), windowUpdate(1, 1)],
    expect: ABORTED,
  },
  {
    id: 'window-short',
    why: '6.9',
    send: [raw(FRAME_WINDOW_UPDATE, 0, 0, '0000 01')],
    expect: connectionError(FRAME_SIZE_ERROR),
  },
  {
    id: 'window-reserved-bit',
    why: '6.9: ignored, so this is an increment of 1',
    send: [raw(FRAME_WINDOW_UPDATE, 0, 0, '80 00 00 01'), get()],
    expect: answered(),
  },
];
