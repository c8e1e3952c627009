/**
 * Finds what is known here of a request: the spans of its trace, from the rings and from what was exported of late.
 *
 * Invariants: looks at everything that is kept, so it is for people and bounded in how often; each span is told once.
 */
import type { Clock } from '../../core/clock.ts';
import { OBSERVE_LIMITS } from '../limits.ts';
import { type OwnResource, type OwnSpan, readOwnSpan, shownSpan } from '../own-span.ts';
import type { TraceKeeping } from '../retention/trace-keeping.ts';
import { type SpanRecord, WORD } from '../span-record.ts';
import { appSpan, type FoundSpan } from './found-span.ts';
import type { SpanMemory } from './span-memory.ts';
import { ATTR_REQUEST_ID } from './trace-query.ts';

export interface FoundTrace {
  readonly traceId: string;
  /** Null where no sidecar has seen one. */
  readonly requestId: string | null;
  readonly spans: readonly FoundSpan[];
}

export type FindTrace = (id: string) => FoundTrace | null;

const TRACE_ID = /^[0-9a-f]{32}$/;

export class TraceFinder {
  private readonly keeping: TraceKeeping;
  private readonly memory: SpanMemory;
  private readonly resource: OwnResource;
  private readonly clock: Clock;

  constructor(keeping: TraceKeeping, memory: SpanMemory, resource: OwnResource, clock: Clock) {
    this.keeping = keeping;
    this.memory = memory;
    this.resource = resource;
    this.clock = clock;
  }

  /** By trace id or request id; of several traces with one request id, the latest. Null when nothing is known. */
  find(id: string): FoundTrace | null {
    const traceId = TRACE_ID.test(id) ? id : this.traceOf(id);
    if (traceId === null) return null;
    const spans = this.spansOf(traceId);
    if (spans.length === 0) return null;
    const withRequestId = spans.find(({ attributes }) => attributes[ATTR_REQUEST_ID] !== undefined);
    const requestId = withRequestId === undefined ? null : String(withRequestId.attributes[ATTR_REQUEST_ID]);
    return { traceId, requestId, spans };
  }

  private traceOf(requestId: string): string | null {
    let traceId: string | null = null;
    for (const span of this.memory)
      if (span.attributes[ATTR_REQUEST_ID] === requestId) traceId = span.traceId;
    this.keeping.ring.each((record) => {
      if (
        record.word(WORD.requestIdBytes) === requestId.length &&
        record.text(WORD.requestIdBytes) === requestId
      ) {
        traceId = this.read(record).traceId;
      }
    });
    return traceId;
  }

  private spansOf(traceId: string): FoundSpan[] {
    const found = new Map<string, FoundSpan>();
    const add = (span: OwnSpan): void => {
      if (found.size < OBSERVE_LIMITS.foundSpans) found.set(span.spanId, shownSpan(span));
    };
    const ids = Buffer.from(traceId, 'hex');
    const [id0, id1, id2, id3] = [0, 4, 8, 12].map((at) => ids.readInt32BE(at)) as [
      number,
      number,
      number,
      number,
    ];
    for (const span of this.memory) if (span.traceId === traceId) add(span);
    this.keeping.ring.each((record) => {
      const isOfTrace =
        record.word(WORD.traceId + 3) === id3 &&
        record.word(WORD.traceId + 2) === id2 &&
        record.word(WORD.traceId + 1) === id1 &&
        record.word(WORD.traceId) === id0;
      if (isOfTrace) add(this.read(record));
    });
    for (const raw of this.keeping.appSpans?.find(id0, id1, id2, id3) ?? []) add(appSpan(raw));
    return [...found.values()].sort((a, b) => a.startMs - b.startMs);
  }

  private read(record: SpanRecord): OwnSpan {
    const wallOffsetMs = this.clock.nowMs() - this.clock.monotonicMs();
    const usual = this.keeping.retention.usualOf(record.word(WORD.origin));
    return readOwnSpan(record, this.resource, wallOffsetMs, usual);
  }
}
