/**
 * What is slow for a route: a quantile of its latest durations, which follows when the route becomes slower or faster.
 *
 * Invariants: counts lie in the cells of the metrics' histogram, so the quantile is at most a tenth too high; of late durations a
 * window's worth counts in full and each window before it half as much; too few durations make nothing slow.
 */
import { CELLS, cellOf, upperEdgeUs } from '../histogram.ts';
import { OBSERVE_LIMITS } from '../limits.ts';

export class LiveQuantile {
  /** Above this many milliseconds a duration is among the slowest. */
  thresholdMs = Number.POSITIVE_INFINITY;
  private readonly share: number;
  private readonly cells = new Float64Array(CELLS);
  private total = 0;
  private fresh = 0;

  /** `share` of all durations, in (0, 1), is slow. */
  constructor(share: number) {
    this.share = share;
  }

  observe(durationMs: number): void {
    const cell = cellOf(durationMs);
    this.cells[cell] = (this.cells[cell] as number) + 1;
    this.total++;
    if (++this.fresh === OBSERVE_LIMITS.quantileRefresh) this.refresh();
  }

  /** The duration that a share of all, in (0, 1), exceeds, in milliseconds; null while too few were seen. */
  exceededBy(share: number): number | null {
    const { cells, total } = this;
    if (total * share < 1) return null;
    let slower = 0;
    let cell = CELLS - 1;
    while (cell > 0 && slower + (cells[cell] as number) <= total * share) slower += cells[cell--] as number;
    return upperEdgeUs(cell) / 1_000;
  }

  private refresh(): void {
    const { cells, share } = this;
    this.fresh = 0;
    this.thresholdMs = this.exceededBy(share) ?? Number.POSITIVE_INFINITY;
    if (this.total < OBSERVE_LIMITS.quantileWindow) return;
    this.total = 0;
    for (let i = 0; i < CELLS; i++) {
      cells[i] = (cells[i] as number) / 2;
      this.total += cells[i] as number;
    }
  }
}
