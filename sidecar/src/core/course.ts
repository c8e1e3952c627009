/**
 * The course of an exchange: from a parsed request head through the chain to an endpoint, back again, and to its one end. The codecs
 * report what happened on the wire; the functions here decide what follows, and moves.ts does it. docs/life-of-a-request.md tells it as a
 * story.
 *
 * Invariant: once an exchange has ended, reports about it are ignored.
 */
import type { Head, ResponseHead } from '../protocol/head.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import { endAttempt, keepForRepetition, mayGoElsewhere, mayReplay } from './attempts.ts';
import { observe } from './chain.ts';
import { type Exchange, STATE_ENDED, STATE_RESPONDING, STATE_SENT, type UpstreamStream } from './exchange.ts';
import { Failure, type FailureKind } from './failure.ts';
import { isGrpc, readGrpcStatus } from './grpc.ts';
import {
  connect,
  finish,
  isTakenOver,
  leaveUpstream,
  limitExchange,
  repeat,
  reply,
  respond,
  retry,
  runRequestHead,
  sendRequest,
} from './moves.ts';
import { beginDownstreamWait, endDownstreamWait, noteTls } from './waits.ts';

export { answer, limitExchange, reply, resume } from './moves.ts';

const NEVER = Number.POSITIVE_INFINITY;

/** The request head is there. `requestComplete` tells whether a body follows. */
export function begin(exchange: Exchange): void {
  exchange.headMs = exchange.time.nowMs;
  exchange.isGrpc = isGrpc(exchange.request);
  exchange.route.retry?.begin(exchange);
  const { requestTimeoutMs } = exchange.route;
  if (requestTimeoutMs !== NEVER) limitExchange(exchange, exchange.startedMs + requestTimeoutMs);
  if (exchange.requestComplete) exchange.requestEndMs = exchange.headMs;
  runRequestHead(exchange, 0);
}

/** The request head can't be read. What follows is a `reply`, or `onDownstreamGone` where there is no sense in one. */
export function beginUnreadable(exchange: Exchange): void {
  exchange.headMs = exchange.time.nowMs;
  observe(exchange, exchange.route.chain.unreadableHead);
}

export function onRequestBody(exchange: Exchange, bytes: Uint8Array, start: number, end: number): void {
  if (exchange.state === STATE_ENDED) return;
  if (exchange.gate?.take(bytes, start, end)) return;
  if (exchange.upstream === null) return;
  exchange.requestBytes += end - start;
  keepForRepetition(exchange, bytes, start, end);
  exchange.requestTap?.onRequestBody(bytes, start, end);
  exchange.upstream.sendRequestBody(bytes, start, end);
  if (exchange.upstream.congested) exchange.downstream.pauseRequest();
}

export function onRequestEnd(exchange: Exchange, trailers: Head | null): void {
  if (exchange.state === STATE_ENDED) return;
  exchange.requestComplete = true;
  exchange.requestEndMs = exchange.time.nowMs;
  if (trailers !== null) exchange.unrepeatable = true;
  if (exchange.gate?.end(trailers)) return;
  exchange.requestTap?.onRequestEnd();
  exchange.upstream?.endRequest(trailers);
  if (exchange.responseComplete) finish(exchange);
}

/** The downstream connection is gone, or failed to keep its side of the exchange. */
export function onDownstreamGone(exchange: Exchange, failure: FailureKind, detail = ''): void {
  if (exchange.state === STATE_ENDED) return;
  exchange.failure = failure;
  exchange.failureDetail = detail;
  leaveUpstream(exchange);
  finish(exchange);
}

export function onDownstreamDrained(exchange: Exchange): void {
  endDownstreamWait(exchange);
  exchange.upstream?.resumeResponse();
}

/** The pool has a connection for the exchange. */
export function onUpstreamReady(exchange: Exchange, stream: UpstreamStream): void {
  exchange.upstream = stream;
  exchange.connectedMs = exchange.time.nowMs;
  exchange.connectMs = stream.setupMs;
  noteTls(exchange, stream.tlsMs);
  sendRequest(exchange, 0);
}

