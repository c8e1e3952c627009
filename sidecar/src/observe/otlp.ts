/**
 * The sidecar's own spans on their way to a collector: made readable when they leave, as an export request of OTLP.
 */
import type { Clock } from '../core/clock.ts';
import type { Usual } from './explain/found-span.ts';
import { type OwnResource, type OwnSpan, readOwnSpan } from './own-span.ts';
import type { Batch, SpanSource } from './span-export.ts';
import { WORD } from './span-record.ts';
import { SpanWriter } from './span-writer.ts';
import type { SpanListener, SpanRing } from './spans.ts';

export interface OwnSpansDeps {
  readonly clock: Clock;
  /** How long requests of an origin take, by its number. */
  readonly usualOf: (origin: number) => Usual | null;
  /** Gets each span that leaves the ring. */
  readonly onLeave: (span: OwnSpan) => void;
}

export class OwnSpans implements SpanSource {
  private readonly ring: SpanRing;
  private readonly resource: OwnResource;
  private readonly deps: OwnSpansDeps;
  private readonly writer = new SpanWriter();

  constructor(ring: SpanRing, resource: OwnResource, deps: OwnSpansDeps) {
    this.ring = ring;
    this.resource = resource;
    this.deps = deps;
  }

  get waiting(): number {
    return this.ring.waiting;
  }

  set listener(listener: SpanListener | null) {
    this.ring.listener = listener;
  }

  take(limit: number): Batch {
    const { resource } = this;
    const { clock, usualOf, onLeave } = this.deps;
    const spans: OwnSpan[] = [];
    const wallOffsetMs = clock.nowMs() - clock.monotonicMs();
    this.ring.take(limit, (record) => {
      const span = readOwnSpan(record, resource, wallOffsetMs, usualOf(record.word(WORD.origin)));
      spans.push(span);
      onLeave(span);
    });
    return { count: spans.length, request: this.writer.write(spans, resource) };
  }
}
