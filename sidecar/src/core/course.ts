/**
 * The course of an exchange: from a parsed request head through the chain to an endpoint, back again, and to its one end. The codecs
 * report what happened on the wire; the functions here decide what follows. docs/life-of-a-request.md tells it as a story.
 *
 * Invariants
 * - Every exchange ends exactly once, through `finish`, and is observed there.
 * - A response that has begun is either completed or visibly cut off; a local reply only replaces one that has not begun.
 * - Once an exchange has ended, reports about it are ignored.
 */
import type { Head, ResponseHead } from '../protocol/head.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import type { Observer, Step } from './chain.ts';
import {
  type Exchange,
  STATE_CONNECTING,
  STATE_ENDED,
  STATE_REQUEST,
  STATE_RESPONDING,
  STATE_SENT,
  type UpstreamStream,
} from './exchange.ts';
import { Failure, type FailureKind } from './failure.ts';
import { CONTINUE, PAUSED } from './filter.ts';
import { grpcReply, grpcTrailers, isGrpc, readGrpcStatus } from './grpc.ts';
import { LIMITS } from './limits.ts';
import { problemReply } from './problem.ts';

const NO_BODY = Buffer.alloc(0);

const PHASE_REQUEST_HEAD = 1;
const PHASE_PICK_ENDPOINT = 2;
const PHASE_ATTEMPT_HEAD = 3;

/** The request head is there. `requestComplete` tells whether a body follows. */
export function begin(exchange: Exchange): void {
  exchange.headMs = exchange.time.nowMs;
  exchange.isGrpc = isGrpc(exchange.request);
  if (exchange.requestComplete) exchange.requestEndMs = exchange.headMs;
  runRequestHead(exchange, 0);
}

/** The request head can't be read. What follows is a `reply`, or `onDownstreamGone` where there is no sense in one. */
export function beginUnreadable(exchange: Exchange): void {
  exchange.headMs = exchange.time.nowMs;
  observe(exchange, exchange.route.chain.unreadableHead);
}

/** A paused filter has what it waited for. */
export function resume(exchange: Exchange): void {
  const phase = exchange.pausedPhase;
  if (phase === 0)
    throw new Error('resume without pause: a filter may resume an exchange once for each PAUSED');
  if (exchange.state === STATE_ENDED) return;
  exchange.pausedPhase = 0;
  if (phase === PHASE_REQUEST_HEAD) runRequestHead(exchange, exchange.pausedAt);
  else if (phase === PHASE_PICK_ENDPOINT) pickEndpoint(exchange, exchange.pausedAt);
  else sendRequest(exchange, exchange.pausedAt);
}

/** Answers in the name of the mesh, or cuts a response off that has begun. For filters too, which then return REPLIED. */
export function reply(exchange: Exchange, failure: FailureKind, detail = ''): void {
  if (exchange.state === STATE_ENDED) return;
  exchange.failure = failure;
  exchange.failureDetail = detail;
  leaveUpstream(exchange);
  if (exchange.state === STATE_RESPONDING || failure.httpStatus === 0) {
    cutOff(exchange);
    return;
  }
  const { head, body } = localReply(exchange);
  exchange.replied = true;
  respond(exchange, head);
  if (body.length > 0 && !exchange.request.isHead) exchange.downstream.sendResponseBody(body, 0, body.length);
  exchange.responseBytes += body.length;
  exchange.downstream.endResponse(null);
  finish(exchange);
}

export function onRequestBody(exchange: Exchange, bytes: Uint8Array, start: number, end: number): void {
  if (exchange.state === STATE_ENDED || exchange.upstream === null) return;
  exchange.requestBytes += end - start;
  exchange.upstream.sendRequestBody(bytes, start, end);
  if (exchange.upstream.congested) exchange.downstream.pauseRequest();
}

export function onRequestEnd(exchange: Exchange, trailers: Head | null): void {
  if (exchange.state === STATE_ENDED) return;
  exchange.requestComplete = true;
  exchange.requestEndMs = exchange.time.nowMs;
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
  exchange.upstream?.resumeResponse();
}

/** The pool has a connection for the exchange. */
export function onUpstreamReady(exchange: Exchange, stream: UpstreamStream): void {
  exchange.upstream = stream;
  exchange.connectedMs = exchange.time.nowMs;
  exchange.connectMs = stream.setupMs;
  sendRequest(exchange, 0);
}

/** The pool has no connection to offer. */
export function onUpstreamUnavailable(exchange: Exchange, failure: FailureKind, detail: string): void {
  if (mayGoElsewhere(exchange, failure)) {
    observe(exchange, exchange.route.chain.attemptEnd);
    exchange.endpoint = pickOther(exchange);
    connect(exchange);
    return;
  }
  reply(exchange, failure, detail);
}

export function onInterim(exchange: Exchange, head: ResponseHead): void {
  if (exchange.state === STATE_SENT) exchange.downstream.sendInterim(head);
}

export function onResponseHead(exchange: Exchange, head: ResponseHead): void {
  if (exchange.state !== STATE_SENT) return;
  exchange.responseHeadMs = exchange.time.nowMs;
  if (exchange.isGrpc) exchange.grpcStatus = readGrpcStatus(head);
  respond(exchange, head);
}

export function onResponseBody(exchange: Exchange, bytes: Uint8Array, start: number, end: number): void {
  if (exchange.state !== STATE_RESPONDING) return;
  exchange.responseBytes += end - start;
  exchange.downstream.sendResponseBody(bytes, start, end);
  if (exchange.downstream.congested) exchange.upstream?.pauseResponse();
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
  if (stream !== null && failure === Failure.upstreamReset && canReplay(exchange, stream)) {
    exchange.upstream = null;
    observe(exchange, exchange.route.chain.attemptEnd);
    connect(exchange);
    return;
  }
  reply(exchange, failure, detail);
}

