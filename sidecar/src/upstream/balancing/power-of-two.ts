/**
 * The better of two endpoints drawn at random (M. Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, 2001): nearly as even
 * as looking at all of them, at a cost that does not depend on their number, and without all callers running to the same one.
 *
 * By peak EWMA the better one is that with the lower latency times attempts under way; by least request that with fewer of them.
 */
import type { Endpoint } from '../endpoint.ts';
import type { EndpointRecord } from '../endpoint-record.ts';
import { type BalancerOptions, RotatingBalancer } from './rotating-balancer.ts';
import type { Rotation } from './rotation.ts';
import { WeightedChoice } from './weighted-choice.ts';

/** A difference below this is noise, and the draw decides: so weights hold among endpoints that are equally good. */
const TOLERANCE = 1.1;
/** Draws for one of the two until another than the first, and one that is not held back by its slow start, comes up. */
const DRAWS = 8;

export class PowerOfTwo extends RotatingBalancer {
  private readonly byLatency: boolean;
  private choice = new WeightedChoice(new Float64Array(0));
  private records: readonly EndpointRecord[] = [];
  /** What one attempt takes of the capacity of each, by its weight; 1 on average. */
  private shares = new Float64Array(0);

  constructor(rotation: Rotation, options: BalancerOptions, byLatency: boolean) {
    super(rotation, options);
    this.byLatency = byLatency;
  }

  protected adapt(weights: Float64Array): void {
    const { members } = this;
    this.choice = new WeightedChoice(weights);
    this.records = members.map(({ record }) => record);
    const mean = members.reduce((sum, { weight }) => sum + weight, 0) / members.length;
    this.shares = Float64Array.from(members, ({ weight }: Endpoint) => mean / weight);
  }

  protected choose(nowMs: number, ramping: boolean): number {
    const first = this.draw(-1, nowMs, ramping);
    const second = this.draw(first, nowMs, ramping);
    if (second === first) return first;
    return this.cost(second, nowMs) * TOLERANCE < this.cost(first, nowMs) ? second : first;
  }

  private draw(other: number, nowMs: number, ramping: boolean): number {
    let index = this.choice.draw(this.random);
    for (let left = DRAWS; left > 0; left--) {
      const fits = index !== other && (!ramping || this.admits(this.records[index] as EndpointRecord, nowMs));
      if (fits) return index;
      index = this.choice.draw(this.random);
    }
    return index;
  }

  private cost(index: number, nowMs: number): number {
    const record = this.records[index] as EndpointRecord;
    const share = this.shares[index] as number;
    return this.byLatency ? record.costAt(nowMs, share) : 1 + record.inFlight * share;
  }
}
