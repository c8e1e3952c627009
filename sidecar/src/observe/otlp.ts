/**
 * The sidecar's own spans on their way to a collector: made readable when they leave, as an export request of OTLP.
 */
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { Resource } from '@opentelemetry/resources';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import type { Clock } from '../core/clock.ts';
import { toReadableSpan } from './readable-span.ts';
import type { Batch, SpanSource } from './span-export.ts';
import { WORD } from './span-record.ts';
import type { SpanListener, SpanRing } from './spans.ts';

export class OwnSpans implements SpanSource {
  private readonly ring: SpanRing;
  private readonly resource: Resource;
  private readonly clock: Clock;
  private readonly onLeave: (span: ReadableSpan, origin: number) => void;

  /** `onLeave` gets each span that leaves the ring, and the number of its origin. */
  constructor(
    ring: SpanRing,
    resource: Resource,
    clock: Clock,
    onLeave: (span: ReadableSpan, origin: number) => void,
  ) {
    this.ring = ring;
    this.onLeave = onLeave;
    this.resource = resource;
    this.clock = clock;
  }

  get waiting(): number {
    return this.ring.waiting;
  }

  set listener(listener: SpanListener | null) {
    this.ring.listener = listener;
  }

  take(limit: number): Batch {
    const spans: ReadableSpan[] = [];
    const wallOffsetMs = this.clock.nowMs() - this.clock.monotonicMs();
    this.ring.take(limit, (record) => {
      const span = toReadableSpan(record, this.resource, wallOffsetMs);
      spans.push(span);
      this.onLeave(span, record.word(WORD.origin));
    });
    return {
      count: spans.length,
      request: Buffer.from(ProtobufTraceSerializer.serializeRequest(spans) ?? []),
    };
  }
}
