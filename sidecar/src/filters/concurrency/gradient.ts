/**
 * A limit that follows latency: while a service answers as fast as it usually does, it may have more to do at once; when it slows down, it is
 * queueing, and gets less.
 *
 * Invariants: the limit stays within its bounds; it rises only while it is used, or an idle service would be given any.
 *
 * Source: the gradient algorithm of Netflix's concurrency-limits, second version.
 */
/** Samples that the usual latency is averaged over. */
const LONG_SAMPLES = 600;
/** Slower than usual by this factor is no slowness yet. */
const TOLERANCE = 1.5;
/** What may wait in the service beyond what latency allows: room to find out that more is possible. */
const HEADROOM = 4;
const SMOOTHING = 0.2;
const STEEPEST = 0.5;
/** When things have become so much faster, what was usual is forgotten sooner. */
const FASTER = 2;
const FORGET = 0.95;

export class GradientLimit {
  private limit: number;
  private usualMs = 0;
  private readonly min: number;
  private readonly max: number;

  constructor(initial: number, min: number, max: number) {
    this.limit = initial;
    this.min = min;
    this.max = max;
  }

  get value(): number {
    return Math.floor(this.limit);
  }

  /** An exchange took `tookMs` while `inFlight` were under way, itself included. */
  sample(tookMs: number, inFlight: number): void {
    const ms = Math.max(tookMs, 0.01);
    this.usualMs = this.usualMs === 0 ? ms : this.usualMs + (ms - this.usualMs) * (2 / (LONG_SAMPLES + 1));
    if (this.usualMs / ms > FASTER) this.usualMs *= FORGET;
    if (inFlight * 2 < this.limit) return;
    const gradient = Math.max(STEEPEST, Math.min(1, (TOLERANCE * this.usualMs) / ms));
    const wanted = this.limit * gradient + HEADROOM;
    const next = this.limit * (1 - SMOOTHING) + wanted * SMOOTHING;
    this.limit = Math.max(this.min, Math.min(this.max, next));
  }
}
