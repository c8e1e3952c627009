import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../core/limits.ts';
import { decodeBlock } from './decoded.fixture.ts';
import { HPACK_OK, HpackDecoder } from './decoder.ts';
import { encodeBlock, type Field } from './encoded.fixture.ts';
import { HpackEncoder } from './encoder.ts';

const REQUEST: Field[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'gateway.demo.svc'],
  [':path', '/v1/runs'],
  ['user-agent', 'test/1.0'],
  ['accept', 'application/json'],
  ['X-Tenant', 'blue'],
];

describe('what goes into the table', () => {
  it('writes a request that repeats in one byte a field, from the third time on', () => {
    const encoder = new HpackEncoder();
    const lengths = [1, 2, 3, 4].map(() => encodeBlock(encoder, REQUEST).length);
    expect(lengths.slice(2)).toEqual([REQUEST.length, REQUEST.length]);
    expect(lengths[0]).toBeGreaterThan(50);
  });

  it('keeps varying values out, but remembers the name', () => {
    const encoder = new HpackEncoder();
    const names = ['x-request-id', 'traceparent', 'date', 'x-other'];
    const blocks = Array.from({ length: 100 }, (_, i) =>
      encodeBlock(
        encoder,
        names.map((name): Field => [name, `value-${i}`]),
      ),
    );
    const indexed = encodeBlock(encoder, [['x-request-id', 'value-1']]);
    expect(indexed.length).toBe(2 + 1 + 'value-1'.length);
    // Only the two names without a static index were put in, once each; `x-other` is nothing that is known to vary.
    const inserted = blocks.flatMap((block) => [...block].filter((byte) => byte === 0x40));
    expect(inserted.length).toBe(2);
  });

  it.each(['authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key'])(
    'never indexes %s',
    (name) => {
      const encoder = new HpackEncoder();
      const blocks = [1, 2, 3].map(() => encodeBlock(encoder, [[name, 'secret']]));
      for (const block of blocks) {
        expect((block[0] as number) & 0xf0).toBe(0x10);
        expect(block.toString('latin1')).toContain('secret');
      }
    },
  );

  it('sends on as never indexed what came so', () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder();
    for (let i = 0; i < 4; i++) {
      const { fields, neverIndexed } = decodeBlock(
        decoder,
        encodeBlock(encoder, [
          ['x-pin', '1234', true],
          ['accept', 'a', true],
          ['accept', 'a'],
          ['cookie', 'b'],
          ['x-request-id', 'c'],
        ]),
      );
      expect(fields.map(([, value]) => value)).toEqual(['1234', 'a', 'a', 'b', 'c']);
      expect(neverIndexed).toEqual([true, true, false, true, false]);
    }
  });

  it('leaves long values out', () => {
    const encoder = new HpackEncoder();
    const value = 'v'.repeat(LIMITS.hpackIndexedValueBytes + 1);
    const lengths = [1, 2, 3].map(() => encodeBlock(encoder, [['x-long', value]]).length);
    expect(Math.min(...lengths)).toBeGreaterThan(value.length);
  });

  it('lets what repeats survive while other values churn', () => {
    const encoder = new HpackEncoder();
    // Every value comes twice, so that each one looks as if it repeated.
    const blocks = Array.from({ length: 4_000 }, (_, i) => {
      const churn: Field = ['x-churn', `${i >> 1}-${'y'.repeat(100)}`];
      return encodeBlock(encoder, [...REQUEST, churn]);
    });
    const withIndexing = blocks.filter((block) =>
      [...block.subarray(0, REQUEST.length)].some((byte) => byte < 0x80),
    );
    expect(withIndexing.length).toBeLessThan(400);
  });

  it('writes names in lower case', () => {
    const block = encodeBlock(new HpackEncoder(), [
      ['X-Custom', 'A'],
      ['Accept', 'B'],
    ]);
    expect(decodeBlock(new HpackDecoder(), block).fields).toEqual([
      ['x-custom', 'A'],
      ['accept', 'B'],
    ]);
  });

  it.each([200, 204, 206, 304, 400, 404, 500, 100, 103, 201, 418, 503, 599])('writes status %i', (status) => {
    const block = encodeBlock(new HpackEncoder(), [[':status', String(status)]]);
    expect(decodeBlock(new HpackDecoder(), block).fields).toEqual([[':status', String(status)]]);
    expect(block.length).toBe([200, 204, 206, 304, 400, 404, 500].includes(status) ? 1 : 5);
  });
});

describe('size updates', () => {
  const sizes = [
    { told: [], bytes: '' },
    { told: [LIMITS.hpackTableBytes], bytes: '' },
    { told: [1_000_000], bytes: '' },
    { told: [0], bytes: '20' },
    { told: [100], bytes: '3f45' },
    { told: [100, 50], bytes: '3f13' },
    { told: [0, 4_096], bytes: '203fe11f' },
    { told: [0, 100, 50], bytes: '203f13' },
    { told: [0xffff_ffff, 0, 0xffff_ffff], bytes: '203fe11f' },
  ];
  it.each(sizes)('$told', ({ told, bytes }) => {
    const encoder = new HpackEncoder();
    for (const size of told) encoder.setMaxTableBytes(size);
    expect(encodeBlock(encoder, []).toString('hex')).toBe(bytes);
    expect(encodeBlock(encoder, []).toString('hex')).toBe('');
  });

  it('grows again after it shrank', () => {
    const encoder = new HpackEncoder();
    encoder.setMaxTableBytes(0);
    encodeBlock(encoder, []);
    encoder.setMaxTableBytes(200);
    expect(encodeBlock(encoder, []).toString('hex')).toBe('3fa901');
  });

  it('uses no table when there is none', () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder();
    encoder.setMaxTableBytes(0);
    for (let i = 0; i < 5; i++) {
      const { result, fields } = decodeBlock(decoder, encodeBlock(encoder, REQUEST));
      expect([result, fields.length]).toEqual([HPACK_OK, REQUEST.length]);
    }
  });
});
