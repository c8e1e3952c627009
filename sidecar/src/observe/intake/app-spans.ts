/**
 * The spans of the service itself, as bytes, in a ring of fixed size: exported when their trace is sampled or kept, else overwritten.
 *
 * Invariants: memory is fixed but for a bounded number of resources; a span lies in one piece; entries are in the order of their bytes, so what
 * is overwritten is always the oldest.
 */
import { OBSERVE_LIMITS } from '../limits.ts';
import type { KeptTraces } from '../retention/kept-traces.ts';
import type { RetainedSpans } from '../retention/retention.ts';
import type { SpanListener } from '../spans.ts';
import type { RawSpan } from './otlp-message.ts';

/** Words of an entry. */
const WORD = { start: 0, length: 1, origin: 2, state: 3, traceId: 4 } as const;
const WORDS = 8;
const IDLE = 0;
const WAITING = 1;
const TAKEN = 2;

/** Where spans come from. */
export interface AppOrigin {
  readonly resource: Uint8Array;
  readonly scope: Uint8Array;
}

export type SpanLoss = 'overwritten' | 'too_large' | 'invalid' | 'origins';

export class AppSpans implements RetainedSpans {
  listener: SpanListener | null = null;
  waiting = 0;
  received = 0;
  readonly lost: Record<SpanLoss, number> = { overwritten: 0, too_large: 0, invalid: 0, origins: 0 };
  private readonly bytes: Buffer;
  private readonly entries: Int32Array;
  private readonly capacity: number;
  private readonly origins: AppOrigin[] = [];
  private readonly originNumbers = new Map<string, number>();
  private oldest = 0;
  private count = 0;
  private at = 0;

  constructor(capacityBytes: number) {
    this.bytes = Buffer.alloc(capacityBytes);
    this.capacity = Math.ceil(capacityBytes / OBSERVE_LIMITS.appSpanTypicalBytes);
    this.entries = new Int32Array(this.capacity * WORDS);
  }

  /** `wanted`: to be exported. */
  add(raw: RawSpan, wanted: boolean): void {
    const { span } = raw;
    this.received++;
    if (span.length > OBSERVE_LIMITS.appSpanBytes) {
      this.lost.too_large++;
      return;
    }
    const origin = this.originOf(raw);
    if (origin === -1) {
      this.lost.origins++;
      return;
    }
    const start = this.makeRoom(span.length);
    const slot = (this.oldest + this.count) % this.capacity;
    this.bytes.set(span, start);
    this.at = start + span.length;
    this.count++;
    const { entries } = this;
    const entry = slot * WORDS;
    const id = Buffer.from(raw.traceId.buffer, raw.traceId.byteOffset, raw.traceId.length);
    entries[entry + WORD.start] = start;
    entries[entry + WORD.length] = span.length;
    entries[entry + WORD.origin] = origin;
    entries[entry + WORD.state] = IDLE;
    for (let i = 0; i < 4; i++) entries[entry + WORD.traceId + i] = id.readInt32BE(4 * i);
    if (wanted) this.wait(entry);
  }

  retain(kept: KeptTraces, nowMs: number): void {
    const { entries } = this;
    this.each((entry) => {
      if (entries[entry + WORD.state] !== IDLE) return;
      const id = entry + WORD.traceId;
      const isKept = kept.has(
        entries[id] as number,
        entries[id + 1] as number,
        entries[id + 2] as number,
        entries[id + 3] as number,
        nowMs,
      );
      if (isKept) this.wait(entry);
    });
  }

  /** Hands out copies of up to `limit` spans that wait and fit into one message, oldest first. */
  take(limit: number): Omit<RawSpan, 'traceId'>[] {
    const taken: Omit<RawSpan, 'traceId'>[] = [];
    const { entries } = this;
    let left = OBSERVE_LIMITS.spanExportBytes;
    this.each((entry) => {
      if (taken.length === limit || left <= 0 || entries[entry + WORD.state] !== WAITING) return;
      const span = this.read(entry);
      const previous = taken.at(-1);
      left -= span.span.length;
      // As messages have it: what follows each other shares them.
      if (span.resource !== previous?.resource || span.scope !== previous.scope)
        left -= span.resource.length + span.scope.length;
      if (left < 0) return;
      entries[entry + WORD.state] = TAKEN;
      this.waiting--;
      taken.push(span);
    });
    return taken;
  }

  /** Copies of the spans of a trace, oldest first. */
  find(id0: number, id1: number, id2: number, id3: number): Omit<RawSpan, 'traceId'>[] {
    const found: Omit<RawSpan, 'traceId'>[] = [];
    const { entries } = this;
    this.each((entry) => {
      const id = entry + WORD.traceId;
      const isOfTrace =
        entries[id + 3] === id3 && entries[id + 2] === id2 && entries[id + 1] === id1 && entries[id] === id0;
      if (isOfTrace) found.push(this.read(entry));
    });
    return found;
  }

  private read(entry: number): Omit<RawSpan, 'traceId'> {
    const start = this.entries[entry + WORD.start] as number;
    const end = start + (this.entries[entry + WORD.length] as number);
    const { resource, scope } = this.origins[this.entries[entry + WORD.origin] as number] as AppOrigin;
    return { resource, scope, span: Uint8Array.prototype.slice.call(this.bytes, start, end) };
  }

  private wait(entry: number): void {
    this.entries[entry + WORD.state] = WAITING;
    if (this.waiting++ === 0) this.listener?.onWaiting();
  }

  private each(visit: (entry: number) => void): void {
    for (let i = 0; i < this.count; i++) visit(((this.oldest + i) % this.capacity) * WORDS);
  }

  /** Where `length` bytes in one piece are free now. */
  private makeRoom(length: number): number {
    if (this.count === this.capacity) this.drop();
    let start = this.at;
    if (start + length > this.bytes.length) {
      // What lies between here and the end is older than all that lies at the beginning.
      while (this.count > 0 && this.oldestStart() >= start) this.drop();
      start = 0;
    }
    while (this.count > 0 && this.oldestStart() >= start && this.oldestStart() < start + length) this.drop();
    return start;
  }

  private oldestStart(): number {
    return this.entries[this.oldest * WORDS + WORD.start] as number;
  }

  private drop(): void {
    if (this.entries[this.oldest * WORDS + WORD.state] === WAITING) {
      this.lost.overwritten++;
      this.waiting--;
    }
    this.oldest = (this.oldest + 1) % this.capacity;
    this.count--;
    // Half of them waiting: better sent now than overwritten.
    if (this.waiting > this.capacity >> 1) this.listener?.onUrgent();
  }

  /** -1 when there are as many as there may be. */
  private originOf({ resource, scope }: AppOrigin): number {
    const key = `${Buffer.from(resource).toString('latin1')}\n${Buffer.from(scope).toString('latin1')}`;
    const known = this.originNumbers.get(key);
    if (known !== undefined) return known;
    if (this.origins.length === OBSERVE_LIMITS.appOrigins || key.length > OBSERVE_LIMITS.appOriginBytes)
      return -1;
    const number = this.origins.push({ resource: resource.slice(), scope: scope.slice() }) - 1;
    this.originNumbers.set(key, number);
    return number;
  }
}
