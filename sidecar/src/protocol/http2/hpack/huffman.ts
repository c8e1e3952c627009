/**
 * Decodes the Huffman code of HPACK (RFC 7541 section 5.2 and appendix B).
 *
 * Invariants
 * - The code is canonical: the lengths alone define it, and codes of one length are consecutive in the order of their symbols. So the
 *   table below is all of appendix B, and a long code is found by one comparison a bit.
 * - Strict: EOS inside a string, padding of more than 7 bits and padding with anything but ones are errors.
 */

/** Bits of the code of each byte, then of EOS. */
const LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28,
  28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7,
  8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19,
  13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13,
  28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21,
  22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23,
  22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25,
  25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];
const EOS = 256;
const SHORTEST = 5;
const LONGEST = 30;
/** Codes up to this many bits, which are most of any text, are found by one look-up. */
const FAST_BITS = 8;
const MALFORMED = -1;

/** By the next 8 bits: bits used << 8 | byte; 0 when the code is longer. */
const FAST = new Uint16Array(1 << FAST_BITS);
/** By length: the first code, how many there are, and where their symbols start. */
const FIRST_CODE = new Int32Array(LONGEST + 1);
const CODES = new Int32Array(LONGEST + 1);
const SYMBOLS_START = new Int32Array(LONGEST + 1);
const SYMBOLS = new Uint16Array(LENGTHS.length);
fillTables();

/** Bytes that `count` coded bytes can become at most. */
export function huffmanBound(count: number): number {
  return Math.floor((count * 8) / SHORTEST);
}

/** Where the last long code ended: byte offset, and how many bits of it are left. */
let longAt = 0;
let longBits = 0;

/** Decodes `bytes[start, end)` to `target[at...]`, which has room for `huffmanBound`. Returns the end, or -1. */
export function decodeHuffman(
  bytes: Uint8Array,
  start: number,
  end: number,
  target: Buffer,
  at: number,
): number {
  let out = at;
  let from = start;
  // The lowest `count` bits of `window` are read but not used yet.
  let window = 0;
  let count = 0;
  for (;;) {
    if (count < FAST_BITS) {
      if (from === end) break;
      window = ((window << 8) | (bytes[from++] as number)) & 0xffff;
      count += 8;
    }
    const found = FAST[(window >>> (count - FAST_BITS)) & 0xff] as number;
    if (found !== 0) {
      target[out++] = found & 0xff;
      count -= found >>> 8;
      continue;
    }
    const symbol = decodeLong(bytes, from, end, window, count);
    if (symbol === MALFORMED) return MALFORMED;
    target[out++] = symbol;
    from = longAt;
    count = longBits;
    window = bytes[from - 1] as number;
  }
  // Fewer than 8 bits are left: short codes, then padding, which is ones just like what is shifted in here.
  for (;;) {
    const padded = ((window << (FAST_BITS - count)) | (0xff >>> count)) & 0xff;
    const found = FAST[padded] as number;
    if (found === 0 || found >>> 8 > count) return padded === 0xff ? out : MALFORMED;
    target[out++] = found & 0xff;
    count -= found >>> 8;
  }
}

/** Finds a code of more than 8 bits: the lowest `count` bits of `window`, then what follows at `from`. */
function decodeLong(bytes: Uint8Array, from: number, end: number, window: number, count: number): number {
  let code = (window >>> (count - FAST_BITS)) & 0xff;
  let left = count - FAST_BITS;
  let byte = window;
  let at = from;
  for (let length = FAST_BITS + 1; length <= LONGEST; length++) {
    if (left === 0) {
      if (at === end) return MALFORMED;
      byte = bytes[at++] as number;
      left = 8;
    }
    code = (code << 1) | ((byte >>> --left) & 1);
    const nth = code - (FIRST_CODE[length] as number);
    if (nth >= 0 && nth < (CODES[length] as number)) {
      const symbol = SYMBOLS[(SYMBOLS_START[length] as number) + nth] as number;
      longAt = at;
      longBits = left;
      return symbol === EOS ? MALFORMED : symbol;
    }
  }
  return MALFORMED;
}

function fillTables(): void {
  let code = 0;
  let symbols = 0;
  for (let length = SHORTEST; length <= LONGEST; length++) {
    code <<= 1;
    FIRST_CODE[length] = code;
    SYMBOLS_START[length] = symbols;
    for (let symbol = 0; symbol <= EOS; symbol++) {
      if (LENGTHS[symbol] !== length) continue;
      SYMBOLS[symbols++] = symbol;
      const spare = FAST_BITS - length;
      if (spare >= 0) FAST.fill((length << 8) | symbol, code << spare, (code + 1) << spare);
      code++;
    }
    CODES[length] = code - (FIRST_CODE[length] as number);
  }
}
