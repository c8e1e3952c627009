/**
 * What arrives on one downstream connection: tells heads, bodies and tunnels apart, hands on what can be taken now and holds the rest.
 *
 * Invariants
 * - Bytes behind the current request are held, and reading is paused, until the next request is due. At most one read is held.
 * - Behind `ignoreRest` no byte is taken for anything, whatever it looks like; how long it is read is bounded.
 * - The sink may call back from within any of its methods; `feed` goes on with whatever is expected then.
 */
import { FAILURES, type FailureKind } from '../../core/failure.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Transport } from '../../transport/transport.ts';
import { BODY_NONE, type Head, type RequestHead } from '../head.ts';
import { BODY_MALFORMED, BodyReader, type BodySink } from './body.ts';
import { RequestReader } from './request-reader.ts';
import { INCOMPLETE } from './scan.ts';

export const EXPECT_HEAD = 0;
export const EXPECT_BODY = 1;
/** The request is complete and its response is not. */
export const EXPECT_NOTHING = 2;
export const EXPECT_TUNNEL = 3;
/** Nobody wants what still comes. */
export const EXPECT_REST = 4;

/** Who serves what arrives. Bytes of a tunnel are told as body data. */
export interface IntakeSink extends BodySink {
  /** A part of a head is there. */
  onHeadBegun(): void;
  /** A head is there. Its body, if it has one, is expected from here on. */
  onHead(): void;
  onUnreadableHead(failure: FailureKind): void;
  /** Whether body bytes can be taken now; if not, they are held until `resume`. */
  takesBody(): boolean;
  /** Bytes of the body are there, framing included; their data follows. */
  onBodyMoves(): void;
  onMalformedBody(): void;
}

export class RequestIntake implements BodySink {
  expected = EXPECT_HEAD;
  paused = false;
  private readonly transport: Transport;
  private readonly sink: IntakeSink;
  private readonly heads: RequestReader;
  private readonly body = new BodyReader();
  private held: Buffer | null = null;
  private feeding = false;
  private ignoreUntilMs = 0;

  constructor(transport: Transport, sink: IntakeSink, encrypted: boolean) {
    this.transport = transport;
    this.sink = sink;
    this.heads = new RequestReader(transport.context, encrypted);
  }

  get request(): RequestHead {
    return this.heads.request;
  }

  /** When the first byte of the current head arrived. */
  get startedMs(): number {
    return this.heads.startedMs;
  }

  /** A head is due, and a part of it is there. */
  get headBegun(): boolean {
    return this.expected === EXPECT_HEAD && this.heads.begun;
  }

  /** A body is due, and nothing of it waits here. */
  get lacksBody(): boolean {
    return this.expected === EXPECT_BODY && this.held === null;
  }

  take(bytes: Buffer, start: number, end: number): void {
    if (this.held !== null) this.hold(bytes, start, end);
    else this.feed(bytes, start, end);
  }

  expectHead(): void {
    this.expected = EXPECT_HEAD;
    this.heads.reset();
    this.resume();
  }

  expectTunnel(): void {
    this.expected = EXPECT_TUNNEL;
  }

  /** Reads on, so that a peer that still sends gets to read the response instead of a reset (RFC 9112 section 9.6). */
  ignoreRest(): void {
    this.expected = EXPECT_REST;
    this.held = null;
    this.ignoreUntilMs = this.transport.context.nowMs + LIMITS.lingerTotalMs;
    this.awaitEnd();
    this.transport.resume();
  }

  pause(): void {
    this.paused = true;
    this.transport.pause();
  }

  /** What is held comes first. Within `feed` there is nothing to do: its loop goes on by itself. */
  resume(): void {
    this.paused = false;
    if (this.feeding) return;
    const { held } = this;
    if (held !== null) {
      this.held = null;
      this.feed(held, 0, held.length);
    }
    if (this.held === null && !this.paused) this.transport.resume();
  }

  // What the body reader tells. It reads on to the end of its bytes, even when the rest is not wanted any more.
  onBodyData(bytes: Buffer, start: number, end: number): void {
    if (this.expected === EXPECT_BODY) this.sink.onBodyData(bytes, start, end);
  }

  onBodyEnd(trailers: Head | null): void {
    if (this.expected !== EXPECT_BODY) return;
    this.expected = EXPECT_NOTHING;
    this.sink.onBodyEnd(trailers);
  }

  /** Reads as far as it can be taken; holds the rest. */
  private feed(bytes: Buffer, start: number, end: number): void {
    this.feeding = true;
    let at = start;
    while (at < end) {
      if (this.expected === EXPECT_HEAD) {
        at = this.readHead(bytes, at, end);
      } else if (this.expected === EXPECT_BODY && this.sink.takesBody()) {
        at = this.readBody(bytes, at, end);
      } else if (this.expected === EXPECT_TUNNEL) {
        this.sink.onBodyData(bytes, at, end);
        at = end;
      } else if (this.expected === EXPECT_REST) {
        this.awaitEnd();
        at = end;
      } else {
        this.hold(bytes, at, end);
        at = end;
      }
    }
    this.feeding = false;
  }

  private readHead(bytes: Buffer, start: number, end: number): number {
    const { heads, sink } = this;
    const result = heads.read(bytes, start, end);
    if (result === INCOMPLETE) {
      if (heads.begun) sink.onHeadBegun();
      return end;
    }
    if (result < 0) {
      sink.onUnreadableHead(FAILURES[-result] as FailureKind);
      return end;
    }
    const { next, request } = heads;
    this.body.begin(request);
    this.expected = request.bodyKind === BODY_NONE ? EXPECT_NOTHING : EXPECT_BODY;
    sink.onHead();
    return next;
  }

  private readBody(bytes: Buffer, start: number, end: number): number {
    this.sink.onBodyMoves();
    const at = this.body.read(this, bytes, start, end);
    if (at !== BODY_MALFORMED) return at;
    this.sink.onMalformedBody();
    return end;
  }

  private awaitEnd(): void {
    this.transport.deadlineMs = Math.min(this.transport.context.nowMs + LIMITS.lingerMs, this.ignoreUntilMs);
  }

  private hold(bytes: Buffer, start: number, end: number): void {
    const rest = Buffer.from(bytes.subarray(start, end));
    this.held = this.held === null ? rest : Buffer.concat([this.held, rest]);
    this.transport.pause();
  }
}
