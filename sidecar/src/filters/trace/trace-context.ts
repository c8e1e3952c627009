/**
 * Reads trace context from bytes: W3C traceparent (Trace Context level 2, section 3.2) and the single b3 header.
 *
 * Invariants: a value that is malformed in any way is as good as none; nothing is allocated.
 */
import type { Exchange } from '../../core/exchange.ts';
import { isHex, readHexByte, readHexWord } from '../../observe/hex.ts';

const DASH = 0x2d;
/** `00-` trace id `-` parent id `-` flags */
const TRACEPARENT_BYTES = 55;
const INVALID_VERSION = 0xff;
export const FLAG_SAMPLED = 1;
export const FLAG_RANDOM = 2;
/** `0`, `1` and `d`. A b3 value without a decision leaves it to us, and we leave the trace alone. */
const DECISION_NONE = 0x30;
const DECISION_SAMPLED = 0x31;
const DECISION_DEBUG = 0x64;

/** Takes trace id, parent and sampling over into the exchange; false when the value is no valid traceparent. */
export function readTraceparent(exchange: Exchange, bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (length < TRACEPARENT_BYTES || !isHex(bytes, start, 2)) return false;
  const version = readHexByte(bytes, start);
  if (version === INVALID_VERSION) return false;
  // A later version may go on after the flags, version 0 may not.
  if (length > TRACEPARENT_BYTES && (version === 0 || bytes[start + TRACEPARENT_BYTES] !== DASH))
    return false;
  const traceAt = start + 3;
  const parentAt = start + 36;
  const flagsAt = start + 53;
  const wellFormed =
    bytes[start + 2] === DASH &&
    bytes[parentAt - 1] === DASH &&
    bytes[flagsAt - 1] === DASH &&
    isHex(bytes, traceAt, 32) &&
    isHex(bytes, parentAt, 16) &&
    isHex(bytes, flagsAt, 2);
  if (!wellFormed) return false;
  const flags = readHexByte(bytes, flagsAt);
  exchange.sampled = (flags & FLAG_SAMPLED) !== 0;
  exchange.randomTraceId = (flags & FLAG_RANDOM) !== 0;
  return takeIds(exchange, bytes, traceAt, parentAt);
}

/** `trace id - span id [- sampling [- parent]]`; trace ids of 64 bits are padded with zeros. */
export function readB3(exchange: Exchange, bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  const traceDigits = length > 32 && bytes[start + 32] === DASH ? 32 : 16;
  const parentAt = start + traceDigits + 1;
  const parentEnd = parentAt + 16;
  if (parentEnd > end || bytes[parentAt - 1] !== DASH) return false;
  if (!isHex(bytes, start, traceDigits) || !isHex(bytes, parentAt, 16)) return false;
  const decision = parentEnd === end ? DECISION_NONE : readDecision(bytes, parentEnd, end);
  if (decision === -1) return false;
  exchange.sampled = decision !== DECISION_NONE;
  return takeB3Ids(exchange, bytes, start, traceDigits, parentAt);
}

/** Of a trace id with 16 or 32 digits, and a span id with 16. */
export function takeB3Ids(
  exchange: Exchange,
  bytes: Uint8Array,
  traceAt: number,
  traceDigits: number,
  parentAt: number,
): boolean {
  exchange.randomTraceId = false;
  if (traceDigits === 32) return takeIds(exchange, bytes, traceAt, parentAt);
  exchange.traceId0 = 0;
  exchange.traceId1 = 0;
  exchange.traceId2 = readHexWord(bytes, traceAt);
  exchange.traceId3 = readHexWord(bytes, traceAt + 8);
  return takeParent(exchange, bytes, parentAt);
}

/** `-1`, `-d` (debug) or `-0`, and the id of the parent's parent may follow; -1 when it is none of these. */
function readDecision(bytes: Uint8Array, start: number, end: number): number {
  const grandparentAt = start + 3;
  const ends =
    end === start + 2 ||
    (end === grandparentAt + 16 && bytes[start + 2] === DASH && isHex(bytes, grandparentAt, 16));
  if (!ends || bytes[start] !== DASH) return -1;
  const decision = bytes[start + 1];
  if (decision === DECISION_SAMPLED || decision === DECISION_DEBUG) return decision;
  return decision === DECISION_NONE ? decision : -1;
}

function takeIds(exchange: Exchange, bytes: Uint8Array, traceAt: number, parentAt: number): boolean {
  exchange.traceId0 = readHexWord(bytes, traceAt);
  exchange.traceId1 = readHexWord(bytes, traceAt + 8);
  exchange.traceId2 = readHexWord(bytes, traceAt + 16);
  exchange.traceId3 = readHexWord(bytes, traceAt + 24);
  return takeParent(exchange, bytes, parentAt);
}

/** Ids of zeros are invalid. */
function takeParent(exchange: Exchange, bytes: Uint8Array, parentAt: number): boolean {
  exchange.parentId0 = readHexWord(bytes, parentAt);
  exchange.parentId1 = readHexWord(bytes, parentAt + 8);
  exchange.hasParent =
    (exchange.traceId0 | exchange.traceId1 | exchange.traceId2 | exchange.traceId3) !== 0 &&
    (exchange.parentId0 | exchange.parentId1) !== 0;
  return exchange.hasParent;
}
