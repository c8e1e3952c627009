/**
 * Where the time of an exchange went: phases that add up to its duration, in the order in which they are passed.
 *
 * Invariants: every phase is at least 0; the phases reached add up to `endedMs - startedMs`; the time after the last point that was
 * reached belongs to the phase in which the exchange ended, and phases behind that one are NOT_REACHED. So are those that most exchanges
 * spend no time in, when this one has not and did not end there: `limiter`, `retry`, `tls` and `downstream`.
 */
import type { Exchange } from '../core/exchange.ts';
import { Failure } from '../core/failure.ts';

export const PHASES = [
  'head',
  'limiter',
  'filters',
  'retry',
  'pool',
  'connect',
  'tls',
  'request',
  'upstream',
  'downstream',
  'response',
] as const;

export const NOT_REACHED = -1;

const HEAD = 0;
const LIMITER = 1;
const FILTERS = 2;
const RETRY = 3;
const POOL = 4;
const CONNECT = 5;
const TLS = 6;
const REQUEST = 7;
const UPSTREAM = 8;
const DOWNSTREAM = 9;
const RESPONSE = 10;

const measured = new Float64Array(PHASES.length);
let measuredFor: Exchange | null = null;

/** Of an exchange that has ended, in milliseconds by phase; valid until it is asked of another. Metric, span and log ask one after the other. */
export function phasesOf(exchange: Exchange): Float64Array {
  if (exchange !== measuredFor) {
    measurePhases(exchange, exchange.endedMs, measured);
    measuredFor = exchange;
  }
  return measured;
}

/** Fills `out`, one number a phase in milliseconds, as it is when the exchange ends at `untilMs`. */
export function measurePhases(exchange: Exchange, untilMs: number, out: Float64Array): void {
  const { startedMs, headMs, filteredMs, connectedMs, requestEndMs, responseHeadMs } = exchange;
  out.fill(NOT_REACHED);
  out[HEAD] = (headMs === 0 ? untilMs : headMs) - startedMs;
  if (headMs === 0) return;
  measureFilters(exchange, untilMs, out);
  if (filteredMs === 0) return;
  const from = measureRetry(exchange, untilMs, out);
  if (exchange.backoff !== null) return;
  if (connectedMs === 0) {
    out[unconnectedPhase(exchange)] = untilMs - from;
    return;
  }
  measureConnecting(exchange, from, out);
  if (requestEndMs === 0 && responseHeadMs === 0) {
    out[REQUEST] = untilMs - connectedMs;
    return;
  }
  // A request without a body has ended before there is a connection; an early response ends the phase before the body does.
  let sentMs = Math.max(requestEndMs, connectedMs);
  if (responseHeadMs !== 0 && (requestEndMs === 0 || sentMs > responseHeadMs)) sentMs = responseHeadMs;
  out[REQUEST] = sentMs - connectedMs;
  out[UPSTREAM] = (responseHeadMs === 0 ? untilMs : responseHeadMs) - sentMs;
  if (responseHeadMs !== 0) measureResponse(exchange, untilMs, out);
}

/** Filters take time where they wait; the limits among them for their own reasons. */
function measureFilters(exchange: Exchange, untilMs: number, out: Float64Array): void {
  const { headMs, filteredMs, waits } = exchange;
  const doneMs = filteredMs === 0 ? untilMs : filteredMs;
  if (filteredMs === 0 && endedAtLimit(exchange)) {
    out[LIMITER] = doneMs - headMs;
    return;
  }
  if (waits === null || (waits.limiterMs === 0 && waits.limiterSinceMs === 0)) {
    out[FILTERS] = doneMs - headMs;
    return;
  }
  const waitsStill = waits.limiterSinceMs !== 0;
  const limiterMs = waits.limiterMs + (waitsStill ? doneMs - waits.limiterSinceMs : 0);
  const restMs = Math.max(0, doneMs - headMs - limiterMs);
  out[LIMITER] = doneMs - headMs - restMs;
  // Who ended at a limit did not get further.
  if (!waitsStill || restMs > 0) out[FILTERS] = restMs;
}

/** Whether it waited there or was refused at once. */
function endedAtLimit({ failure }: Exchange): boolean {
  return (
    failure === Failure.rateLimited ||
    failure === Failure.rateLimitUnavailable ||
    failure === Failure.overloaded
  );
}

/** Attempts that failed, and the pauses between them. Returns when the last attempt began. */
function measureRetry(exchange: Exchange, untilMs: number, out: Float64Array): number {
  const { filteredMs, attemptMs, backoff } = exchange;
  const lastMs = backoff === null ? attemptMs : untilMs;
  if (lastMs > filteredMs) out[RETRY] = lastMs - filteredMs;
  return lastMs;
}

function unconnectedPhase({ failure }: Exchange): number {
  if (failure === Failure.tlsFailed) return TLS;
  return failure === Failure.connectRefused || failure === Failure.connectTimeout ? CONNECT : POOL;
}

/** A connection that somebody else had begun to set up is waited for less long than its set-up took; its last part is the handshake. */
function measureConnecting(
  { connectedMs, connectMs, waits }: Exchange,
  from: number,
  out: Float64Array,
): void {
  const setupMs = Math.min(connectMs, connectedMs - from);
  const tlsMs = waits === null ? 0 : Math.min(waits.tlsMs, setupMs);
  out[POOL] = connectedMs - from - setupMs;
  out[CONNECT] = setupMs - tlsMs;
  if (tlsMs > 0) out[TLS] = tlsMs;
}

/** What the caller was not ready to read is no matter of the upstream. */
function measureResponse({ responseHeadMs, waits }: Exchange, untilMs: number, out: Float64Array): void {
  const responseMs = untilMs - responseHeadMs;
  if (waits === null || (waits.downstreamMs === 0 && waits.downstreamSinceMs === 0)) {
    out[RESPONSE] = responseMs;
    return;
  }
  const stalledMs = waits.downstreamSinceMs === 0 ? 0 : untilMs - waits.downstreamSinceMs;
  out[DOWNSTREAM] = Math.min(responseMs, waits.downstreamMs + stalledMs);
  out[RESPONSE] = responseMs - (out[DOWNSTREAM] as number);
}
