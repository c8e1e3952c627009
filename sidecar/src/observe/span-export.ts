/**
 * Hands the spans that wait in a ring to a collector, in batches and off the request path.
 *
 * Invariants
 * - One export is under way at a time. While it is, or while the collector is away, spans wait in the ring and the ring drops what it
 *   has no room for: a collector that is slow or gone costs spans, never a request, and memory of one batch.
 * - Every sampled span ends as exported, rejected, failed, or overwritten in the ring. A batch that the collector may take another time is sent again
 *   so many times, and only then the next.
 * - An idle sidecar has no timer.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import type { ExportOutcome } from './otlp-client.ts';
import type { SpanListener } from './spans.ts';

/** A ring, as far as an export looks at it. */
export interface SpanSource {
  readonly waiting: number;
  listener: SpanListener | null;
  /** Takes up to `limit` spans out of the ring, oldest first. */
  take(limit: number): Batch;
}

export interface Batch {
  readonly count: number;
  /** An ExportTraceServiceRequest. */
  readonly request: Buffer;
}

/** The way to the collector. */
export interface Collector {
  export(request: Buffer): Promise<ExportOutcome>;
  close(): void;
}

export interface SpanExportDeps {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Told about the first of several failures in a row. */
  readonly onFailure: (reason: string) => void;
}

export class SpanExport implements SpanListener {
  exported = 0;
  /** The collector took the batch, but not these. */
  rejected = 0;
  failed = 0;
  private readonly source: SpanSource;
  private readonly collector: Collector;
  private readonly deps: SpanExportDeps;
  private timer: Timer | null = null;
  /** When the timer is due, so that what is urgent can come first. */
  private dueMs = Number.POSITIVE_INFINITY;
  private underWay: Promise<void> | null = null;
  private urgent = false;
  /** Taken out of the ring, and neither with the collector nor given up. */
  private batch: Batch | null = null;
  private attempts = 0;
  /** Attempts that failed, ever. */
  private failures = 0;
  private backoffMs = 0;
  private pauseMs = 0;
  private isTroubled = false;
  private closed = false;

  constructor(source: SpanSource, collector: Collector, deps: SpanExportDeps) {
    this.source = source;
    this.collector = collector;
    this.deps = deps;
    source.listener = this;
  }

  /** Spans that are to be exported and have not been. */
  get waiting(): number {
    return this.source.waiting + (this.batch?.count ?? 0);
  }

  onWaiting(): void {
    this.schedule(OBSERVE_LIMITS.spanExportDelayMs);
  }

  onUrgent(): void {
    this.urgent = true;
    this.schedule(0);
  }

  /** Exports what waits, back-off or not. Resolves when nothing waits, an export has failed or the time is over. */
  async flush(timeoutMs: number): Promise<void> {
    const { clock } = this.deps;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    const { failures } = this;
    while (this.failures === failures && this.waiting > 0) {
      const leftMs = deadlineMs - clock.monotonicMs();
      if (leftMs <= 0) return;
      this.cancelTimer();
      this.underWay ??= this.exportBatch();
      await withTimeout(this.underWay, leftMs, clock);
    }
  }

  close(): void {
    this.closed = true;
    this.source.listener = null;
    this.cancelTimer();
    this.collector.close();
  }

  private schedule(delayMs: number): void {
    if (this.underWay !== null || this.closed) return;
    const waitMs = Math.max(delayMs, this.pauseMs);
    const dueMs = this.deps.clock.monotonicMs() + waitMs;
    if (dueMs >= this.dueMs) return;
    this.cancelTimer();
    this.dueMs = dueMs;
    this.timer = this.deps.clock.setTimer(() => this.onTimer(), waitMs);
  }

  private cancelTimer(): void {
    this.timer?.cancel();
    this.timer = null;
    this.dueMs = Number.POSITIVE_INFINITY;
  }

  private onTimer(): void {
    this.cancelTimer();
    // What waited may have been overwritten.
    if (this.waiting > 0) this.underWay ??= this.exportBatch();
  }

  private async exportBatch(): Promise<void> {
    this.urgent = false;
    this.batch ??= this.source.take(OBSERVE_LIMITS.spansPerExport);
    this.attempts++;
    const outcome = await this.collector.export(this.batch.request);
    this.underWay = null;
    if (outcome.kind === 'taken') this.onTaken(this.batch, outcome);
    else this.onFailed(this.batch, outcome);
    if (this.waiting > 0) this.schedule(this.urgent ? 0 : OBSERVE_LIMITS.spanExportDelayMs);
  }

  private onTaken({ count }: Batch, outcome: { rejected: number; reason: string }): void {
    const rejected = Math.min(outcome.rejected, count);
    this.exported += count - rejected;
    this.rejected += rejected;
    this.settle();
    this.backoffMs = 0;
    this.pauseMs = 0;
    if (rejected > 0) this.complain(`${rejected} of ${count} spans were rejected: ${outcome.reason}`);
    else this.isTroubled = false;
  }

  private onFailed({ count }: Batch, outcome: { kind: string; reason: string; retryAfterMs?: number }): void {
    const { spanExportBackoffMs, spanExportBackoffMaxMs, spanExportAttempts } = OBSERVE_LIMITS;
    this.failures++;
    this.complain(outcome.reason);
    if (outcome.kind === 'refused' || this.attempts === spanExportAttempts) {
      this.failed += count;
      this.settle();
    }
    this.backoffMs = Math.min(Math.max(this.backoffMs * 2, spanExportBackoffMs), spanExportBackoffMaxMs);
    // Between a half and all of it, so that sidecars which lost the collector together do not come back together.
    const pauseMs = this.backoffMs * (0.5 + this.deps.random() / 2);
    this.pauseMs = Math.min(Math.max(pauseMs, outcome.retryAfterMs ?? 0), spanExportBackoffMaxMs);
  }

  /** The batch has come to its end. */
  private settle(): void {
    this.batch = null;
    this.attempts = 0;
  }

  private complain(reason: string): void {
    if (!this.isTroubled) this.deps.onFailure(reason);
    this.isTroubled = true;
  }
}

function withTimeout(promise: Promise<void>, timeoutMs: number, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.setTimer(resolve, timeoutMs);
    void promise.then(() => {
      timer.cancel();
      resolve();
    });
  });
}