/** The pool has no connection to offer. */
export function onUpstreamUnavailable(exchange: Exchange, failure: FailureKind, detail: string): void {
  exchange.attemptFailure = failure;
  exchange.attemptStatus = 0;
  if (isTakenOver(exchange, failure, detail)) return;
  if (mayGoElsewhere(exchange, failure)) repeat(exchange, 0);
  else if (!retry(exchange)) reply(exchange, failure, detail);
}

export function onInterim(exchange: Exchange, head: ResponseHead): void {
  if (exchange.state === STATE_SENT) exchange.downstream.sendInterim(head);
}

export function onResponseHead(exchange: Exchange, head: ResponseHead): void {
  if (exchange.state !== STATE_SENT) return;
  exchange.responseHeadMs = exchange.time.nowMs;
  if (exchange.isGrpc) exchange.grpcStatus = readGrpcStatus(head);
  exchange.attemptFailure = Failure.none;
  exchange.attemptStatus = head.status;
  if (head.status >= 500 && isTakenOver(exchange, Failure.upstreamReset, `status ${head.status}`)) return;
  if (exchange.route.retry !== null) {
    exchange.response = head;
    if (retry(exchange)) return;
  }
  respond(exchange, head);
}

export function onResponseBody(exchange: Exchange, bytes: Uint8Array, start: number, end: number): void {
  if (exchange.state !== STATE_RESPONDING) return;
  exchange.responseBytes += end - start;
  exchange.downstream.sendResponseBody(bytes, start, end);
  if (!exchange.downstream.congested) return;
  beginDownstreamWait(exchange);
  exchange.upstream?.pauseResponse();
}

export function onResponseEnd(exchange: Exchange, trailers: Head | null): void {
  if (exchange.state !== STATE_RESPONDING) return;
  exchange.responseComplete = true;
  if (exchange.isGrpc && trailers !== null) exchange.grpcStatus = readGrpcStatus(trailers);
  exchange.downstream.endResponse(trailers);
  // After a protocol switch the two directions end on their own; anything else is over with its response.
  if (exchange.response?.switchesProtocol && !exchange.requestComplete) return;
  if (!exchange.requestComplete) leaveUpstream(exchange);
  finish(exchange);
}

/** The upstream connection failed under the exchange. */
export function onUpstreamFailed(exchange: Exchange, failure: FailureKind, detail: string): void {
  if (exchange.state === STATE_ENDED) return;
  const stream = exchange.upstream;
  exchange.attemptFailure = failure;
  exchange.attemptStatus = 0;
  if (exchange.state !== STATE_RESPONDING && isTakenOver(exchange, failure, detail)) return;
  if (stream !== null && failure === Failure.upstreamReset && mayReplay(exchange, stream))
    repeat(exchange, 0);
  else if (!retry(exchange)) reply(exchange, failure, detail);
}

/** For hedges: both attempts have failed. */
export function failHedged(exchange: Exchange, failure: FailureKind, detail: string): void {
  if (exchange.state === STATE_ENDED) return;
  exchange.attemptFailure = failure;
  if (!retry(exchange)) reply(exchange, failure, detail);
}

/** For hedges: the second attempt has the first answer. False when it comes too late. */
export function adoptAttempt(
  exchange: Exchange,
  endpoint: Endpoint,
  stream: UpstreamStream,
  head: ResponseHead,
): boolean {
  if (exchange.state !== STATE_SENT) return false;
  leaveUpstream(exchange);
  // What it would have come to is not known: nothing to hold against its endpoint.
  if (exchange.attemptFailure === Failure.none) exchange.attemptFailure = Failure.downstreamAborted;
  endAttempt(exchange);
  exchange.attemptFailure = Failure.none;
  exchange.attemptStatus = head.status;
  exchange.attempts++;
  exchange.endpoint = endpoint;
  exchange.upstream = stream;
  exchange.responseHeadMs = exchange.time.nowMs;
  if (exchange.isGrpc) exchange.grpcStatus = readGrpcStatus(head);
  respond(exchange, head);
  return true;
}

/** For hedges: begins the second attempt, as an exchange of its own that no filter sees. */
export function beginHedged(exchange: Exchange, endpoint: Endpoint): void {
  exchange.endpoint = endpoint;
  connect(exchange);
}

export function onUpstreamDrained(exchange: Exchange): void {
  if (exchange.state !== STATE_ENDED) exchange.downstream.resumeRequest();
}
