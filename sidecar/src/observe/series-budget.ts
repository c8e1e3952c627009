/** Label value of whatever has no value of its own. */
export const OVERFLOW = '_OTHER';

/**
 * How many series traffic may make, counted as Prometheus does: each sample of a scrape is one, so a histogram is many.
 *
 * Invariant: what was taken is never given back, since a series lives as long as the sidecar; so it is never more than the limit, unless that was lowered.
 */
export class SeriesBudget {
  limit: number;
  used = 0;
  private readonly parent: SeriesBudget | null;

  /** Of a part, what it takes is taken from the whole, too. */
  constructor(limit: number, parent: SeriesBudget | null = null) {
    this.limit = limit;
    this.parent = parent;
  }

  /** False when it does not fit, and nothing was taken. */
  take(series: number): boolean {
    if (this.used + series > this.limit) return false;
    if (this.parent !== null && !this.parent.take(series)) return false;
    this.used += series;
    return true;
  }
}
