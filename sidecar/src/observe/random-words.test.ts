import { describe, expect, test } from 'vitest';
import { RandomWords } from './random-words.ts';

describe('RandomWords', () => {
  test('pairs of words do not repeat, and every bit is set half of the time', () => {
    const words = new RandomWords(Math.random);
    const count = 20_000;
    const pairs = new Set<string>();
    const ones = new Array<number>(32).fill(0);
    for (let i = 0; i < count; i++) {
      const word = words.next();
      expect(word).toBe(word | 0);
      for (let bit = 0; bit < 32; bit++) ones[bit] = (ones[bit] as number) + ((word >>> bit) & 1);
      pairs.add(`${word},${words.next()}`);
    }
    expect(pairs.size).toBe(count);
    // Seven standard deviations of a fair coin.
    for (const set of ones) expect(Math.abs(set - count / 2)).toBeLessThan(3.5 * Math.sqrt(count));
  });

  test('follow from the seed alone', () => {
    const take = (seed: number) => {
      const words = new RandomWords(() => seed);
      return Array.from({ length: 8 }, () => words.next());
    };
    expect(take(0.25)).toEqual(take(0.25));
    expect(take(0.25)).not.toEqual(take(0.75));
  });
});
