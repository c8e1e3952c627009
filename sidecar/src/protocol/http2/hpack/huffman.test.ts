import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodeHuffman, huffmanBound } from './huffman.ts';

/** RFC 7541 appendix B, some codes of every length, as bits. */
const CODES: [symbol: number, bits: string][] = [
  [0x30, '00000'],
  [0x74, '01001'],
  [0x20, '010100'],
  [0x75, '101101'],
  [0x3a, '1011100'],
  [0x7a, '1111011'],
  [0x26, '11111000'],
  [0x5a, '11111101'],
  [0x21, '1111111000'],
  [0x3f, '1111111100'],
  [0x27, '11111111010'],
  [0x7c, '11111111100'],
  [0x23, '111111111010'],
  [0x3e, '111111111011'],
  [0x00, '1111111111000'],
  [0x7e, '1111111111101'],
  [0x5e, '11111111111100'],
  [0x7d, '11111111111101'],
  [0x3c, '111111111111100'],
  [0x7b, '111111111111110'],
  [0x5c, '1111111111111110000'],
  [0xd0, '1111111111111110010'],
  [0x80, '11111111111111100110'],
  [0x99, '111111111111111011100'],
  [0x81, '1111111111111111010010'],
  [0x01, '11111111111111111011000'],
  [0x09, '111111111111111111101010'],
  [0xc7, '1111111111111111111101100'],
  [0xc0, '11111111111111111111100000'],
  [0xcb, '111111111111111111111011110'],
  [0x02, '1111111111111111111111100010'],
  [0x0a, '111111111111111111111111111100'],
  [0x16, '111111111111111111111111111110'],
];
const EOS = '1'.repeat(30);

it.each(CODES)('decodes byte %i', (symbol, bits) => {
  expect(decode(pad(bits))).toEqual([symbol]);
});

it('decodes any text of them', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...CODES), { maxLength: 60 }), (codes) => {
      const bits = codes.map(([, code]) => code).join('');
      expect(decode(pad(bits))).toEqual(codes.map(([symbol]) => symbol));
    }),
  );
});

it('refuses EOS, long padding, and padding that is not ones', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...CODES), { maxLength: 20 }), (codes) => {
      const bits = codes.map(([, code]) => code).join('');
      expect(decode(pad(bits + EOS))).toBeNull();
      expect(decode(`${pad(`${bits}1111111`)}ff`)).toBeNull();
      const padding = (8 - (bits.length % 8)) % 8;
      // Shorter paddings with a zero in them can be nothing but padding, as no code is shorter than five bits.
      if (padding > 0 && padding < 5) expect(decode(toHex(`${bits}${'1'.repeat(padding - 1)}0`))).toBeNull();
    }),
  );
});

function pad(bits: string): string {
  return toHex(bits + '1'.repeat((8 - (bits.length % 8)) % 8));
}

function toHex(bits: string): string {
  return (bits.match(/.{8}/g) ?? [])
    .map((byte) => Number.parseInt(byte, 2).toString(16).padStart(2, '0'))
    .join('');
}

function decode(hex: string): number[] | null {
  const bytes = Buffer.from(hex, 'hex');
  const target = Buffer.alloc(huffmanBound(bytes.length) + 1);
  const end = decodeHuffman(bytes, 0, bytes.length, target, 1);
  return end === -1 ? null : [...target.subarray(1, end)];
}
