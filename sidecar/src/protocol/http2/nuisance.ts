/**
 * Counts what a well-behaved peer does seldom: resets of streams that it just opened, pings, settings, empty frames, frames for streams
 * that are gone. A peer may do a burst of it, and then some each second; one that does more is told to calm down (RFC 9113 section 10.5).
 *
 * It answers rapid resets (CVE-2023-44487), resets that a peer provokes (CVE-2025-8671) and floods of frames that cost us more than
 * the peer (CVE-2019-9512 and its kin).
 */
import { LIMITS } from '../../core/limits.ts';

export class NuisanceBudget {
  private left: number = LIMITS.http2NuisanceBurst;
  private refilledMs = 0;

  /** False when the peer went too far. */
  spend(nowMs: number): boolean {
    if (this.left < LIMITS.http2NuisanceBurst && nowMs > this.refilledMs) {
      const refill = ((nowMs - this.refilledMs) / 1_000) * LIMITS.http2NuisancesPerSecond;
      this.left = Math.min(LIMITS.http2NuisanceBurst, this.left + refill);
    }
    this.refilledMs = nowMs;
    this.left--;
    return this.left >= 0;
  }
}
