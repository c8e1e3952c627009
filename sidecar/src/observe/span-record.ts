/**
 * How a span lies in the ring: some 32-bit words, some doubles and some bytes of text, each at a multiple of its size.
 *
 * Invariant: SpanRecord is a view. It is valid until the visitor it was handed to returns.
 */
import { OBSERVE_LIMITS } from './limits.ts';
import { PHASES } from './phases.ts';
import type { SpanOrigin, SpanRing } from './spans.ts';

/** Words of a record; ids take several. */
export const WORD = {
  flags: 0,
  traceId: 1,
  spanId: 5,
  parentId: 7,
  method: 9,
  status: 10,
  failure: 11,
  attempts: 12,
  origin: 13,
  peerIdentity: 14,
  upstreamIdentity: 15,
  endpoint: 16,
  /** Lengths of the pieces of text, in the order in which they stand. */
  requestIdBytes: 17,
  addressBytes: 18,
  pathBytes: 19,
  authorityBytes: 20,
  detailBytes: 21,
  /** -1 when there was none. */
  grpcStatus: 22,
  access: 23,
  /** Why the trace is kept, by number; 0 for what the head sample took or nobody wants. */
  retained: 24,
  waf: 25,
  tokenIssuer: 26,
  shadow: 27,
  /** What of a policy refused it. */
  refusal: 28,
} as const;
export const WORDS = 29;

export const FLAG_PARENT = 1;
export const FLAG_HTTP_1_0 = 2;
/** To be exported, and not yet taken. */
export const FLAG_WAITING = 4;
/** Taken by the exporter. */
export const FLAG_TAKEN = 256;
/** Of a connection that was passed on, not of an exchange; see connection-record.ts. */
export const FLAG_CONNECTION = 8;
export const FLAG_GRPC = 16;
export const FLAG_HTTP_2 = 32;
/** Of a command to a data store; see datastore-record.ts. */
export const FLAG_COMMAND = 64;
/** The command's client asked the server to wait. */
export const FLAG_BLOCKING = 128;

/** Times are monotonic milliseconds. */
export const DOUBLE = {
  startedMs: 0,
  endedMs: 1,
  requestBytes: 2,
  responseBytes: 3,
  acceptMs: 4,
  phases: 5,
} as const;
export const DOUBLES = DOUBLE.phases + PHASES.length;

export class SpanRecord {
  private readonly ring: SpanRing;
  private slot = 0;

  constructor(ring: SpanRing) {
    this.ring = ring;
  }

  point(slot: number): void {
    this.slot = slot;
  }

  word(word: number): number {
    return this.ring.words[this.slot * WORDS + word] as number;
  }

  double(double: number): number {
    return this.ring.doubles[this.slot * DOUBLES + double] as number;
  }

  has(flag: number): boolean {
    return (this.word(WORD.flags) & flag) !== 0;
  }

  name(word: number): string {
    return this.ring.names.textOf(this.word(word));
  }

  get origin(): SpanOrigin {
    return this.ring.origins[this.word(WORD.origin)] as SpanOrigin;
  }

  /** The piece of text whose length stands in `word`. */
  text(word: number): string {
    let start = this.slot * OBSERVE_LIMITS.spanTextBytes;
    for (let before: number = WORD.requestIdBytes; before < word; before++) start += this.word(before);
    // Detail is written by us, as UTF-8; what came over the wire is Latin-1.
    const encoding = word === WORD.detailBytes ? 'utf8' : 'latin1';
    return this.ring.text.toString(encoding, start, start + this.word(word));
  }
}
