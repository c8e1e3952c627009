/**
 * Continues the caller's trace, or begins one, and leaves a span in the ring for every exchange.
 *
 * Invariants: where spans are kept, the upstream always gets exactly one valid traceparent that names this hop as parent; tracestate
 * is passed on with the traceparent that it belongs to, and dropped without one. The sampling decision of a trusted parent is honoured;
 * anybody else's trace is joined, but what is kept of it is decided here, or strangers could fill the trace store.
 */
import type { Exchange } from '../../core/exchange.ts';
import { CONTINUE, type Filter, type Verdict } from '../../core/filter.ts';
import { writeHexByte, writeHexWord } from '../../observe/hex.ts';
import type { RandomWords } from '../../observe/random-words.ts';
import type { Retention } from '../../observe/retention/retention.ts';
import type { TraceKeeping } from '../../observe/retention/trace-keeping.ts';
import { fieldId } from '../../protocol/field-names.ts';
import type { RequestHead, ResponseHead } from '../../protocol/head.ts';
import { B3_FIELDS, onlyRow, readB3Fields } from './b3-fields.ts';
import { FLAG_RANDOM, FLAG_SAMPLED, readB3, readTraceparent } from './trace-context.ts';
import { checkTracestate } from './trace-state.ts';

const TRACEPARENT = fieldId('traceparent');
const TRACESTATE = fieldId('tracestate');
const B3 = fieldId('b3');
const X_TULLE_KEEP = fieldId('x-tulle-keep');
const NAME_BYTES = 11;
const KEEP_NAME_BYTES = 12;
const KEEP_LINE = Buffer.from('x-tulle-keep: 1\r\n');
const LINE = Buffer.from(`traceparent: 00-${'0'.repeat(32)}-${'0'.repeat(16)}-00\r\n`);

export class TraceFilter implements Filter {
  readonly name = 'trace';
  private readonly trustsPeer: boolean;
  private readonly random: RandomWords;
  /** Of 2^32; a root is sampled when the last word of its trace id is below. */
  private readonly threshold: number;
  private readonly keeping: TraceKeeping | null;
  private readonly origin: number;

  /** `keeping` and `origin` say where spans go and how they are known there; without a ring, context passes untouched. */
  constructor(
    trustsPeer: boolean,
    random: RandomWords,
    headSampleRatio: number,
    keeping: TraceKeeping | null,
    origin: number,
  ) {
    this.trustsPeer = trustsPeer;
    this.random = random;
    this.threshold = headSampleRatio * 0x1_0000_0000;
    this.keeping = keeping;
    this.origin = origin;
  }

  onRequestHead(exchange: Exchange): Verdict {
    const { request } = exchange;
    const { random } = this;
    const continued = readContext(exchange, request);
    // A hop that leaves no span must not come between two that do, nor decide against sampling for those behind it.
    if (this.keeping === null) {
      if (continued) adoptParent(exchange);
      return CONTINUE;
    }
    exchange.isEntry = !continued || !this.trustsPeer;
    if (!continued) this.beginTrace(exchange);
    else if (!this.trustsPeer) this.decideAnew(exchange);
    const { appSpans, retention } = this.keeping;
    if (appSpans !== null) this.rememberDecision(exchange, continued, retention);
    // A tracestate belongs to a traceparent, and without one b3 was continued, or nothing.
    if (request.has(TRACEPARENT)) checkTracestate(request);
    else request.drop(TRACESTATE);
    exchange.spanId0 = random.next();
    // A span id of zeros is invalid.
    exchange.spanId1 = random.next() | 1;
    request.drop(TRACEPARENT);
    request.drop(B3);
    for (let i = 0; i < B3_FIELDS.length; i++) request.drop(B3_FIELDS[i] as number);
    const at = request.addLine(LINE, NAME_BYTES);
    const { bytes } = request;
    writeHexWord(bytes, at + 3, exchange.traceId0);
    writeHexWord(bytes, at + 11, exchange.traceId1);
    writeHexWord(bytes, at + 19, exchange.traceId2);
    writeHexWord(bytes, at + 27, exchange.traceId3);
    writeHexWord(bytes, at + 36, exchange.spanId0);
    writeHexWord(bytes, at + 44, exchange.spanId1);
    // A service that sends its spans here records all: which of them are exported is decided later.
    const records = exchange.sampled || (appSpans !== null && exchange.route.direction === 'inbound');
    const flags = (records ? FLAG_SAMPLED : 0) | (exchange.randomTraceId ? FLAG_RANDOM : 0);
    writeHexByte(bytes, at + 53, flags);
    return CONTINUE;
  }

