/**
 * The sidecar's own spans on their way to a collector: made readable when they leave, and sent by OTLP over gRPC.
 */
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import type { Resource } from '@opentelemetry/resources';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import type { Clock } from '../core/clock.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { toReadableSpan } from './readable-span.ts';
import type { Shipment } from './span-export.ts';
import { WORD } from './span-record.ts';
import type { SpanRing } from './spans.ts';

export class OwnSpans implements Shipment {
  private readonly ring: SpanRing;
  private readonly resource: Resource;
  private readonly clock: Clock;
  private readonly onShip: (span: ReadableSpan, origin: number) => void;
  private readonly exporter: OTLPTraceExporter;

  /** `onShip` gets each span that leaves, and the number of its origin. */
  constructor(
    ring: SpanRing,
    endpoint: string,
    resource: Resource,
    clock: Clock,
    onShip: (span: ReadableSpan, origin: number) => void,
  ) {
    this.ring = ring;
    this.onShip = onShip;
    this.resource = resource;
    this.clock = clock;
    this.exporter = new OTLPTraceExporter({
      url: endpoint,
      timeoutMillis: OBSERVE_LIMITS.spanExportTimeoutMs,
      concurrencyLimit: 1,
    });
  }

  ship(limit: number): { count: number; sent: Promise<string> } {
    const spans: ReadableSpan[] = [];
    const wallOffsetMs = this.clock.nowMs() - this.clock.monotonicMs();
    this.ring.take(limit, (record) => {
      const span = toReadableSpan(record, this.resource, wallOffsetMs);
      spans.push(span);
      this.onShip(span, record.word(WORD.origin));
    });
    const sent = new Promise<string>((resolve) => {
      // Success is code 0 in the exporters' result.
      this.exporter.export(spans, ({ code, error }) =>
        resolve(code === 0 ? '' : (error?.message ?? 'no reason given')),
      );
    });
    return { count: spans.length, sent };
  }

  close(): void {
    // Shutting down waits for what is under way, and that has its own time limit.
    void this.exporter.shutdown();
  }
}
