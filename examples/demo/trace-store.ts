import type { Span } from '../../mesh/cli/trace/span.ts';
import type { Trace } from '../../mesh/cli/trace/trace.ts';
import { limits } from './limits.ts';

// Keeps the spans of the latest traces in memory.
// Invariants: at most `traces` traces, `spansPerTrace` spans a trace and `storeBytes` in all (by a plain estimate); the oldest trace
// leaves first; spans left out of a trace are counted, so that its picture can say that it is incomplete. An exporter may send a batch
// again, therefore a span id counts once.

type Bounds = { traces: number; spansPerTrace: number; storeBytes: number };
type Kept = { traceId: string; spans: Map<string, Span>; dropped: number; bytes: number };

export class TraceStore {
  readonly #bounds: Bounds;
  /** In order of arrival, which a Map keeps. */
  readonly #traces = new Map<string, Kept>();
  #bytes = 0;

  constructor(bounds: Bounds = limits) {
    this.#bounds = bounds;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Returns the ids of the traces that changed. */
  add(spans: readonly Span[]): Set<string> {
    const changed = new Set<string>();
    for (const span of spans) {
      if (this.#addSpan(span)) changed.add(span.traceId);
    }
    this.#evict();
    return changed;
  }

  get(traceId: string): Trace | undefined {
    return this.#traces.get(traceId);
  }

  /** Oldest first. */
  traces(): Trace[] {
    return [...this.#traces.values()];
  }

  #addSpan(span: Span): boolean {
    let trace = this.#traces.get(span.traceId);
    if (trace === undefined) {
      trace = { traceId: span.traceId, spans: new Map(), dropped: 0, bytes: 0 };
      this.#traces.set(span.traceId, trace);
    }
    if (trace.spans.has(span.spanId)) return false;
    if (trace.spans.size >= this.#bounds.spansPerTrace) {
      trace.dropped++;
      return true;
    }
    const bytes = estimateBytes(span);
    trace.spans.set(span.spanId, span);
    trace.bytes += bytes;
    this.#bytes += bytes;
    return true;
  }

  #evict(): void {
    for (const trace of this.#traces.values()) {
      if (this.#traces.size <= this.#bounds.traces && this.#bytes <= this.#bounds.storeBytes) return;
      this.#traces.delete(trace.traceId);
      this.#bytes -= trace.bytes;
    }
  }
}

/** Strings at two bytes a character and a flat sum for the objects around them: enough to bound, not to account. */
export function estimateBytes(span: Span): number {
  let bytes = 400 + 2 * (span.name.length + span.service.length + span.errorMessage.length);
  bytes += attributeBytes(span.attributes);
  for (const event of span.events) bytes += 100 + 2 * event.name.length + attributeBytes(event.attributes);
  return bytes;
}

function attributeBytes(attributes: Span['attributes']): number {
  let bytes = 0;
  for (const [key, value] of attributes) {
    bytes += 60 + 2 * (key.length + (typeof value === 'string' ? value.length : 0));
  }
  return bytes;
}
