/**
 * Shows a filter the body of a request. A gate that holds keeps the request back until its body was judged: nothing of it goes upstream
 * before. One that only watches takes a copy of what passes. The codecs bring the body as it comes; the verdict falls at its end, or where it
 * outgrows what is looked at.
 *
 * Invariants
 * - What is held is what is sent later: `exchange.kept` refers to it, for the first attempt, for repetitions and for mirrors alike.
 * - Memory is counted in one `HeldBytes` for all exchanges, from the moment it is taken until the body was sent; where it is kept for repetitions,
 *   or the upstream could not take it at once, until the response begins.
 * - A hold is bounded in time as a whole, however slowly a body trickles in. An exchange without a gate pays nothing.
 * - A gate that watches changes nothing: when there is no room for its copy, the body passes unseen.
 */
import { fieldId } from '../protocol/field-names.ts';
import type { Head } from '../protocol/head.ts';
import { copyHead } from '../protocol/head-copy.ts';
import { copyBytes } from '../transport/output.ts';
import type { Watched } from './deadlines.ts';
import { type Exchange, STATE_SENT } from './exchange.ts';
import { Failure } from './failure.ts';
import { CONTINUE, PAUSED, type Verdict } from './filter.ts';
import { LIMITS } from './limits.ts';
import { reply, resume } from './moves.ts';
import { startResponse } from './problem.ts';

const EXPECT = fieldId('expect');
const NEVER = Number.POSITIVE_INFINITY;
const NO_BYTES = Buffer.alloc(0);
const FIRST_BYTES = 4_096;
const STATUS_CONTINUE = 100;

/** Who wants to see bodies, and on which terms. */
export interface BodyJudge {
  /** Of a body, what is looked at. What is held is this, and at most the rest of one read. */
  readonly maxBytes: number;
  /** Of a hold, from the request head to the end of the body. */
  readonly timeoutMs: number;
  /**
   * `whole` is false when there is more of the body than is looked at. True lets a request go on that was held; otherwise the judge has
   * replied. What is returned for a request that was only watched does not matter.
   */
  judge(exchange: Exchange, body: Buffer, whole: boolean): boolean;
}

/** Bytes that all gates of one sidecar hold together. */
export class HeldBytes {
  used = 0;
  /** Bodies that found no room. */
  refused = 0;
  private readonly limit: number;

  constructor(limit: number = LIMITS.heldBodyBytes) {
    this.limit = limit;
  }

  take(count: number): boolean {
    if (this.used + count > this.limit) {
      this.refused++;
      return false;
    }
    this.used += count;
    return true;
  }

  give(count: number): void {
    this.used -= count;
  }
}

/** For a filter at the request head, which returns what this returns. The request has a body, and it has not arrived. */
export function holdBody(exchange: Exchange, judge: BodyJudge, held: HeldBytes): Verdict {
  const { request, downstream, time } = exchange;
  const gate = new BodyGate(exchange, judge, held, true);
  gate.deadlineMs = time.nowMs + judge.timeoutMs;
  time.deadlines.watch(gate);
  exchange.gate = gate;
  if (request.expectsContinue) {
    // It is for us to ask for the body now; the upstream gets it without asking.
    request.expectsContinue = false;
    request.drop(EXPECT);
    downstream.sendInterim(startResponse(STATUS_CONTINUE, 'Continue'));
  }
  return PAUSED;
}

/** As `holdBody`, for who wants to know and not to decide. */
export function watchBody(exchange: Exchange, judge: BodyJudge, held: HeldBytes): Verdict {
  exchange.gate = new BodyGate(exchange, judge, held, false);
  return CONTINUE;
}

export class BodyGate implements Watched {
  deadlineMs = NEVER;
  /** Of a request that was complete before it was sent. */
  trailers: Head | null = null;
  private readonly exchange: Exchange;
  private readonly terms: BodyJudge;
  private readonly held: HeldBytes;
  private readonly holds: boolean;
  /** The verdict is still to come. */
  private open = true;
  private bytes: Buffer = NO_BYTES;
  private length = 0;
  /** What is counted in `held`. */
  private counted = 0;

  constructor(exchange: Exchange, terms: BodyJudge, held: HeldBytes, holds: boolean) {
    this.exchange = exchange;
    this.terms = terms;
    this.held = held;
    this.holds = holds;
  }

