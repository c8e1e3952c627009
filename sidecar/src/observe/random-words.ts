/**
 * Cheap random 32-bit words for ids: the generator sfc32 (Chris Doty-Humphrey, PractRand), seeded once.
 *
 * Invariants: words are signed, so that they stay small integers; ids made from them are unique, not secret.
 */
const WARM_UP = 12;

export class RandomWords {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  /** `random` is uniform in [0, 1) and only seeds. */
  constructor(random: () => number) {
    this.a = seedWord(random);
    this.b = seedWord(random);
    this.c = seedWord(random);
    for (let i = 0; i < WARM_UP; i++) this.next();
  }

  next(): number {
    const { a, b, c, counter } = this;
    const word = (((a + b) | 0) + counter) | 0;
    this.counter = (counter + 1) | 0;
    this.a = b ^ (b >>> 9);
    this.b = (c + (c << 3)) | 0;
    this.c = (((c << 21) | (c >>> 11)) + word) | 0;
    return word;
  }

  /** Uniform in [0, 1). */
  nextFraction(): number {
    return (this.next() >>> 0) / 0x1_0000_0000;
  }
}

function seedWord(random: () => number): number {
  return (random() * 0x1_0000_0000) | 0;
}
