/**
 * When to try again what failed: growing, jittered and bounded by the pace of the thing itself, so that what lives for ten seconds is tried within
 * one and what lives for a day bothers nobody.
 */
const FIRST_PER_PACE = 1 / 60;
const CAP_PER_PACE = 1 / 10;

/** `paceMs`: the ordinary time between two successes; `failures`: how many went before, 0 for the first; `random` is uniform in [0, 1). */
export function retryDelayMs(paceMs: number, failures: number, random: number): number {
  const firstMs = clamp(paceMs * FIRST_PER_PACE, 100, 1_000);
  const capMs = clamp(paceMs * CAP_PER_PACE, 500, 30_000);
  return Math.min(firstMs * 2 ** failures, capMs) * (0.5 + 0.5 * random);
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
