import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LIMITS } from '../../core/limits.ts';
import { RequestHead } from '../../protocol/head.ts';
import { scanRequestHead } from '../../protocol/http1/request-head.ts';
import { decodeBody, readCodings } from './content-encoding.ts';

const ENCODERS: Record<string, (body: Uint8Array) => Buffer> = {
  gzip: gzipSync,
  'x-gzip': gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
  zstd: zstdCompressSync,
};
const codings = fc.array(fc.constantFrom(...Object.keys(ENCODERS)), { maxLength: LIMITS.wafCodings });
const bytes = fc.uint8Array({ maxLength: 2_000 }).map((array) => Buffer.from(array));

function encode(body: Buffer, names: readonly string[]): Buffer {
  return names.reduce((encoded, name) => (ENCODERS[name] as (typeof ENCODERS)[string])(encoded), body);
}

function codingsOf(...fields: string[]): readonly string[] | null {
  const lines = fields.map((value) => `Content-Encoding: ${value}`);
  const raw = Buffer.from(['POST / HTTP/1.1', 'host: a', ...lines, '', ''].join('\r\n'));
  const request = new RequestHead();
  expect(scanRequestHead(request, raw, 0, raw.length)).toBe(raw.length);
  return readCodings(request);
}

test('what was coded comes out again', () => {
  fc.assert(
    fc.property(bytes, codings, (body, names) => {
      const decoded = decodeBody(encode(body, names), names, 1_000_000);
      expect(typeof decoded !== 'string' && decoded.equals(body)).toBe(true);
    }),
  );
});

test('deflate comes with the wrapper of zlib and without it', () => {
  fc.assert(
    fc.property(bytes, (body) => {
      const decoded = decodeBody(deflateRawSync(body), ['deflate'], 1_000_000);
      expect(typeof decoded !== 'string' && decoded.equals(body)).toBe(true);
    }),
  );
});

test('nothing becomes larger than it may, in size or in proportion', () => {
  const zeros = Buffer.alloc(5_000_000);
  for (const name of Object.keys(ENCODERS)) {
    expect(decodeBody(encode(zeros, [name]), [name], 4_000_000)).toBe('oversize');
    const small = encode(zeros.subarray(0, LIMITS.wafInflationFreeBytes), [name]);
    expect(decodeBody(small, [name], 4_000_000)).toHaveLength(LIMITS.wafInflationFreeBytes);
  }
  // A thousandth of it, so that the size alone would let it pass.
  expect(decodeBody(gzipSync(zeros), ['gzip'], 6_000_000)).toBe('oversize');
  expect(decodeBody(encode(zeros, ['gzip', 'gzip']), ['gzip', 'gzip'], 1_000_000)).toBe('oversize');
});

test('what is no such coding is told, and never more than is allowed', () => {
  fc.assert(
    fc.property(bytes, codings, (body, names) => {
      const decoded = decodeBody(body, names, 1_000);
      if (names.length === 0) expect(decoded).toBe(body);
      else if (typeof decoded !== 'string') expect(decoded.length).toBeLessThanOrEqual(1_000);
    }),
  );
  for (const name of Object.keys(ENCODERS)) {
    if (name !== 'deflate') expect(decodeBody(Buffer.from('plain'), [name], 1_000)).toBe('unparsable');
  }
});

test('codings stand in one field or in several, in whatever case', () => {
  expect(codingsOf()).toEqual([]);
  expect(codingsOf('GZip')).toEqual(['gzip']);
  expect(codingsOf('gzip, , identity,br')).toEqual(['gzip', 'br']);
  expect(codingsOf('gzip', 'br')).toEqual(['gzip', 'br']);
  expect(codingsOf('compress')).toBeNull();
  expect(codingsOf('gzip', 'gzip, gzip, gzip')).toBeNull();
});
