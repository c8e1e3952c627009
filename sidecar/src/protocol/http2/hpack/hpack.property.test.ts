/** What no table of examples can show: both tables stay in step, and no bytes crash the decoder or make it work without end. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { seededRandom } from '../../../../../test/seeded-random.ts';
import { LIMITS } from '../../../core/limits.ts';
import { decodeBlock } from './decoded.fixture.ts';
import { HPACK_FLOOD, HPACK_OK, HpackDecoder } from './decoder.ts';
import { encodeBlock, type Field } from './encoded.fixture.ts';
import { HpackEncoder } from './encoder.ts';

const MUTATIONS = 20_000;

// Few names and values, so that they repeat; some large, so that entries are evicted.
const name = fc.oneof(
  fc.constantFrom(
    'accept',
    'x-request-id',
    'traceparent',
    'cookie',
    'date',
    'user-agent',
    'x-forwarded-for',
    'x-a',
    'x-b',
  ),
  fc.stringMatching(/^x-[a-z0-9-]{1,40}$/),
);
const value = fc.oneof(
  fc.constantFrom('', 'a', 'b', 'application/json'),
  fc.integer({ min: 0, max: 20 }).map((n) => `${n}`.repeat(60)),
  fc.stringMatching(/^[!-~\u00a1-\u00ff]{1,300}$/),
);
const pseudo = fc.oneof(
  fc.tuple(fc.constant(':method'), fc.constantFrom('GET', 'POST', 'PUT', 'PROPFIND')),
  fc.tuple(fc.constant(':path'), fc.constantFrom('/', '/a', '/b?c', `/${'d'.repeat(200)}`)),
  fc.tuple(fc.constant(':authority'), fc.constantFrom('a', 'b:80')),
  fc.tuple(fc.constant(':scheme'), fc.constantFrom('http', 'https')),
  fc.tuple(fc.constant(':status'), fc.constantFrom('200', '201', '503')),
);
const block = fc.record({
  fields: fc.array(fc.oneof(pseudo, fc.tuple(name, value)), { maxLength: 30 }),
  sizes: fc.array(fc.constantFrom(0, 64, 200, 1_000, 4_096, 65_536), { maxLength: 2 }),
});

it('decodes what was encoded, over blocks, evictions and changes of size', () => {
  fc.assert(
    fc.property(fc.array(block, { minLength: 1, maxLength: 40 }), (blocks) => {
      const encoder = new HpackEncoder();
      const decoder = new HpackDecoder();
      for (const { fields, sizes } of blocks) {
        for (const size of sizes) encoder.setMaxTableBytes(size);
        const decoded = decodeBlock(decoder, encodeBlock(encoder, fields as Field[]));
        expect(decoded.result).toBe(HPACK_OK);
        expect(decoded.fields).toEqual(fields);
        expect(decoded.isWellFormed).not.toContain(false);
      }
    }),
    { numRuns: 150 },
  );
});

it('stays in step over a long life with more values than the tables hold', () => {
  const random = seededRandom(7);
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  const pick = (count: number) => Math.floor(random() * count);
  for (let i = 0; i < 20_000; i++) {
    const fields = Array.from(
      { length: 6 },
      (): Field => [`x-${pick(8)}`, `${pick(12)}`.repeat(1 + pick(40))],
    );
    expect(decodeBlock(decoder, encodeBlock(encoder, fields)).fields).toEqual(fields);
  }
});

it('answers mutated blocks with a number', () => {
  const random = seededRandom(11);
  const pick = (count: number) => Math.floor(random() * count);
  const encoder = new HpackEncoder();
  const recorded = Array.from({ length: 50 }, (_, i) =>
    encodeBlock(encoder, [
      [':method', 'GET'],
      [':path', `/${i % 7}`],
      ['x-request-id', `${i}`],
      ['x-custom', `${i % 3}`],
    ]),
  );
  // Huffman-coded strings and references to entries.
  recorded.push(
    Buffer.from('828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf', 'hex'),
    Buffer.from('488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff', 'hex'),
  );
  // What recorded blocks refer to is in the table.
  const warmDecoder = () => {
    const warm = new HpackDecoder();
    for (const bytes of recorded.slice(0, 12)) decodeBlock(warm, bytes);
    return warm;
  };
  let decoder = warmDecoder();
  let accepted = 0;
  for (let i = 0; i < MUTATIONS; i++) {
    const bytes = Buffer.from(recorded[pick(recorded.length)] as Buffer);
    for (let n = pick(4); n >= 0; n--) bytes[pick(bytes.length)] = pick(256);
    const { result } = decodeBlock(
      decoder,
      bytes.subarray(0, pick(4) === 0 ? pick(bytes.length) : undefined),
    );
    expect(result).toBeGreaterThanOrEqual(HPACK_OK);
    expect(result).toBeLessThanOrEqual(HPACK_FLOOD);
    expect(decoder.listBytes).toBeLessThan(LIMITS.headBytes);
    if (result === HPACK_OK) accepted++;
    else decoder = warmDecoder();
  }
  expect(accepted).toBeGreaterThan(MUTATIONS / 10);
});