export function onUpstreamDrained(exchange: Exchange): void {
  if (exchange.state !== STATE_ENDED) exchange.downstream.resumeRequest();
}

function runRequestHead(exchange: Exchange, from: number): void {
  if (runSteps(exchange, PHASE_REQUEST_HEAD, exchange.route.chain.requestHead, from))
    pickEndpoint(exchange, 0);
}

function pickEndpoint(exchange: Exchange, from: number): void {
  if (!runSteps(exchange, PHASE_PICK_ENDPOINT, exchange.route.chain.pickEndpoint, from)) return;
  const { balancer } = exchange.route;
  if (balancer === null) {
    reply(exchange, Failure.noRoute, `no service for host '${exchange.request.authority}'`);
    return;
  }
  exchange.endpoint ??= balancer.pick();
  connect(exchange);
}

function connect(exchange: Exchange): void {
  exchange.attemptMs = exchange.time.nowMs;
  exchange.connectedMs = 0;
  if (exchange.attempts === 0) exchange.filteredMs = exchange.attemptMs;
  if (exchange.endpoint === null) {
    reply(exchange, Failure.noEndpoint);
    return;
  }
  exchange.state = STATE_CONNECTING;
  exchange.attempts++;
  exchange.endpoint.transport.open(exchange);
}

function sendRequest(exchange: Exchange, from: number): void {
  if (!runSteps(exchange, PHASE_ATTEMPT_HEAD, exchange.route.chain.attemptHead, from)) return;
  const upstream = exchange.upstream as UpstreamStream;
  exchange.state = STATE_SENT;
  upstream.sendRequestHead(exchange);
  if (exchange.requestComplete) upstream.endRequest(null);
  else exchange.downstream.resumeRequest();
}

/** A response that has begun can only be completed as a failure where the protocol has a word for it. */
function cutOff(exchange: Exchange): void {
  const { downstream } = exchange;
  if (exchange.isGrpc && exchange.state === STATE_RESPONDING && downstream.takesTrailers) {
    exchange.grpcStatus = exchange.failure.grpcStatus;
    downstream.endResponse(grpcTrailers(exchange));
  } else {
    downstream.abortResponse();
  }
  finish(exchange);
}

function localReply(exchange: Exchange): { head: ResponseHead; body: Buffer } {
  if (!exchange.isGrpc) return problemReply(exchange);
  exchange.grpcStatus = exchange.failure.grpcStatus;
  return { head: grpcReply(exchange), body: NO_BODY };
}

function respond(exchange: Exchange, head: ResponseHead): void {
  exchange.response = head;
  exchange.status = head.status;
  observe(exchange, exchange.route.chain.responseHead);
  exchange.state = STATE_RESPONDING;
  exchange.downstream.sendResponseHead(exchange);
}

/**
 * A kept-alive connection may be closed by its peer just when a request is sent on it. When nothing of a response was seen, a request
 * without a body and with an idempotent method may be sent again (RFC 9112 section 9.3.1); one that the peer says it did nothing for
 * may, whatever its method (RFC 9113 section 8.7).
 */
function canReplay(exchange: Exchange, stream: UpstreamStream): boolean {
  const { request, state, attempts } = exchange;
  return (
    state === STATE_SENT &&
    (stream.unprocessed || (stream.reused && request.isIdempotent)) &&
    exchange.requestComplete &&
    exchange.requestBytes === 0 &&
    attempts <= LIMITS.staleReplays
  );
}

/** Nothing was sent: another endpoint may take the request, whatever its method. */
function mayGoElsewhere({ route, attempts }: Exchange, failure: FailureKind): boolean {
  const endpoints = route.balancer?.endpoints.length ?? 0;
  return failure.retryable && attempts < Math.min(endpoints, LIMITS.connectAttempts);
}

function pickOther({ route, endpoint }: Exchange): Endpoint | null {
  const { balancer } = route;
  let other: Endpoint | null = null;
  for (let left = balancer?.endpoints.length ?? 0; left > 0; left--) {
    other = balancer?.pick() ?? null;
    if (other !== endpoint) break;
  }
  return other;
}

function leaveUpstream(exchange: Exchange): void {
  if (exchange.upstream !== null) {
    exchange.upstream.abortRequest();
  } else if (exchange.state === STATE_CONNECTING) {
    exchange.endpoint?.transport.cancel(exchange);
  }
}

function finish(exchange: Exchange): void {
  if (exchange.state === STATE_ENDED) return;
  exchange.state = STATE_ENDED;
  exchange.endedMs = exchange.time.nowMs;
  const { chain } = exchange.route;
  if (exchange.attempts > 0) observe(exchange, chain.attemptEnd);
  observe(exchange, chain.end);
  exchange.upstream = null;
  exchange.downstream.release();
}

/** True when the phase is over; false when a filter replied or paused. */
function runSteps(exchange: Exchange, phase: number, steps: readonly Step[] | null, from: number): boolean {
  if (steps === null) return true;
  for (let i = from; i < steps.length; i++) {
    const verdict = (steps[i] as Step)(exchange);
    if (verdict === CONTINUE) continue;
    if (verdict === PAUSED) {
      exchange.pausedPhase = phase;
      exchange.pausedAt = i + 1;
    }
    return false;
  }
  return true;
}

function observe(exchange: Exchange, observers: readonly Observer[] | null): void {
  if (observers === null) return;
  for (let i = 0; i < observers.length; i++) (observers[i] as Observer)(exchange);
}

/** For codecs: whether the request may still be read into the exchange. */
export function acceptsRequestBody(exchange: Exchange): boolean {
  return exchange.state !== STATE_REQUEST && exchange.state !== STATE_CONNECTING;
}
