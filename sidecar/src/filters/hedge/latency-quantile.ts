/**
 * A quantile of the latencies of the last half to whole minute, from log-linear cells.
 *
 * Invariants: at most 10 % above the true quantile of what it holds (histogram.ts); memory is fixed; the quantile is computed again only when
 * enough has come in since, so asking costs a comparison.
 */
import { CELLS, cellOf, upperEdgeUs } from '../../observe/histogram.ts';

const WINDOW_MS = 30_000;
/** Below, nothing is said: a quantile of a handful is chance. */
const MIN_SAMPLES = 50;
const SAMPLES_PER_ESTIMATE = 100;

export class LatencyQuantile {
  private readonly share: number;
  private current = new Uint32Array(CELLS);
  private previous = new Uint32Array(CELLS);
  private windowEndsMs = 0;
  private count = 0;
  private previousCount = 0;
  private sinceEstimate = 0;
  private estimate = Number.POSITIVE_INFINITY;

  /** `share` is below 1: 0.95 for the 95th percentile. */
  constructor(share: number) {
    this.share = share;
  }

  /** Milliseconds; Infinity while too little is known. */
  get ms(): number {
    return this.estimate;
  }

  observe(latencyMs: number, nowMs: number): void {
    if (nowMs >= this.windowEndsMs) this.turn(nowMs);
    const cell = cellOf(latencyMs);
    this.current[cell] = (this.current[cell] as number) + 1;
    this.count++;
    if (++this.sinceEstimate >= SAMPLES_PER_ESTIMATE || this.estimate === Number.POSITIVE_INFINITY)
      this.update();
  }

  private turn(nowMs: number): void {
    // After a longer silence what was is no longer so.
    const stale = nowMs - this.windowEndsMs > WINDOW_MS;
    const spare = this.previous;
    this.previous = this.current;
    this.previousCount = stale ? 0 : this.count;
    if (stale) this.previous.fill(0);
    this.current = spare;
    this.current.fill(0);
    this.count = 0;
    this.windowEndsMs = nowMs + WINDOW_MS;
    this.update();
  }

  private update(): void {
    this.sinceEstimate = 0;
    const total = this.count + this.previousCount;
    if (total < MIN_SAMPLES) {
      this.estimate = Number.POSITIVE_INFINITY;
      return;
    }
    const wanted = total * this.share;
    let sum = 0;
    for (let cell = 0; cell < CELLS; cell++) {
      sum += (this.current[cell] as number) + (this.previous[cell] as number);
      if (sum >= wanted) {
        this.estimate = upperEdgeUs(cell) / 1_000;
        return;
      }
    }
  }
}
