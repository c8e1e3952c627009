/**
 * Whether an exchange may be given another attempt, and what that takes: the request once more, from its first byte.
 *
 * Invariants
 * - A request that an application may have seen is repeated only if its method, or its idempotency key, makes that harmless; which
 *   failures are worth a repetition is the route's policy.
 * - What is kept for a repetition is bounded; a body that outgrows the bound is sent once.
 * - Once a response head went downstream there is no further attempt.
 */
import { outcomeOf } from '../upstream/attempt-outcome.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import { UNKNOWN_LATENCY } from '../upstream/endpoint-record.ts';
import { observe } from './chain.ts';
import { type Exchange, STATE_CONNECTING, STATE_SENT, type UpstreamStream } from './exchange.ts';
import { Failure, type FailureKind } from './failure.ts';
import { LIMITS } from './limits.ts';

/** A route's policy for attempts that failed. */
export interface RetryPolicy {
  /** Bytes of a request body that are kept for a repetition. */
  readonly bufferBytes: number;
  /** An exchange begins. */
  begin(exchange: Exchange): void;
  /**
   * Judges the attempt that just ended: `attemptFailure` and `attemptStatus` of the exchange say how. Returns the milliseconds to wait before the
   * next one, or NO_RETRY. Called only for exchanges that can be repeated.
   */
  decide(exchange: Exchange): number;
}

export const NO_RETRY = -1;

/** A route's policy for attempts that take long. */
export interface HedgePolicy {
  /** The first attempt is sent; a second may be worth it later. Sets `exchange.hedge` if so. */
  watch(exchange: Exchange): void;
}

/** A second attempt that runs, or may run, beside the first. */
export interface Hedge {
  /** The first attempt failed. True when the second is under way: then it decides what becomes of the exchange. */
  takesOver(failure: FailureKind, detail: string): boolean;
  /** The exchange has its answer, or is over. */
  end(): void;
}

/** Keeps body bytes that were sent, if there may be a second attempt. */
export function keepForRepetition(exchange: Exchange, bytes: Uint8Array, start: number, end: number): void {
  const { retry } = exchange.route;
  if (retry === null || exchange.unrepeatable) return;
  exchange.keptBytes += end - start;
  if (exchange.keptBytes > retry.bufferBytes) {
    exchange.unrepeatable = true;
    exchange.kept = null;
    return;
  }
  exchange.kept ??= [];
  exchange.kept.push(Buffer.from(bytes.subarray(start, end)));
}

/** Whether all of the request that was sent can be sent again, and nothing of a response has gone downstream. */
export function isRepeatable(exchange: Exchange): boolean {
  const { state } = exchange;
  if (state !== STATE_CONNECTING && state !== STATE_SENT) return false;
  if (exchange.unrepeatable || exchange.request.wantsUpgrade) return false;
  return exchange.requestBytes === 0 || exchange.keptBytes === exchange.requestBytes;
}

/** Sends the body once more, as far as it has come. */
export function resendBody(exchange: Exchange, upstream: UpstreamStream): void {
  if (exchange.kept === null) return;
  for (const bytes of exchange.kept) upstream.sendRequestBody(bytes, 0, bytes.length);
}

/**
 * A kept-alive connection may be closed by its peer just when a request is sent on it. When nothing of a response was seen, a request
 * with an idempotent method may be sent again (RFC 9112 section 9.3.1); one that the peer says it did nothing for may, whatever its
 * method (RFC 9113 section 8.7).
 */
export function mayReplay(exchange: Exchange, stream: UpstreamStream): boolean {
  const { request, attempts } = exchange;
  return (
    exchange.state === STATE_SENT &&
    (stream.unprocessed || (stream.reused && request.isIdempotent)) &&
    exchange.requestComplete &&
    isRepeatable(exchange) &&
    attempts <= LIMITS.staleReplays
  );
}

/** Nothing was sent: another endpoint may take the request, whatever its method. */
export function mayGoElsewhere({ balancer, attempts }: Exchange, failure: FailureKind): boolean {
  const endpoints = balancer?.endpoints.length ?? 0;
  return failure.retryable && attempts < Math.min(endpoints, LIMITS.connectAttempts);
}

/** Another endpoint than those that were tried, if there is one. */
export function pickOther(exchange: Exchange): Endpoint | null {
  const { balancer, endpoint, tried } = exchange;
  if (endpoint !== null && !tried.includes(endpoint)) exchange.tried = [...tried, endpoint];
  return balancer?.pick(exchange) ?? null;
}

export function beginAttempt(exchange: Exchange, endpoint: Endpoint): void {
  exchange.attempts++;
  exchange.attempting = true;
  exchange.attemptFailure = Failure.none;
  exchange.attemptStatus = 0;
  endpoint.record.begin();
}

/** The attempt is over, whatever became of it: observed once, and held for or against its endpoint. */
export function endAttempt(exchange: Exchange): void {
  if (!exchange.attempting) return;
  exchange.attempting = false;
  const { nowMs } = exchange.time;
  const { record } = exchange.endpoint as Endpoint;
  record.end(outcomeOf(exchange), attemptLatencyMs(exchange, nowMs), exchange.attemptMs, nowMs);
  observe(exchange, exchange.route.chain.attemptEnd);
}

/** What the endpoint took to begin its response; how fast the request came is not its doing, so without its end that is not known. */
function attemptLatencyMs(exchange: Exchange, nowMs: number): number {
  const { attemptMs, requestComplete, requestEndMs, responseHeadMs } = exchange;
  const untilMs = responseHeadMs === 0 ? nowMs : responseHeadMs;
  if (!requestComplete || requestEndMs > untilMs) return UNKNOWN_LATENCY;
  return untilMs - Math.max(requestEndMs, attemptMs);
}
