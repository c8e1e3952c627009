/**
 * The span ring: every exchange leaves one record of numbers, and bytes of bounded text. Records that are to be exported wait here until
 * the exporter takes them; nobody waits for the exporter. The others lie here for the case that their trace turns out to be worth keeping.
 *
 * Invariants
 * - A record is written and read within one call each, so no reader sees half of one and half of another.
 * - A record waits at most one turn of the ring; when it is overwritten before it was taken, that is counted.
 * - Memory is fixed: nothing is allocated for a record.
 */
import type { Exchange } from '../core/exchange.ts';
import type { PolicyDecision } from '../core/policy-decision.ts';
import type { Direction } from '../core/route.ts';
import type { RelayedConnection } from '../protocol/tcp/tcp-route.ts';
import { copyBytes } from '../transport/output.ts';
import { writeConnection } from './connection-record.ts';
import type { ConnectionTrace } from './connection-watch.ts';
import type { DataStoreCommand } from './datastore.ts';
import { writeCommand } from './datastore-record.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { phasesOf } from './phases.ts';
import type { RandomWords } from './random-words.ts';
import { methodIndex, pathEnd } from './request-line.ts';
import type { KeptTraces } from './retention/kept-traces.ts';
import { type RetainedSpans, TOLD } from './retention/retention.ts';
import {
  DOUBLE,
  DOUBLES,
  FLAG_GRPC,
  FLAG_HTTP_1_0,
  FLAG_HTTP_2,
  FLAG_PARENT,
  FLAG_TAKEN,
  FLAG_WAITING,
  SpanRecord,
  WORD,
  WORDS,
} from './span-record.ts';
import { StringTable } from './string-table.ts';

/** Where spans come from: fixed when a filter chain is compiled. */
export interface SpanOrigin {
  readonly direction: Direction;
  readonly route: string;
  /** Of an HTTPRoute or GRPCRoute; absent without one. */
  readonly rule?: string;
}

/** Told when records wait; may be called on the request path. */
export interface SpanListener {
  /** The first record waits. */
  onWaiting(): void;
  /** Records that wait will be overwritten soon. */
  onUrgent(): void;
}

const { spanTextBytes, spanPathBytes, spanAuthorityBytes } = OBSERVE_LIMITS;

