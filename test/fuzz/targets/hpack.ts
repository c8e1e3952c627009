// Blocks that no encoder made, or that were damaged on the way, and what is encoded anew of those that were read. A decoder goes on or gives up, it
// never throws; what it reads, our encoder can write, and both ends agree on it, block after block.
import { deepStrictEqual, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { LIMITS } from '../../../sidecar/src/core/limits.ts';
import { decodeBlock } from '../../../sidecar/src/protocol/http2/hpack/decoded.fixture.ts';
import { HPACK_FLOOD, HPACK_OK, HpackDecoder } from '../../../sidecar/src/protocol/http2/hpack/decoder.ts';
import { encodeBlock } from '../../../sidecar/src/protocol/http2/hpack/encoded.fixture.ts';
import { HpackEncoder } from '../../../sidecar/src/protocol/http2/hpack/encoder.ts';
import { PSEUDO_NONE } from '../../../sidecar/src/protocol/http2/hpack/field.ts';
import { fuzzTarget } from '../target.ts';

const field = fc.tuple(
  fc.constantFrom(':path', ':status', 'accept', 'cookie', 'x-request-id', 'x-a', 'X-Bad', ''),
  fc.oneof(fc.constantFrom('', '/', '200', 'a'), fc.string({ maxLength: 300, unit: 'binary-ascii' })),
);
const made = fc.array(field, { maxLength: 12 }).map((fields) => {
  const encoder = new HpackEncoder();
  return [encodeBlock(encoder, fields), encodeBlock(encoder, fields)];
});
const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 5 });
const damaged = fc.tuple(made, damage, fc.nat()).map(([blocks, changes, cut]) =>
  blocks.map((block) => {
    const bytes = Buffer.from(block);
    for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
    return cut % 5 === 0 ? bytes.subarray(0, cut % (bytes.length + 1)) : bytes;
  }),
);
const arbitrary = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 4 });

export const targets = [
  fuzzTarget({
    name: 'hpack',
    input: fc.oneof({ weight: 3, arbitrary: damaged }, { weight: 1, arbitrary }),
    check(blocks) {
      const decoder = new HpackDecoder();
      const encoder = new HpackEncoder();
      const other = new HpackDecoder();
      for (const block of blocks) {
        const { result, fields, isWellFormed, pseudo } = decodeBlock(decoder, block);
        ok(result >= HPACK_OK && result <= HPACK_FLOOD);
        ok(decoder.listBytes <= LIMITS.headBytes * LIMITS.hpackFloodFactor + LIMITS.headBytes);
        if (result !== HPACK_OK) return;
        // What is malformed is never passed on.
        const passedOn = fields.filter((_, i) => isWellFormed[i] && pseudo[i] === PSEUDO_NONE);
        deepStrictEqual(decodeBlock(other, encodeBlock(encoder, passedOn)).fields, passedOn);
      }
    },
  }),
];
