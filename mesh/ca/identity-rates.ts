/**
 * How often certificates are signed for one identity, so that a workload that was taken over, or runs wild, costs the issuer and the others little.
 *
 * Invariants: replicas of a workload have one identity, so a burst is room for all of them to start at once. Who asked least recently is forgotten when there are too
 * many identities, which gives nothing away: an identity is proved before it is counted here.
 */
import { LIMITS } from './limits.ts';
import { Refusal } from './refusal.ts';
import { TokenBucket } from './token-bucket.ts';

export interface IdentityRate {
  readonly perSecond: number;
  readonly burst: number;
}

export class IdentityRates {
  readonly #rate: IdentityRate;
  readonly #nowMs: () => number;
  /** The one that asked least recently first. */
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(rate: IdentityRate, nowMs: () => number = () => performance.now()) {
    this.#rate = rate;
    this.#nowMs = nowMs;
  }

  /** Throws a `Refusal` with 429. */
  take(spiffeId: string): void {
    const nowMs = this.#nowMs();
    const { perSecond, burst } = this.#rate;
    const bucket = this.#buckets.get(spiffeId) ?? new TokenBucket(perSecond, burst, nowMs);
    this.#buckets.delete(spiffeId);
    this.#buckets.set(spiffeId, bucket);
    const [eldest] = this.#buckets.keys();
    if (this.#buckets.size > LIMITS.identities && eldest !== undefined) this.#buckets.delete(eldest);
    if (bucket.take(nowMs)) return;
    const detail = `${spiffeId} asks for more than ${perSecond} certificates a second; try again later.`;
    throw new Refusal(429, 'too_many_requests', detail, { 'retry-after': String(Math.ceil(1 / perSecond)) });
  }
}