export class SpanRing implements RetainedSpans {
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  readonly text: Buffer;
  readonly names = new StringTable(OBSERVE_LIMITS.spanNames);
  readonly origins: SpanOrigin[] = [];
  listener: SpanListener | null = null;
  recorded = 0;
  overwritten = 0;
  waiting = 0;
  private readonly capacity: number;
  private next = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.words = new Int32Array(capacity * WORDS);
    this.doubles = new Float64Array(capacity * DOUBLES);
    this.text = Buffer.alloc(capacity * spanTextBytes);
  }

  /** Returns the number by which `record` knows the origin. Origins are routes, which config bounds. */
  addOrigin(origin: SpanOrigin): number {
    const known = this.origins.findIndex(
      ({ direction, route, rule }) =>
        direction === origin.direction && route === origin.route && rule === origin.rule,
    );
    return known === -1 ? this.origins.push(origin) - 1 : known;
  }

  record(exchange: Exchange, origin: number): void {
    const slot = this.takeSlot();
    this.writeWords(exchange, origin, slot * WORDS);
    this.writeDoubles(exchange, slot * DOUBLES);
    this.writeText(exchange, slot * WORDS, slot * spanTextBytes);
    this.settle(slot, exchange.sampled || exchange.retained > 0);
  }

  /** `wanted`: to be exported. */
  recordConnection(
    connection: RelayedConnection,
    trace: ConnectionTrace,
    wanted: boolean,
    origin: number,
  ): void {
    const slot = this.takeSlot();
    writeConnection(this, slot, connection, trace, origin);
    this.settle(slot, wanted);
  }

  /** For commands that are to be exported: none other leaves a record. */
  recordCommand(command: DataStoreCommand, random: RandomWords, lastWord: number, origin: number): void {
    const slot = this.takeSlot();
    writeCommand(this, slot, command, random, lastWord, origin);
    this.settle(slot, true);
  }

  /** The slot of the oldest record, which is lost. */
  private takeSlot(): number {
    const slot = this.next;
    this.next = slot + 1 === this.capacity ? 0 : slot + 1;
    this.recorded++;
    if (((this.words[slot * WORDS + WORD.flags] as number) & FLAG_WAITING) !== 0) {
      this.overwritten++;
      this.waiting--;
    }
    return slot;
  }

  /** The record is written. */
  private settle(slot: number, wanted: boolean): void {
    if (wanted) this.wait(slot);
    // Twice a turn, so that whatever waits is called urgent at least once before it is lost.
    if (this.waiting > 0 && (slot === 0 || slot === this.capacity >> 1)) this.listener?.onUrgent();
  }

  private wait(slot: number): void {
    const at = slot * WORDS + WORD.flags;
    this.words[at] = (this.words[at] as number) | FLAG_WAITING;
    if (this.waiting++ === 0) this.listener?.onWaiting();
  }

  /** Spans of kept traces wait, too, from now on. */
  retain(kept: KeptTraces, nowMs: number): void {
    const { words, capacity } = this;
    for (let slot = 0, at = 0; slot < capacity; slot++, at += WORDS) {
      if (((words[at + WORD.flags] as number) & (FLAG_WAITING | FLAG_TAKEN)) !== 0) continue;
      const isKept = kept.has(
        words[at + WORD.traceId] as number,
        words[at + WORD.traceId + 1] as number,
        words[at + WORD.traceId + 2] as number,
        words[at + WORD.traceId + 3] as number,
        nowMs,
      );
      if (!isKept) continue;
      words[at + WORD.retained] = TOLD;
      this.wait(slot);
    }
  }

  /** All records that lie here, oldest first. */
  each(visit: (record: SpanRecord) => void): void {
    const record = new SpanRecord(this);
    const held = Math.min(this.recorded, this.capacity);
    for (let i = this.capacity - held; i < this.capacity; i++) {
      record.point((this.next + i) % this.capacity);
      visit(record);
    }
  }

  /** Hands out up to `limit` records that wait, oldest first. */
  take(limit: number, visit: (record: SpanRecord) => void): void {
    const record = new SpanRecord(this);
    for (let i = 0, left = Math.min(limit, this.waiting); i < this.capacity && left > 0; i++) {
      const slot = (this.next + i) % this.capacity;
      const at = slot * WORDS + WORD.flags;
      const flags = this.words[at] as number;
      if ((flags & FLAG_WAITING) === 0) continue;
      this.words[at] = (flags & ~FLAG_WAITING) | FLAG_TAKEN;
      this.waiting--;
      left--;
      record.point(slot);
      visit(record);
    }
  }

  private writeWords(exchange: Exchange, origin: number, at: number): void {
    const { words, names } = this;
    const { request, upstream, endpoint } = exchange;
    words[at + WORD.flags] =
      (exchange.hasParent ? FLAG_PARENT : 0) |
      (exchange.isGrpc ? FLAG_GRPC : 0) |
      (request.majorVersion === 2 ? FLAG_HTTP_2 : request.minorVersion === 0 ? FLAG_HTTP_1_0 : 0);
    words[at + WORD.grpcStatus] = exchange.grpcStatus;
    words[at + WORD.traceId] = exchange.traceId0;
    words[at + WORD.traceId + 1] = exchange.traceId1;
    words[at + WORD.traceId + 2] = exchange.traceId2;
    words[at + WORD.traceId + 3] = exchange.traceId3;
    words[at + WORD.spanId] = exchange.spanId0;
    words[at + WORD.spanId + 1] = exchange.spanId1;
    words[at + WORD.parentId] = exchange.parentId0;
    words[at + WORD.parentId + 1] = exchange.parentId1;
    words[at + WORD.method] = methodIndex(request);
    words[at + WORD.status] = exchange.status;
    words[at + WORD.failure] = exchange.failure.code;
    words[at + WORD.attempts] = exchange.attempts;
    words[at + WORD.origin] = origin;
    words[at + WORD.peerIdentity] = names.indexOf(exchange.peerIdentity);
    words[at + WORD.upstreamIdentity] = upstream === null ? 0 : names.indexOf(upstream.identity);
    words[at + WORD.endpoint] = endpoint === null ? 0 : names.indexOf(endpoint.address);
    words[at + WORD.retained] = Math.max(0, exchange.retained);
    words[at + WORD.access] = exchange.access === null ? 0 : names.indexOf(exchange.access.label);
    words[at + WORD.tokenIssuer] = exchange.token === null ? 0 : names.indexOf(exchange.token.issuer);
    words[at + WORD.waf] = exchange.waf === null ? 0 : names.indexOf(exchange.waf.label);
    words[at + WORD.shadow] = names.indexOf(exchange.shadow);
    words[at + WORD.refusal] = names.indexOf(refusalIn(exchange.decisions));
  }

  private writeDoubles(exchange: Exchange, at: number): void {
    const { doubles } = this;
    doubles[at + DOUBLE.startedMs] = exchange.startedMs;
    doubles[at + DOUBLE.endedMs] = exchange.endedMs;
    doubles[at + DOUBLE.requestBytes] = exchange.requestBytes;
    doubles[at + DOUBLE.responseBytes] = exchange.responseBytes;
    doubles[at + DOUBLE.acceptMs] = exchange.waits === null ? 0 : exchange.waits.acceptMs;
    const phases = phasesOf(exchange);
    for (let i = 0; i < phases.length; i++) doubles[at + DOUBLE.phases + i] = phases[i] as number;
  }

  /** The pieces share the room in the order of their importance; the last gets what the others leave. */
  private writeText(exchange: Exchange, at: number, start: number): void {
    const { words, text } = this;
    const { request, peerAddress, failureDetail } = exchange;
    const end = start + spanTextBytes;
    const { requestIdStart, requestIdEnd } = exchange;

    const id = copyText(request.bytes, requestIdStart, requestIdEnd, text, start, end);
    const address = writeAscii(peerAddress, text, start + id, end);
    let from = start + id + address;
    const pathLimit = Math.min(end, from + spanPathBytes);
    const path = copyText(request.bytes, request.pathStart, pathEnd(request), text, from, pathLimit);
    from += path;
    const authorityEnd = request.adopted ? request.authorityEnd : request.authorityStart;
    const authorityLimit = Math.min(end, from + spanAuthorityBytes);
    const authority = copyText(
      request.bytes,
      request.authorityStart,
      authorityEnd,
      text,
      from,
      authorityLimit,
    );
    from += authority;
    words[at + WORD.requestIdBytes] = id;
    words[at + WORD.addressBytes] = address;
    words[at + WORD.pathBytes] = path;
    words[at + WORD.authorityBytes] = authority;
    words[at + WORD.detailBytes] = failureDetail === '' ? 0 : text.write(failureDetail, from, end - from);
  }
}

/** Its label; empty when no policy refused. */
function refusalIn(decisions: readonly PolicyDecision[]): string {
  for (let i = 0; i < decisions.length; i++) {
    const { action, shadow, label } = decisions[i] as PolicyDecision;
    if (action === 'deny' && !shadow) return label;
  }
  return '';
}

/** Both return how many bytes they wrote; what does not fit before `limit` is cut. */
function copyText(
  source: Buffer,
  start: number,
  end: number,
  target: Buffer,
  at: number,
  limit: number,
): number {
  const count = Math.min(end - start, limit - at);
  copyBytes(source, start, start + count, target, at);
  return count;
}

/** Addresses are short, and a loop beats the call into the runtime. */
function writeAscii(source: string, target: Buffer, at: number, limit: number): number {
  const count = Math.min(source.length, limit - at);
  for (let i = 0; i < count; i++) target[at + i] = source.charCodeAt(i);
  return count;
}
