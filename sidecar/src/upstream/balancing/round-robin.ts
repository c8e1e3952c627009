/**
 * Every endpoint in turn; those of less than the highest weight are left out of as many rounds as their weight says, each in other rounds
 * than its neighbour.
 */
import type { EndpointRecord } from '../endpoint-record.ts';
import { RotatingBalancer } from './rotating-balancer.ts';

/** Steps of weights: a lower one than this part of the highest gets no turn. */
const SCALE = 65_536;
/** Turns that endpoints in their slow start may pass on. */
const PASSES = 3;

export class RoundRobin extends RotatingBalancer {
  private scaled = new Uint32Array(0);
  private turn = 0;

  protected adapt(weights: Float64Array): void {
    const highest = weights.reduce((most, weight) => Math.max(most, weight), 0);
    this.scaled = Uint32Array.from(weights, (weight) => Math.round((weight / highest) * SCALE));
  }

  protected choose(nowMs: number, ramping: boolean): number {
    let index = this.next();
    for (let left = ramping ? PASSES : 0; left > 0; left--) {
      if (this.admits(this.members[index]?.record as EndpointRecord, nowMs)) break;
      index = this.next();
    }
    return index;
  }

  private next(): number {
    const { scaled } = this;
    const count = scaled.length;
    for (;;) {
      const turn = this.turn;
      this.turn = turn === Number.MAX_SAFE_INTEGER ? 0 : turn + 1;
      const index = turn % count;
      const round = Math.floor(turn / count);
      const weight = scaled[index] as number;
      // A round is taken when the endpoint's share of all rounds so far has grown past a whole number.
      if ((weight * round + index * (SCALE / 2)) % SCALE >= SCALE - weight) return index;
    }
  }
}
