import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JsonLine, jsonKey } from './json-line.ts';

const buffer = Buffer.alloc(65_536);
const line = new JsonLine();
const WALL_MS = Date.parse('2026-03-04T05:06:07.089Z');

/** What a reader of the log makes of a line that `write` put together. */
function readBack(write: (line: JsonLine) => void): Record<string, unknown> {
  line.begin(buffer, 7);
  line.time(WALL_MS);
  line.raw(Buffer.from('"direction":"inbound"'));
  write(line);
  const end = line.end();
  const text = buffer.toString('utf8', 7, end);
  // A line is a line, whatever is in it.
  expect(text.indexOf('\n')).toBe(text.length - 1);
  return JSON.parse(text);
}

describe('JsonLine', () => {
  test('bytes of the wire come back as the Latin-1 text that they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const read = readBack((json) => json.bytes(jsonKey('path'), bytes, 0, bytes.length));
        expect(read.path).toBe(Buffer.from(bytes).toString('latin1'));
      }),
    );
  });

  test('text comes back whatever it holds', () => {
    const any = fc.oneof(fc.string(), fc.string({ unit: 'binary' }));
    fc.assert(
      fc.property(any, (text) => {
        expect(readBack((json) => json.text(jsonKey('detail'), text)).detail).toBe(text);
      }),
    );
  });

  test('half of a surrogate pair does not break the line', () => {
    expect(readBack((json) => json.text(jsonKey('detail'), 'a\ud800b')).detail).toBe('a\ud800b');
  });

  test('whole numbers come back', () => {
    fc.assert(
      fc.property(fc.oneof(fc.nat(200), fc.maxSafeNat()), (value) => {
        expect(readBack((json) => json.number(jsonKey('bytes'), value)).bytes).toBe(value);
      }),
    );
  });

  test('milliseconds come back to the microsecond', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e8, noNaN: true }), (value) => {
        const read = readBack((json) => json.milliseconds(jsonKey('duration_ms'), value))
          .duration_ms as number;
        expect(Math.abs(read - value)).toBeLessThanOrEqual(0.000_501);
      }),
    );
  });

  test('ids come back in hexadecimal', () => {
    const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    fc.assert(
      fc.property(word, word, word, word, (a, b, c, d) => {
        const digits = [a, b, c, d].map((each) => (each >>> 0).toString(16).padStart(8, '0'));
        const read = readBack((json) => {
          json.id128(jsonKey('trace_id'), a, b, c, d);
          json.id64(jsonKey('span_id'), a, b);
        });
        expect(read.trace_id).toBe(digits.join(''));
        expect(read.span_id).toBe(digits.slice(0, 2).join(''));
      }),
    );
  });

  test('time is RFC 3339 with milliseconds', () => {
    const at = (ms: number) => {
      line.begin(buffer, 0);
      line.time(ms);
      line.raw(Buffer.from('"x":1'));
      return JSON.parse(buffer.toString('utf8', 0, line.end())).time;
    };
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e12 }), (ms) => {
        expect(at(ms)).toBe(new Date(ms).toISOString());
      }),
    );
  });
});
