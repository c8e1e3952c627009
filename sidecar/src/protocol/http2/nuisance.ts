/**
 * Counts what a well-behaved peer does in moderation. A peer may do a burst of it, and then some each second, or as much as we gave
 * occasion for; one that does more is told to calm down (RFC 9113 section 10.5).
 *
 * A connection has two such budgets. One is for what should be seldom, whatever else goes on: resets of streams that were just opened,
 * resets that the peer provokes, settings, empty frames, frames for streams that are gone. It answers rapid resets (CVE-2023-44487),
 * MadeYouReset (CVE-2025-8671) and floods that cost us more than the peer (CVE-2019-9512 and its kin). The other is for what
 * accompanies ordinary traffic and grows with it: updates of windows, pings that measure the way, priorities, extensions.
 */
import { LIMITS } from '../../core/limits.ts';

export class NuisanceBudget {
  private left: number;
  private refilledMs = 0;
  private readonly burst: number;

  constructor(burst: number = LIMITS.http2NuisanceBurst) {
    this.burst = burst;
    this.left = burst;
  }

  /** False when the peer went too far. */
  spend(nowMs: number): boolean {
    if (this.left < this.burst && nowMs > this.refilledMs) {
      const refill = ((nowMs - this.refilledMs) / 1_000) * LIMITS.http2NuisancesPerSecond;
      this.left = Math.min(this.burst, this.left + refill);
    }
    this.refilledMs = nowMs;
    this.left--;
    return this.left >= 0;
  }

  /** We did something that calls for as many. */
  earn(count: number): void {
    this.left = Math.min(this.burst, this.left + count);
  }
}