  /** The body is awaited, and the request paused until its verdict. */
  get holding(): boolean {
    return this.holds && this.open;
  }

  /** Body bytes came. False when they are to be sent on. */
  take(bytes: Uint8Array, start: number, end: number): boolean {
    const { exchange, holds } = this;
    if (this.open) {
      if (holds) exchange.requestBytes += end - start;
      if (this.collect(bytes, start, end)) {
        if (this.length > this.terms.maxBytes) this.decide(false);
      } else if (holds) {
        reply(exchange, Failure.bodyHoldOverflow);
      } else {
        this.letGo();
      }
      return holds;
    }
    if (!holds || exchange.state >= STATE_SENT) return false;
    this.keepBehind(bytes, start, end);
    return true;
  }

  /** The body is complete. False when its end is to be sent on. */
  end(trailers: Head | null): boolean {
    const { exchange, holds, open } = this;
    const early = holds && exchange.state < STATE_SENT;
    if (early && trailers !== null) this.trailers = copyHead(trailers);
    if (open) this.decide(true);
    else if (early) exchange.requestTap?.onRequestEnd();
    return early;
  }

  onDeadline(): void {
    reply(this.exchange, Failure.requestBodyTimeout, `not complete within ${this.terms.timeoutMs} ms`);
  }

  /** What is held was sent. It is kept for repetitions within the bound of every other body. */
  onSent(congested: boolean): void {
    const { exchange } = this;
    if (this.counted === 0) return;
    const { retry } = exchange.route;
    if (retry !== null && exchange.keptBytes <= retry.bufferBytes) return;
    exchange.unrepeatable = true;
    // Otherwise it waits to leave: as much memory as before.
    if (!congested) this.letGo();
  }

  /** There will be no further attempt that what is held could be sent for. */
  onResponse(): void {
    if (this.holds) this.letGo();
  }

  /** Nothing of what was collected is needed any more. */
  letGo(): void {
    this.settle();
    this.held.give(this.counted);
    this.counted = 0;
    this.bytes = NO_BYTES;
    if (this.holds) this.exchange.kept = null;
  }

  private decide(whole: boolean): void {
    const { exchange, length } = this;
    this.settle();
    const body = this.bytes.subarray(0, length);
    if (!this.holds) {
      this.terms.judge(exchange, body, whole);
      this.letGo();
      return;
    }
    if (length > 0) exchange.kept = [body];
    exchange.keptBytes = length;
    if (this.terms.judge(exchange, body, whole)) resume(exchange);
  }

  private settle(): void {
    if (this.holding) {
      this.deadlineMs = NEVER;
      this.exchange.time.deadlines.unwatch(this);
    }
    this.open = false;
  }

  /** What was read together with the bytes that the verdict fell on, while there is no upstream yet. */
  private keepBehind(bytes: Uint8Array, start: number, end: number): void {
    const { exchange } = this;
    if (!this.count(end - start)) {
      reply(exchange, Failure.bodyHoldOverflow);
      return;
    }
    exchange.requestBytes += end - start;
    exchange.kept ??= [];
    exchange.kept.push(Buffer.from(bytes.subarray(start, end)));
    exchange.keptBytes += end - start;
    exchange.requestTap?.onRequestBody(bytes, start, end);
  }

  /** False when there is no room. */
  private collect(bytes: Uint8Array, start: number, end: number): boolean {
    const need = this.length + end - start;
    if (need > this.bytes.length && !this.grow(need)) return false;
    copyBytes(bytes, start, end, this.bytes, this.length);
    this.length = need;
    return true;
  }

  /** Doubles, so that a body that comes in small pieces is copied a few times only; what was announced is never exceeded. */
  private grow(need: number): boolean {
    const room = this.bytes.length;
    const { contentLength } = this.exchange.request;
    const most = contentLength === -1 ? NEVER : contentLength;
    const grown = Math.max(need, Math.min(Math.max(FIRST_BYTES, room * 2), most));
    if (!this.count(grown - room)) return false;
    const bytes = Buffer.allocUnsafeSlow(grown);
    copyBytes(this.bytes, 0, this.length, bytes, 0);
    this.bytes = bytes;
    return true;
  }

  private count(bytes: number): boolean {
    if (!this.held.take(bytes)) return false;
    this.counted += bytes;
    return true;
  }
}
