/**
 * The latest requests of a histogram whose trace can be looked at: kept as numbers, since ids become text only when somebody scrapes.
 */
import type { Exchange } from '../core/exchange.ts';
import { hexText } from './hex.ts';
import { OBSERVE_LIMITS } from './limits.ts';

/** A duration whose trace can be looked at. */
export interface Exemplar {
  readonly durationMs: number;
  /** Milliseconds since the Unix epoch. */
  readonly atMs: number;
  /** Hexadecimal. */
  readonly traceId: string;
}

/** Duration, time and the four words of an id. */
const NUMBERS = 6;
const SIZE = OBSERVE_LIMITS.exemplarsPerHistogram * NUMBERS;

export class Exemplars {
  private readonly numbers = new Float64Array(SIZE);
  private next = 0;

  add(durationMs: number, { traceId0, traceId1, traceId2, traceId3 }: Exchange): void {
    const { numbers, next } = this;
    numbers[next] = durationMs;
    numbers[next + 1] = Date.now();
    numbers[next + 2] = traceId0;
    numbers[next + 3] = traceId1;
    numbers[next + 4] = traceId2;
    numbers[next + 5] = traceId3;
    this.next = next + NUMBERS === SIZE ? 0 : next + NUMBERS;
  }

  /** In no order. */
  *all(): Iterable<Exemplar> {
    for (let at = 0; at < SIZE; at += NUMBERS) {
      const [durationMs = 0, atMs = 0, ...words] = this.numbers.subarray(at, at + NUMBERS);
      if (atMs > 0) yield { durationMs, atMs, traceId: words.map(hexText).join('') };
    }
  }
}
