import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FLAG_PADDED, FRAME_DATA, FRAME_HEADER_BYTES, FRAME_HEADERS, FRAME_SETTINGS } from './frame.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { frame } from './raw-peer.fixture.ts';

/** What the sink was told, with the pieces of one DATA frame joined. Stops reading at the call of that number. */
function record(pieces: readonly Buffer[], stopAt = Number.POSITIVE_INFINITY): string[] {
  const calls: string[] = [];
  let body = '';
  let calling = 0;
  const note = (call: string): boolean => {
    calls.push(call);
    return ++calling < stopAt;
  };
  const sink: FrameSink = {
    onFrameHeader: (type, flags, streamId, length) => note(`header ${type} ${flags} ${streamId} ${length}`),
    onFrame: (type, flags, streamId, bytes, start, end) =>
      note(`frame ${type} ${flags} ${streamId} ${bytes.toString('hex', start, end)}`),
    onDataBytes(bytes, start, end) {
      expect(end).toBeGreaterThan(start);
      body += bytes.toString('hex', start, end);
      return true;
    },
    onDataEnd() {
      const whole = body;
      body = '';
      return note(`data ${whole}`);
    },
    onBadPadding: () => void note('bad padding'),
  };
  const reader = new FrameReader(sink);
  for (const piece of pieces) {
    reader.read(piece, 0, piece.length);
    // A read buffer is overwritten by the next read.
    piece.fill(0xee);
  }
  return body === '' ? calls : [...calls, `open data ${body}`];
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  let from = 0;
  return ends.map((end) => {
    const piece = Buffer.from(bytes.subarray(from, end));
    from = end;
    return piece;
  });
}

const payload = fc.uint8Array({ maxLength: 300 });
const anyFrame = fc
  .tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 255 }), fc.nat(0x7fff_ffff), payload)
  .map(([type, flags, streamId, bytes]) => frame(type, flags, streamId, bytes));
const paddedData = fc
  .tuple(fc.nat(255), fc.nat(9), fc.uint8Array({ maxLength: 40 }))
  .map(([padding, streamId, bytes]) =>
    frame(
      FRAME_DATA,
      FLAG_PADDED,
      streamId,
      Buffer.concat([Buffer.from([padding]), bytes, Buffer.alloc(padding)]),
    ),
  );
const session = fc
  .array(fc.oneof(anyFrame, paddedData), { maxLength: 12 })
  .map((parts) => Buffer.concat(parts));
const places = fc.array(fc.nat(5_000), { maxLength: 30 });

describe('a split of the bytes', () => {
  test('makes no difference to what is read, errors included', () => {
    fc.assert(
      fc.property(session, places, (bytes, where) => {
        expect(record(cut(bytes, where))).toEqual(record([Buffer.from(bytes)]));
      }),
      { numRuns: 400 },
    );
  });

  test('into single bytes makes no difference either', () => {
    fc.assert(
      fc.property(session, (bytes) => {
        const single = Array.from(bytes, (byte) => Buffer.from([byte]));
        expect(record(single)).toEqual(record([Buffer.from(bytes)]));
      }),
      { numRuns: 100 },
    );
  });

  test('makes no difference to where a sink that says stop is heard', () => {
    fc.assert(
      fc.property(session, places, fc.integer({ min: 1, max: 12 }), (bytes, where, stopAt) => {
        const calls = record(cut(bytes, where), stopAt);
        expect(calls).toEqual(record([Buffer.from(bytes)], stopAt));
        expect(calls.filter((call) => !call.startsWith('open')).length).toBeLessThanOrEqual(stopAt);
      }),
      { numRuns: 200 },
    );
  });
});

test('whatever the payload is, it is handed on whole and without its padding', () => {
  const bytes = Buffer.concat([
    frame(FRAME_SETTINGS, 0, 0, '123456'),
    frame(FRAME_DATA, FLAG_PADDED, 1, '\x03hello\0\0\0'),
    frame(FRAME_DATA, 1, 1, ''),
    frame(FRAME_HEADERS, 4, 3, ''),
  ]);
  expect(record([bytes])).toEqual([
    'header 4 0 0 6',
    `frame 4 0 0 ${Buffer.from('123456').toString('hex')}`,
    'header 0 8 1 9',
    `data ${Buffer.from('hello').toString('hex')}`,
    'header 0 1 1 0',
    'data ',
    'header 1 4 3 0',
    'frame 1 4 3 ',
  ]);
});

test.each([
  ['longer than the frame', '\x05abc'],
  ['as long as the frame', '\x04abc'],
  ['without room for its length', ''],
])('padding %s is an error, and nothing is read behind it', (_name, bad) => {
  const bytes = Buffer.concat([frame(FRAME_DATA, FLAG_PADDED, 1, bad), frame(FRAME_SETTINGS, 0, 0)]);
  expect(record([bytes]).slice(1)).toEqual(['bad padding']);
});

test('a reader that is stopped in the middle of a frame reads nothing more', () => {
  const seen: number[] = [];
  const reader: FrameReader = new FrameReader({
    onFrameHeader: (type) => seen.push(type) > 0,
    onFrame() {
      reader.stop();
      return true;
    },
    onDataBytes: () => true,
    onDataEnd: () => true,
    onBadPadding: () => {},
  });
  const bytes = Buffer.concat([frame(FRAME_SETTINGS, 0, 0), frame(FRAME_HEADERS, 0, 1)]);
  reader.read(bytes, 0, bytes.length);
  reader.read(bytes, 0, FRAME_HEADER_BYTES);
  expect(seen).toEqual([FRAME_SETTINGS]);
});
