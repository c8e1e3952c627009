/**
 * Hexadecimal to and from bytes, by table: 32-bit words as eight lower-case digits.
 */
const DIGITS = Buffer.from('0123456789abcdef');

/** The two digits of each byte value. */
const HIGH = new Uint8Array(256);
const LOW = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  HIGH[byte] = DIGITS[byte >> 4] as number;
  LOW[byte] = DIGITS[byte & 15] as number;
}

const TEXTS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Value of a lower-case digit, -1 for any other byte: its sign survives `|`, so that a run is checked once. */
const VALUE = new Int8Array(256).fill(-1);
for (let value = 0; value < 16; value++) VALUE[DIGITS[value] as number] = value;

export function writeHexWord(target: Uint8Array, at: number, word: number): void {
  writeHexByte(target, at, word >>> 24);
  writeHexByte(target, at + 2, (word >>> 16) & 255);
  writeHexByte(target, at + 4, (word >>> 8) & 255);
  writeHexByte(target, at + 6, word & 255);
}

export function writeHexByte(target: Uint8Array, at: number, byte: number): void {
  target[at] = HIGH[byte] as number;
  target[at + 1] = LOW[byte] as number;
}

/** Whether `count` bytes from `at` are lower-case digits. */
export function isHex(source: Uint8Array, at: number, count: number): boolean {
  let all = 0;
  for (let i = at; i < at + count; i++) all |= VALUE[source[i] as number] as number;
  return all >= 0;
}

/** The word in the eight digits from `at`, which `isHex` accepted. */
export function readHexWord(source: Uint8Array, at: number): number {
  let word = 0;
  for (let i = at; i < at + 8; i++) word = (word << 4) | (VALUE[source[i] as number] as number);
  return word;
}

/** The byte in the two digits from `at`, which `isHex` accepted. */
export function readHexByte(source: Uint8Array, at: number): number {
  return ((VALUE[source[at] as number] as number) << 4) | (VALUE[source[at + 1] as number] as number);
}

/** Eight digits. */
export function hexText(word: number): string {
  const high = (TEXTS[word >>> 24] as string) + TEXTS[(word >>> 16) & 255];
  return high + TEXTS[(word >>> 8) & 255] + TEXTS[word & 255];
}
