/**
 * What the mesh knows of gRPC (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md): who speaks it, how long a caller is willing to
 * wait, and how a call ends.
 *
 * Invariants: a call that the mesh ends, ends with a status that the caller's library understands, never with a page for people.
 */
import { fieldId } from '../protocol/field-names.ts';
import { Head, type RequestHead, ResponseHead } from '../protocol/head.ts';
import { equalsWord } from '../protocol/http1/scan.ts';
import type { Exchange } from './exchange.ts';

const CONTENT_TYPE = fieldId('content-type');
const GRPC_TIMEOUT = fieldId('grpc-timeout');
const GRPC_STATUS = fieldId('grpc-status');
const WORD_GRPC = Buffer.from('application/grpc');
/** Behind it come a suffix, parameters, or nothing; `application/grpc-web` is another protocol. */
const PLUS = 0x2b;
const SEMICOLON = 0x3b;

/** Milliseconds in a unit of grpc-timeout, by its letter. */
const UNIT_MS: Record<string, number> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};
const MAX_TIMEOUT_VALUE = 99_999_999;
const STATUS_DIGITS = 2;

/** No status came, or none that can be read. */
export const NO_GRPC_STATUS = -1;

export function isGrpc(request: RequestHead): boolean {
  const row = request.firstRow[CONTENT_TYPE] as number;
  if (row === -1) return false;
  const { bytes } = request;
  const start = request.valueStart(row);
  const end = start + WORD_GRPC.length;
  const valueEnd = request.valueEnd(row);
  if (end > valueEnd || !equalsWord(bytes, start, end, WORD_GRPC)) return false;
  return end === valueEnd || bytes[end] === PLUS || bytes[end] === SEMICOLON;
}

/** What the caller is willing to wait, in milliseconds; Infinity when it does not say, or not in a way that can be read. */
export function readGrpcTimeoutMs(request: RequestHead): number {
  const text = request.value(GRPC_TIMEOUT);
  if (text === null || !/^\d{1,8}[HMSmun]$/.test(text)) return Number.POSITIVE_INFINITY;
  return Number(text.slice(0, -1)) * (UNIT_MS[text.slice(-1)] as number);
}

/** Replaces what the caller said. `timeoutMs` is rounded down, but not to nothing. */
export function writeGrpcTimeout(request: RequestHead, timeoutMs: number): void {
  request.drop(GRPC_TIMEOUT);
  const microseconds = Math.max(1, Math.floor(timeoutMs * 1_000));
  const value =
    microseconds <= MAX_TIMEOUT_VALUE
      ? `${microseconds}u`
      : timeoutMs <= MAX_TIMEOUT_VALUE
        ? `${Math.floor(timeoutMs)}m`
        : `${Math.floor(timeoutMs / 1_000)}S`;
  request.add('grpc-timeout', value);
}

/** From trailers, or from the head of a response that has nothing else. */
export function readGrpcStatus(head: Head): number {
  const row = head.firstRow[GRPC_STATUS] as number;
  if (row === -1) return NO_GRPC_STATUS;
  const start = head.valueStart(row);
  const end = head.valueEnd(row);
  if (end - start < 1 || end - start > STATUS_DIGITS) return NO_GRPC_STATUS;
  let status = 0;
  for (let at = start; at < end; at++) {
    const digit = (head.bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) return NO_GRPC_STATUS;
    status = status * 10 + digit;
  }
  return status;
}

/** The answer to a call that fails before it has one: status and message in the head, and no body. */
export function grpcReply(exchange: Exchange): ResponseHead {
  const head = new ResponseHead();
  head.status = 200;
  head.length = head.bytes.write('HTTP/1.1 200 OK\r\n', 'latin1');
  head.fieldsStart = head.length;
  head.add('content-type', 'application/grpc');
  addStatus(head, exchange);
  return head;
}

/** The end of a call that fails behind the head of its response. */
export function grpcTrailers(exchange: Exchange): Head {
  const trailers = new Head();
  addStatus(trailers, exchange);
  return trailers;
}

function addStatus(head: Head, { failure, failureDetail }: Exchange): void {
  const text = `${failure.name}: ${failure.reason}${failureDetail === '' ? '' : ` (${failureDetail})`}`;
  head.add('grpc-status', String(failure.grpcStatus));
  head.add('grpc-message', encodeMessage(text));
}

/** Everything but printable ASCII, and the per cent sign, is written as per cent and two digits. */
function encodeMessage(text: string): string {
  return Array.from(Buffer.from(text), (byte) =>
    byte >= 0x20 && byte <= 0x7e && byte !== 0x25
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
  ).join('');
}
