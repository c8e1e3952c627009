/**
 * Hands the spans that wait in the ring to a collector, by OTLP over gRPC, in batches and off the request path.
 *
 * Invariants
 * - One export is under way at a time. While it is, or while the collector refuses, spans wait in the ring and the ring drops what it
 *   has no room for: a collector that is slow or gone costs spans, never a request.
 * - Every sampled span ends as exported, failed, or overwritten in the ring. A failed batch is not sent again, as it may have arrived.
 * - An idle sidecar has no timer.
 */
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import type { Resource } from '@opentelemetry/resources';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import type { Clock, Timer } from '../core/clock.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { toReadableSpan } from './readable-span.ts';
import type { SpanListener, SpanRing } from './spans.ts';

export interface SpanExportDeps {
  readonly clock: Clock;
  /** Told about the first of several failures in a row. */
  readonly onFailure: (reason: string) => void;
}

export class SpanExport implements SpanListener {
  exported = 0;
  failed = 0;
  private readonly ring: SpanRing;
  private readonly resource: Resource;
  private readonly exporter: OTLPTraceExporter;
  private readonly deps: SpanExportDeps;
  private timer: Timer | null = null;
  /** When the timer is due, so that what is urgent can come first. */
  private dueMs = Number.POSITIVE_INFINITY;
  private underWay: Promise<void> | null = null;
  private urgent = false;
  private backoffMs = 0;
  private closed = false;

  constructor(ring: SpanRing, endpoint: string, resource: Resource, deps: SpanExportDeps) {
    this.ring = ring;
    this.resource = resource;
    this.deps = deps;
    this.exporter = new OTLPTraceExporter({
      url: endpoint,
      timeoutMillis: OBSERVE_LIMITS.spanExportTimeoutMs,
      concurrencyLimit: 1,
    });
    ring.listener = this;
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
    while (this.failed === failed && (this.ring.waiting > 0 || this.underWay !== null)) {
      const leftMs = deadlineMs - clock.monotonicMs();
      if (leftMs <= 0) return;
      this.cancelTimer();
      this.underWay ??= this.exportBatch();
      await withTimeout(this.underWay, leftMs, clock);
    }
  }

  close(): void {
    this.closed = true;
    this.ring.listener = null;
    this.cancelTimer();
    // Shutting down waits for what is under way, and that has its own time limit.
    void this.exporter.shutdown();
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

  private exportBatch(): Promise<void> {
    const spans: ReadableSpan[] = [];
    const { clock } = this.deps;
    const wallOffsetMs = clock.nowMs() - clock.monotonicMs();
    this.urgent = false;
    this.ring.take(OBSERVE_LIMITS.spansPerExport, (record) => {
      spans.push(toReadableSpan(record, this.resource, wallOffsetMs));
    });
    return new Promise((resolve) => {
      // Success is code 0 in the exporters' result.
      this.exporter.export(spans, ({ code, error }) => {
        this.underWay = null;
        if (code === 0) this.onSuccess(spans.length);
        else this.onFailure(spans.length, error?.message ?? 'no reason given');
        if (this.ring.waiting > 0) this.schedule(this.urgent ? 0 : OBSERVE_LIMITS.spanExportDelayMs);
        resolve();
      });
    });
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
