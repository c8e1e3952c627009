/**
 * Hands the spans that wait in a ring to a collector, in batches and off the request path.
 *
 * Invariants
 * - One export is under way at a time. While it is, or while the collector refuses, spans wait in the ring and the ring drops what it
 *   has no room for: a collector that is slow or gone costs spans, never a request.
 * - Every sampled span ends as exported, failed, or overwritten in the ring. A failed batch is not sent again, as it may have arrived.
 * - An idle sidecar has no timer.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import type { SpanListener } from './spans.ts';

/** A ring, as far as an export looks at it. */
export interface SpanSource {
  readonly waiting: number;
  listener: SpanListener | null;
}

/** How spans get to the collector. */
export interface Shipment {
  /** Takes up to `limit` spans out of the ring. `sent` settles with an empty string, or with the reason why it failed. */
  ship(limit: number): { readonly count: number; readonly sent: Promise<string> };
  close(): void;
}

export interface SpanExportDeps {
  readonly clock: Clock;
  /** Told about the first of several failures in a row. */
  readonly onFailure: (reason: string) => void;
}

export class SpanExport implements SpanListener {
  exported = 0;
  failed = 0;
  private readonly source: SpanSource;
  private readonly shipment: Shipment;
  private readonly deps: SpanExportDeps;
  private timer: Timer | null = null;
  /** When the timer is due, so that what is urgent can come first. */
  private dueMs = Number.POSITIVE_INFINITY;
  private underWay: Promise<void> | null = null;
  private urgent = false;
  private backoffMs = 0;
  private closed = false;

  constructor(source: SpanSource, shipment: Shipment, deps: SpanExportDeps) {
    this.source = source;
    this.shipment = shipment;
    this.deps = deps;
    source.listener = this;
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
    const { failed } = this;
    while (this.failed === failed && (this.source.waiting > 0 || this.underWay !== null)) {
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
    this.shipment.close();
  }

  private schedule(delayMs: number): void {
    if (this.underWay !== null || this.closed) return;
    const dueMs = this.deps.clock.monotonicMs() + Math.max(delayMs, this.backoffMs);
    if (dueMs >= this.dueMs) return;
    this.cancelTimer();
    this.dueMs = dueMs;
    this.timer = this.deps.clock.setTimer(() => this.onTimer(), Math.max(delayMs, this.backoffMs));
  }

  private cancelTimer(): void {
    this.timer?.cancel();
    this.timer = null;
    this.dueMs = Number.POSITIVE_INFINITY;
  }

  private onTimer(): void {
    this.cancelTimer();
    this.underWay ??= this.exportBatch();
  }

  private async exportBatch(): Promise<void> {
    this.urgent = false;
    const { count, sent } = this.shipment.ship(OBSERVE_LIMITS.spansPerExport);
    const reason = await sent;
    this.underWay = null;
    if (reason === '') this.onSuccess(count);
    else this.onFailure(count, reason);
    if (this.source.waiting > 0) this.schedule(this.urgent ? 0 : OBSERVE_LIMITS.spanExportDelayMs);
  }

  private onSuccess(count: number): void {
    this.exported += count;
    this.backoffMs = 0;
  }

  private onFailure(count: number, reason: string): void {
    const { spanExportBackoffMs, spanExportBackoffMaxMs } = OBSERVE_LIMITS;
    this.failed += count;
    if (this.backoffMs === 0) this.deps.onFailure(reason);
    this.backoffMs = Math.min(Math.max(this.backoffMs * 2, spanExportBackoffMs), spanExportBackoffMaxMs);
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