  onUnreadableHead(exchange: Exchange): void {
    this.onRequestHead(exchange);
  }

  onResponseHead(exchange: Exchange): void {
    const { keeping, origin } = this;
    const { route, upstream, time, peerIdentity } = exchange;
    const response = exchange.response as ResponseHead;
    const told = response.has(X_TULLE_KEEP);
    if (told) response.drop(X_TULLE_KEEP);
    if (keeping === null || exchange.sampled) return;
    const outbound = route.direction === 'outbound';
    if (told && outbound && upstream !== null && upstream.identity !== '') {
      keeping.retention.adopt(exchange, time.nowMs);
    }
    keeping.retention.judge(exchange, origin, time.nowMs);
    // Nobody but a sidecar has a use for it, and strangers would learn what is unusual here.
    if (exchange.retained > 0 && !outbound && peerIdentity !== '') {
      response.addLine(KEEP_LINE, KEEP_NAME_BYTES);
    }
  }

  onEnd(exchange: Exchange): void {
    const { keeping, origin } = this;
    if (keeping === null) return;
    const { retention, ring } = keeping;
    if (!exchange.sampled) retention.judge(exchange, origin, exchange.endedMs);
    retention.observe(exchange, origin);
    ring.record(exchange, origin);
  }

  private beginTrace(exchange: Exchange): void {
    const { random } = this;
    exchange.request.drop(TRACESTATE);
    exchange.hasParent = false;
    exchange.parentId0 = 0;
    exchange.parentId1 = 0;
    exchange.traceId0 = random.next();
    exchange.traceId1 = random.next();
    exchange.traceId2 = random.next();
    exchange.traceId3 = random.next();
    exchange.randomTraceId = true;
    exchange.sampled = exchange.traceId3 >>> 0 < this.threshold;
  }

  /**
   * Of traces that went through a service which records all: its flag says nothing any more. Known is what came in; of others, such as those
   * that came by a queue, the id decides, as where they began.
   */
  private rememberDecision(exchange: Exchange, continued: boolean, retention: Retention): void {
    const { nowMs } = exchange.time;
    if (continued && exchange.route.direction === 'outbound') {
      exchange.sampled = exchange.traceId3 >>> 0 < this.threshold || retention.isSampled(exchange, nowMs);
    }
    if (exchange.sampled) retention.noteSampled(exchange, nowMs);
  }

  /** By a number of our own: a trace id can be chosen so that any rule about its bits comes out as wished. */
  private decideAnew(exchange: Exchange): void {
    exchange.sampled = this.random.next() >>> 0 < this.threshold;
  }
}

/** So that the log names the trace, and in it the span that there is. */
function adoptParent(exchange: Exchange): void {
  exchange.spanId0 = exchange.parentId0;
  exchange.spanId1 = exchange.parentId1;
}

function readContext(exchange: Exchange, request: RequestHead): boolean {
  if (request.has(TRACEPARENT)) {
    const row = onlyRow(request, TRACEPARENT);
    if (row === -1) return false;
    return readTraceparent(exchange, request.bytes, request.valueStart(row), request.valueEnd(row));
  }
  if (request.has(B3)) {
    const row = onlyRow(request, B3);
    if (row === -1) return false;
    return readB3(exchange, request.bytes, request.valueStart(row), request.valueEnd(row));
  }
  return readB3Fields(exchange, request);
}
