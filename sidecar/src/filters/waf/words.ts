/**
 * Sets of words that are looked up in bytes without making strings of them.
 *
 * Invariant: a look-up compares one candidate and does not depend on the length of the text, so that no input makes it slow.
 */
const SLOTS_PER_WORD = 4;

/** Words of ASCII letters, digits and `_`, each with a number above 0; the number of a word that is not in the set is 0. */
export class WordTable {
  private readonly mask: number;
  private readonly words: string[];
  private readonly values: Int32Array;
  private readonly longest: number;

  /** Lists of words by their number. */
  constructor(lists: Readonly<Record<number, string>>) {
    const entries = Object.entries(lists).flatMap(([value, words]) =>
      words
        .split(/\s+/)
        .filter((word) => word !== '')
        .map((word) => [word, Number(value)] as const),
    );
    let slots = 1;
    while (slots < entries.length * SLOTS_PER_WORD) slots *= 2;
    this.mask = slots - 1;
    this.words = new Array(slots).fill('');
    this.values = new Int32Array(slots);
    this.longest = Math.max(...entries.map(([word]) => word.length));
    for (const [word, value] of entries) {
      let slot = hashOf(Buffer.from(word, 'latin1'), 0, word.length) & this.mask;
      while (this.words[slot] !== '' && this.words[slot] !== word) slot = (slot + 1) & this.mask;
      this.words[slot] = word;
      this.values[slot] = value;
    }
  }

  /** Of `text[start, end)`, whatever its case. */
  find(text: Uint8Array, start: number, end: number): number {
    return end - start > this.longest ? 0 : this.findHashed(text, start, end, hashOf(text, start, end));
  }

  /** As `find`, for who has computed the hash by `nextHash` on the way. */
  findHashed(text: Uint8Array, start: number, end: number, hash: number): number {
    const length = end - start;
    if (length > this.longest) return 0;
    for (let slot = hash & this.mask; ; slot = (slot + 1) & this.mask) {
      const word = this.words[slot] as string;
      if (word === '') return 0;
      if (word.length === length && isSame(word, text, start)) return this.values[slot] as number;
    }
  }
}

export const FIRST_HASH = 7;

export function nextHash(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + (byte | 0x20)) | 0;
}

function hashOf(text: Uint8Array, start: number, end: number): number {
  let hash = FIRST_HASH;
  for (let i = start; i < end; i++) hash = nextHash(hash, text[i] as number);
  return hash;
}

function isSame(word: string, text: Uint8Array, start: number): boolean {
  for (let i = 0; i < word.length; i++) {
    const code = text[start + i] as number;
    // Of `_` the bit for case makes DEL.
    const lower = code >= 0x41 && code <= 0x5a ? code | 0x20 : code;
    if (lower !== word.charCodeAt(i)) return false;
  }
  return true;
}
