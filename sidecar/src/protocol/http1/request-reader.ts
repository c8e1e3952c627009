/**
 * Reads request heads off one downstream connection, however they are split into reads.
 *
 * Invariants: `startedMs` is when the first byte of the head arrived. Bytes of an incomplete head are kept in the head itself.
 */
import { Failure } from '../../core/failure.ts';
import type { TransportContext } from '../../transport/transport.ts';
import { RequestHead } from '../head.ts';
import { CR, LF } from './bytes.ts';
import { scanRequestHead } from './request-head.ts';
import { INCOMPLETE } from './scan.ts';

const EMPTY_LINE_ALLOWED = 0;
const EMPTY_LINE_HALF = 1;
const EMPTY_LINE_OVER = 2;

export class RequestReader {
  readonly request = new RequestHead();
  startedMs = 0;
  /** Where the bytes behind a complete head start. */
  next = 0;
  private readonly context: TransportContext;
  private emptyLine = EMPTY_LINE_ALLOWED;

  constructor(context: TransportContext, encrypted: boolean) {
    this.context = context;
    this.request.encrypted = encrypted;
  }

  /** A head has begun to arrive. */
  get begun(): boolean {
    return this.request.collected > 0;
  }

  reset(): void {
    this.request.reset();
    this.emptyLine = EMPTY_LINE_ALLOWED;
  }

  /** Returns INCOMPLETE when all bytes are taken and more are needed, minus the code of a failure, or else a positive number. */
  read(bytes: Buffer, start: number, end: number): number {
    const { request } = this;
    let at = start;
    if (!this.begun) {
      this.startedMs = this.context.nowMs;
      at = this.skipEmptyLine(bytes, start, end);
      if (at < 0) return at;
      if (at === end) return INCOMPLETE;
    }
    const before = request.collected;
    let consumed: number;
    if (before === 0) {
      consumed = scanRequestHead(request, bytes, at, end);
      if (consumed === INCOMPLETE) request.collect(bytes, at, end);
    } else {
      request.collect(bytes, at, end);
      consumed = scanRequestHead(request, request.bytes, 0, request.collected);
    }
    this.next = at + consumed - before;
    return consumed;
  }

  /** One empty line before a request line is tolerated (RFC 9112 section 2.2); its bytes may come in two reads. */
  private skipEmptyLine(bytes: Buffer, start: number, end: number): number {
    let at = start;
    if (this.emptyLine === EMPTY_LINE_ALLOWED && bytes[at] === CR) {
      this.emptyLine = EMPTY_LINE_HALF;
      at++;
    }
    if (this.emptyLine === EMPTY_LINE_HALF && at < end) {
      this.emptyLine = EMPTY_LINE_OVER;
      if (bytes[at] !== LF) return -Failure.malformedRequest.code;
      at++;
    }
    return at;
  }
}
