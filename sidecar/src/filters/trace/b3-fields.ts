/**
 * Reads trace context from B3's fields of one value each: `x-b3-traceid`, `x-b3-spanid`, `x-b3-sampled` and `x-b3-flags`, as Zipkin and Envoy send
 * them.
 *
 * Invariants: as of the single field, what is malformed or given twice in any way is as good as none; nothing is allocated.
 */
import type { Exchange } from '../../core/exchange.ts';
import { isHex } from '../../observe/hex.ts';
import { fieldId } from '../../protocol/field-names.ts';
import type { RequestHead } from '../../protocol/head.ts';
import { takeB3Ids } from './trace-context.ts';

const TRACE_ID = fieldId('x-b3-traceid');
const SPAN_ID = fieldId('x-b3-spanid');
const SAMPLED = fieldId('x-b3-sampled');
const FLAGS = fieldId('x-b3-flags');

/** Those that end here, the parent of the parent among them. */
export const B3_FIELDS = [TRACE_ID, SPAN_ID, fieldId('x-b3-parentspanid'), SAMPLED, FLAGS];

const ZERO = 0x30;
const ONE = 0x31;

/** Takes trace id, parent and sampling over into the exchange; false when there is no valid context. */
export function readB3Fields(exchange: Exchange, request: RequestHead): boolean {
  if (!request.has(TRACE_ID)) return false;
  const traceRow = onlyRow(request, TRACE_ID);
  const spanRow = onlyRow(request, SPAN_ID);
  const sampled = readBit(request, SAMPLED);
  const debug = readBit(request, FLAGS);
  if (traceRow === -1 || spanRow === -1 || sampled === -1 || debug === -1) return false;
  const { bytes } = request;
  const traceAt = request.valueStart(traceRow);
  const spanAt = request.valueStart(spanRow);
  const traceDigits = request.valueEnd(traceRow) - traceAt;
  if ((traceDigits !== 32 && traceDigits !== 16) || request.valueEnd(spanRow) - spanAt !== 16) return false;
  if (!isHex(bytes, traceAt, traceDigits) || !isHex(bytes, spanAt, 16)) return false;
  exchange.sampled = sampled === 1 || debug === 1;
  return takeB3Ids(exchange, bytes, traceAt, traceDigits, spanAt);
}

/** Of the field that there is one of; -1 otherwise: two contexts are as good as none. */
export function onlyRow(request: RequestHead, id: number): number {
  const row = request.firstRow[id] as number;
  for (let other = row + 1; other < request.rows; other++) if (request.ids[other] === id) return -1;
  return row;
}

/** 0 where there is no such field, -1 where it is neither `0` nor `1`. */
function readBit(request: RequestHead, id: number): number {
  if (!request.has(id)) return 0;
  const row = onlyRow(request, id);
  if (row === -1 || request.valueEnd(row) - request.valueStart(row) !== 1) return -1;
  const bit = request.bytes[request.valueStart(row)];
  if (bit === ONE) return 1;
  return bit === ZERO ? 0 : -1;
}
