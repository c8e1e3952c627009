/**
 * One X-Request-ID for an exchange: taken over from trusted peers, else that of the request which it was made for, made otherwise; forwarded and
 * always returned.
 *
 * Invariants: after the request head, readable or not, there is exactly one valid id; a response carries the id of its request, whatever
 * the upstream put there.
 */
import type { Exchange } from '../../core/exchange.ts';
import { CONTINUE, type Filter, type Verdict } from '../../core/filter.ts';
import { writeHexByte, writeHexWord } from '../../observe/hex.ts';
import type { RandomWords } from '../../observe/random-words.ts';
import { fieldId } from '../../protocol/field-names.ts';
import type { RequestHead } from '../../protocol/head.ts';
import type { Linkage } from '../linkage/linkage.ts';

const X_REQUEST_ID = fieldId('x-request-id');
const PREFIX = Buffer.from('x-request-id: ');
const NAME_BYTES = 12;
const LINE = Buffer.from('x-request-id: 00000000-0000-4000-8000-000000000000\r\n');
const UUID_BYTES = 36;
const MAX_BYTES = 128;

/** What a foreign id may be made of: enough for UUIDs, ULIDs and trace-like ids, nothing that logs or headers trip over. */
const ALLOWED = new Uint8Array(256);
for (const char of 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-') {
  ALLOWED[char.charCodeAt(0)] = 1;
}

export class RequestIdFilter implements Filter {
  readonly name = 'request-id';
  private readonly trustsPeer: boolean;
  private readonly random: RandomWords;
  private readonly linkage: Linkage | null;

  /** `linkage` knows what requests of the own service were made for; null for those of others. */
  constructor(trustsPeer: boolean, random: RandomWords, linkage: Linkage | null = null) {
    this.trustsPeer = trustsPeer;
    this.random = random;
    this.linkage = linkage;
  }

  onRequestHead(exchange: Exchange): Verdict {
    const { request } = exchange;
    const row = request.firstRow[X_REQUEST_ID] as number;
    if (row !== -1) {
      if (this.trustsPeer && isOnly(request, row) && isValid(request, row)) {
        exchange.requestIdStart = request.valueStart(row);
        exchange.requestIdEnd = request.valueEnd(row);
        return CONTINUE;
      }
      request.drop(X_REQUEST_ID);
    }
    if (this.linkage === null || !this.linkage.restoreRequestId(exchange)) this.assign(exchange);
    return CONTINUE;
  }

  onUnreadableHead(exchange: Exchange): void {
    this.onRequestHead(exchange);
  }

  onResponseHead(exchange: Exchange): void {
    const { request, response } = exchange;
    if (response === null) return;
    response.drop(X_REQUEST_ID);
    response.addValue(PREFIX, request.bytes, exchange.requestIdStart, exchange.requestIdEnd);
  }

  /** A UUID of version 4 (RFC 9562 section 5.4); unique, not secret. */
  private assign(exchange: Exchange): void {
    const { request } = exchange;
    const { random } = this;
    const at = request.addLine(LINE, NAME_BYTES);
    const { bytes } = request;
    writeHexWord(bytes, at, random.next());
    const second = random.next();
    writeHexByte(bytes, at + 9, second >>> 24);
    writeHexByte(bytes, at + 11, (second >>> 16) & 255);
    writeHexByte(bytes, at + 14, 0x40 | ((second >>> 8) & 15));
    writeHexByte(bytes, at + 16, second & 255);
    const third = random.next();
    writeHexByte(bytes, at + 19, 0x80 | ((third >>> 24) & 63));
    writeHexByte(bytes, at + 21, (third >>> 16) & 255);
    writeHexByte(bytes, at + 24, (third >>> 8) & 255);
    writeHexByte(bytes, at + 26, third & 255);
    writeHexWord(bytes, at + 28, random.next());
    exchange.requestIdStart = at;
    exchange.requestIdEnd = at + UUID_BYTES;
  }
}

function isOnly(request: RequestHead, row: number): boolean {
  for (let other = row + 1; other < request.rows; other++) {
    if (request.ids[other] === X_REQUEST_ID) return false;
  }
  return request.dropped[row] === 0;
}

function isValid(request: RequestHead, row: number): boolean {
  const start = request.valueStart(row);
  const end = request.valueEnd(row);
  if (start === end || end - start > MAX_BYTES) return false;
  for (let at = start; at < end; at++) if (ALLOWED[request.bytes[at] as number] === 0) return false;
  return true;
}
