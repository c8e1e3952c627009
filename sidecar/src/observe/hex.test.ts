import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hexText, isHex, readHexByte, readHexWord, writeHexByte, writeHexWord } from './hex.ts';

test('words and bytes are written in lower case and come back', () => {
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), (word) => {
      const bytes = Buffer.from('[........]');
      writeHexWord(bytes, 1, word);
      expect(bytes.toString()).toBe(`[${(word >>> 0).toString(16).padStart(8, '0')}]`);
      expect(readHexWord(bytes, 1)).toBe(word);
      expect(hexText(word)).toBe(bytes.toString('latin1', 1, 9));
      writeHexByte(bytes, 3, word & 255);
      expect(readHexByte(bytes, 3)).toBe(word & 255);
    }),
  );
});

test('only lower-case digits are digits', () => {
  for (let byte = 0; byte < 256; byte++) {
    const bytes = Buffer.from([0x30, byte, 0x66]);
    expect(isHex(bytes, 0, 3)).toBe(/^[0-9a-f]$/.test(String.fromCharCode(byte)));
  }
});
