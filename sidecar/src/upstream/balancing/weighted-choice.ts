/**
 * Draws an index with a probability in proportion to its weight, in constant time whatever their number: the alias method
 * (A. J. Walker 1977; built as M. D. Vose 1991 shows).
 *
 * Invariant: an index of weight 0 is never drawn, unless all are 0.
 */
import type { RandomWords } from '../../observe/random-words.ts';

export class WeightedChoice {
  private readonly count: number;
  /** Probability of the index itself, rather than its alias; null when all weights are the same. */
  private readonly own: Float64Array | null;
  private readonly alias: Uint16Array;

  constructor(weights: Float64Array) {
    const count = weights.length;
    this.count = count;
    this.alias = new Uint16Array(count);
    if (weights.every((weight) => weight === weights[0])) {
      this.own = null;
      return;
    }
    const mean = weights.reduce((sum, weight) => sum + weight, 0) / count;
    this.own = weights.map((weight) => weight / mean);
    this.pair(this.own);
  }

  draw(random: RandomWords): number {
    const at = random.nextFraction() * this.count;
    const index = at | 0;
    // Where in its column the draw fell is as random as the column.
    return this.own === null || at - index < (this.own[index] as number)
      ? index
      : (this.alias[index] as number);
  }

  /** Fills up each column that is too low from one that is too high. */
  private pair(own: Float64Array): void {
    const low: number[] = [];
    const high: number[] = [];
    own.forEach((share, i) => void (share < 1 ? low : high).push(i));
    while (low.length > 0 && high.length > 0) {
      const under = low.pop() as number;
      const over = high.pop() as number;
      this.alias[under] = over;
      own[over] = (own[over] as number) + (own[under] as number) - 1;
      ((own[over] as number) < 1 ? low : high).push(over);
    }
    // What is left differs from 1 by rounding alone.
    for (const i of [...low, ...high]) own[i] = 1;
  }
}
