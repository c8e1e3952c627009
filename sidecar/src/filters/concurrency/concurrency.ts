/**
 * Lets no more exchanges through at once than a service can bear. The others wait a short time, or are turned away at once, so that a slow
 * service costs its callers an answer and not their threads.
 *
 * Invariants
 * - Never more are admitted than the limit says at that moment; what was admitted before the limit fell goes on.
 * - What waits is bounded in number and time. Who has waited longest is turned away first: it is the one whose caller has most likely given up.
 * - While the queue is long-standing, the newest is served first; otherwise the oldest.
 * - Every exchange that was admitted gives its place back once, at its end.
 * - A route has one for as long as it lives, whatever its config says meanwhile, so that the count is right across reloads.
 */
import { reply, resume } from '../../core/course.ts';
import type { Watched } from '../../core/deadlines.ts';
import type { EventTime, Exchange } from '../../core/exchange.ts';
import { Failure } from '../../core/failure.ts';
import { CONTINUE, type Filter, PAUSED, REPLIED, type Verdict } from '../../core/filter.ts';
import { beginLimiterWait, endLimiterWait } from '../../core/waits.ts';
import type { ConcurrencySpec } from './config.ts';
import { GradientLimit } from './gradient.ts';
import type { ConcurrencySeries, ShedCause } from './metrics.ts';

/** The queue is long-standing when its oldest has waited for this share of what it may. */
const STANDING = 0.5;

export class ConcurrencyFilter implements Filter, Watched {
  readonly name = 'concurrency';
  /** As a watched item: when the oldest has waited long enough. */
  deadlineMs = Number.POSITIVE_INFINITY;
  private spec: ConcurrencySpec;
  private readonly series: ConcurrencySeries;
  private adaptive: GradientLimit | null;
  private readonly waiting = new Map<Exchange, Waiter>();
  private oldest: Waiter | null = null;
  private newest: Waiter | null = null;
  private time: EventTime | null = null;

  constructor(spec: ConcurrencySpec, series: ConcurrencySeries) {
    this.spec = spec;
    this.series = series;
    this.adaptive = adaptiveLimit(spec);
    series.limit = this.limit;
  }

  /** A new config: who is under way or waits, goes on. What was learnt of a service is kept while its bounds are the same. */
  follow(spec: ConcurrencySpec): void {
    const { limit, adaptive } = this.spec;
    const sameBounds = spec.limit === limit && JSON.stringify(spec.adaptive) === JSON.stringify(adaptive);
    this.spec = spec;
    if (!sameBounds) this.adaptive = adaptiveLimit(spec);
    this.series.limit = this.limit;
  }

  onRequestHead(exchange: Exchange): Verdict {
    const { series } = this;
    if (series.inFlight < this.limit && this.oldest === null) return this.admit(exchange);
    if (this.spec.mode !== 'enforce') {
      series.shadowShed++;
      exchange.noteShadow('concurrency');
      return this.admit(exchange);
    }
    const { size } = this.spec.queue;
    if (size === 0) {
      this.shed(exchange, 'no-queue');
      return REPLIED;
    }
    if (this.waiting.size >= size) this.shedOldest('queue-full');
    this.enqueue(exchange);
    return PAUSED;
  }

  onEnd(exchange: Exchange): void {
    const waiter = this.waiting.get(exchange);
    if (waiter !== undefined) {
      this.remove(waiter);
      return;
    }
    if (!exchange.admitted) return;
    const { series, adaptive } = this;
    if (tellsOfLoad(exchange)) adaptive?.sample(exchange.endedMs - exchange.admittedMs, series.inFlight);
    series.limit = this.limit;
    series.inFlight--;
    this.admitWaiting();
  }

  onDeadline(): void {
    const nowMs = (this.time as EventTime).nowMs;
    const { timeoutMs } = this.spec.queue;
    while (this.oldest !== null && this.oldest.sinceMs + timeoutMs <= nowMs) this.shedOldest('queue-timeout');
    this.arm();
  }

  private get limit(): number {
    return this.adaptive === null ? this.spec.limit : this.adaptive.value;
  }

  private admit(exchange: Exchange): Verdict {
    exchange.admitted = true;
    exchange.admittedMs = exchange.time.nowMs;
    this.series.inFlight++;
    return CONTINUE;
  }

  private admitWaiting(): void {
    while (this.series.inFlight < this.limit) {
      const waiter = this.next();
      if (waiter === null) return;
      this.remove(waiter);
      endLimiterWait(waiter.exchange);
      this.admit(waiter.exchange);
      resume(waiter.exchange);
    }
  }

  private next(): Waiter | null {
    const { oldest } = this;
    if (oldest === null) return null;
    const waitedMs = oldest.exchange.time.nowMs - oldest.sinceMs;
    return waitedMs > this.spec.queue.timeoutMs * STANDING ? this.newest : oldest;
  }

  private shedOldest(cause: ShedCause): void {
    const { exchange } = this.oldest as Waiter;
    this.remove(this.oldest as Waiter);
    this.shed(exchange, cause);
  }

  private shed(exchange: Exchange, cause: ShedCause): void {
    this.series.shed[cause]++;
    reply(
      exchange,
      Failure.overloaded,
      `${cause}; ${this.series.inFlight} under way, at most ${this.limit} allowed`,
    );
  }

  private enqueue(exchange: Exchange): void {
    const waiter = { exchange, sinceMs: exchange.time.nowMs, older: this.newest, newer: null };
    if (this.newest === null) this.oldest = waiter;
    else this.newest.newer = waiter;
    this.newest = waiter;
    this.waiting.set(exchange, waiter);
    beginLimiterWait(exchange);
    this.series.queued++;
    if (this.time === null) {
      this.time = exchange.time;
      exchange.time.deadlines.watch(this);
    }
    if (this.oldest === waiter) this.arm();
  }

  private remove(waiter: Waiter): void {
    const { older, newer, exchange } = waiter;
    if (older === null) this.oldest = newer;
    else older.newer = newer;
    if (newer === null) this.newest = older;
    else newer.older = older;
    this.waiting.delete(exchange);
    this.series.queued--;
    if (older === null) this.arm();
  }

  private arm(): void {
    this.deadlineMs =
      this.oldest === null ? Number.POSITIVE_INFINITY : this.oldest.sinceMs + this.spec.queue.timeoutMs;
  }
}

/** A failure that comes fast says nothing of how fast the service is; one that comes for being slow does. */
function tellsOfLoad({ failure, status }: Exchange): boolean {
  if (failure === Failure.none) return status < 500;
  return failure === Failure.upstreamTimeout || failure === Failure.deadlineExceeded;
}

function adaptiveLimit({ limit, adaptive }: ConcurrencySpec): GradientLimit | null {
  return adaptive === undefined ? null : new GradientLimit(adaptive.initial, adaptive.min, limit);
}

interface Waiter {
  readonly exchange: Exchange;
  readonly sinceMs: number;
  older: Waiter | null;
  newer: Waiter | null;
}
