/**
 * Where the time of an exchange went: seven phases that follow each other and add up to its duration.
 *
 * Invariants: every phase is at least 0; the phases reached add up to `endedMs - startedMs`; the time after the last point that was
 * reached belongs to the phase in which the exchange ended, and phases behind that one are NOT_REACHED.
 */
import type { Exchange } from '../core/exchange.ts';
import { Failure } from '../core/failure.ts';

export const PHASES = ['head', 'filters', 'pool', 'connect', 'request', 'upstream', 'response'] as const;

export const NOT_REACHED = -1;

const HEAD = 0;
const FILTERS = 1;
const POOL = 2;
const CONNECT = 3;
const REQUEST = 4;
const UPSTREAM = 5;
const RESPONSE = 6;

/** Fills `out`, one number a phase in milliseconds, from an exchange that has ended. */
export function measurePhases(exchange: Exchange, out: Float64Array): void {
  const { headMs, filteredMs, connectedMs, requestEndMs, responseHeadMs, endedMs, failure } = exchange;
  out.fill(NOT_REACHED);
  let from = exchange.startedMs;
  if (headMs === 0) {
    out[HEAD] = endedMs - from;
    return;
  }
  out[HEAD] = headMs - from;
  from = headMs;
  if (filteredMs === 0) {
    out[FILTERS] = endedMs - from;
    return;
  }
  out[FILTERS] = filteredMs - from;
  from = filteredMs;
  if (connectedMs === 0) {
    const connecting =
      failure === Failure.connectRefused ||
      failure === Failure.connectTimeout ||
      failure === Failure.tlsFailed;
    out[connecting ? CONNECT : POOL] = endedMs - from;
    return;
  }
  // A connection that somebody else had begun to set up is waited for less long than its set-up took.
  const connectMs = Math.min(exchange.connectMs, connectedMs - from);
  out[CONNECT] = connectMs;
  out[POOL] = connectedMs - from - connectMs;
  from = connectedMs;
  if (requestEndMs === 0 && responseHeadMs === 0) {
    out[REQUEST] = endedMs - from;
    return;
  }
  // A request without a body has ended before there is a connection; an early response ends the phase before the body does.
  let sentMs = Math.max(requestEndMs, from);
  if (responseHeadMs !== 0 && (requestEndMs === 0 || sentMs > responseHeadMs)) sentMs = responseHeadMs;
  out[REQUEST] = sentMs - from;
  from = sentMs;
  if (responseHeadMs === 0) {
    out[UPSTREAM] = endedMs - from;
    return;
  }
  out[UPSTREAM] = responseHeadMs - from;
  out[RESPONSE] = endedMs - responseHeadMs;
}
