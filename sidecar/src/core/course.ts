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
import {
  beginAttempt,
  endAttempt,
  isRepeatable,
  keepForRepetition,
  mayGoElsewhere,
  mayReplay,
  NO_RETRY,
  pickOther,
  resendBody,
} from './attempts.ts';
import { observe, runSteps } from './chain.ts';
import {
  type Exchange,
  STATE_CONNECTING,
  STATE_ENDED,
  STATE_RESPONDING,
  STATE_SENT,
  type UpstreamStream,
} from './exchange.ts';
import { ExchangeDeadline } from './exchange-deadline.ts';
import { Failure, type FailureKind } from './failure.ts';
import { grpcTrailers, isGrpc, NO_GRPC_STATUS, readGrpcStatus } from './grpc.ts';
import { localReply } from './problem.ts';

const NEVER = Number.POSITIVE_INFINITY;

const PHASE_REQUEST_HEAD = 1;
const PHASE_PICK_ENDPOINT = 2;
const PHASE_ATTEMPT_HEAD = 3;

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

/** The exchange has to be over at a time, in monotonic milliseconds. The earliest that anybody asks for holds. */
export function limitExchange(exchange: Exchange, atMs: number): void {
  deadlineOf(exchange).limitExchange(atMs);
}

function limitAttempt(exchange: Exchange): void {
  const { attemptTimeoutMs } = exchange.route;
  if (attemptTimeoutMs !== NEVER) deadlineOf(exchange).limitAttempt(exchange.time.nowMs + attemptTimeoutMs);
}

function deadlineOf(exchange: Exchange): ExchangeDeadline {
  if (exchange.deadline === null) {
    exchange.deadline = new ExchangeDeadline(exchange, { onExchangeTimeout, onAttemptTimeout });
    exchange.time.deadlines.watch(exchange.deadline);
  }
  return exchange.deadline;
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
  keepForRepetition(exchange, bytes, start, end);
  exchange.upstream.sendRequestBody(bytes, start, end);
  if (exchange.upstream.congested) exchange.downstream.pauseRequest();
}

export function onRequestEnd(exchange: Exchange, trailers: Head | null): void {
  if (exchange.state === STATE_ENDED) return;
  exchange.requestComplete = true;
  exchange.requestEndMs = exchange.time.nowMs;
  if (trailers !== null) exchange.unrepeatable = true;
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
  exchange.attemptFailure = failure;
  exchange.attemptStatus = 0;
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
  exchange.attemptFailure = failure;
  exchange.attemptStatus = 0;
  if (stream !== null && failure === Failure.upstreamReset && mayReplay(exchange, stream))
    repeat(exchange, 0);
  else if (!retry(exchange)) reply(exchange, failure, detail);
}

/** For DeadlineActions. */
export function onExchangeTimeout(exchange: Exchange): void {
  reply(exchange, Failure.deadlineExceeded);
}

export function onAttemptTimeout(exchange: Exchange): void {
  if (exchange.state !== STATE_CONNECTING && exchange.state !== STATE_SENT) return;
  exchange.attemptFailure = Failure.upstreamTimeout;
  exchange.attemptStatus = 0;
  if (retry(exchange)) return;
  reply(
    exchange,
    Failure.upstreamTimeout,
    `no response head within ${exchange.route.attemptTimeoutMs} ms of the attempt`,
  );
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
  exchange.endpoint ??= balancer.pick(exchange);
  connect(exchange);
}

/** Follows the route's policy for an attempt that ended. False when there will be no other. */
function retry(exchange: Exchange): boolean {
  const policy = exchange.route.retry;
  if (policy === null || !isRepeatable(exchange)) return false;
  const delayMs = policy.decide(exchange);
  if (delayMs === NO_RETRY) return false;
  repeat(exchange, delayMs);
  return true;
}

/** Leaves the attempt that ended, and begins another. */
function repeat(exchange: Exchange, delayMs: number): void {
  leaveUpstream(exchange);
  endAttempt(exchange);
  exchange.upstream = null;
  exchange.response = null;
  exchange.grpcStatus = NO_GRPC_STATUS;
  exchange.responseHeadMs = 0;
  exchange.state = STATE_CONNECTING;
  if (delayMs === 0) {
    connectElsewhere(exchange);
    return;
  }
  exchange.backoff = exchange.time.after(delayMs, () => {
    exchange.backoff = null;
    connectElsewhere(exchange);
  });
}

function connectElsewhere(exchange: Exchange): void {
  exchange.endpoint = pickOther(exchange);
  connect(exchange);
}

function connect(exchange: Exchange): void {
  exchange.attemptMs = exchange.time.nowMs;
  exchange.connectedMs = 0;
  if (exchange.attempts === 0) exchange.filteredMs = exchange.attemptMs;
  const { endpoint } = exchange;
  if (endpoint === null) {
    replyWithoutEndpoint(exchange);
    return;
  }
  exchange.state = STATE_CONNECTING;
  beginAttempt(exchange, endpoint);
  endpoint.transport.open(exchange);
}

function replyWithoutEndpoint(exchange: Exchange): void {
  const { balancer } = exchange.route;
  if (balancer === null || balancer.endpoints.length === 0) reply(exchange, Failure.noEndpoint);
  else reply(exchange, Failure.circuitOpen, balancer.explainNone());
}

function sendRequest(exchange: Exchange, from: number): void {
  if (!runSteps(exchange, PHASE_ATTEMPT_HEAD, exchange.route.chain.attemptHead, from)) return;
  const upstream = exchange.upstream as UpstreamStream;
  exchange.state = STATE_SENT;
  limitAttempt(exchange);
  upstream.sendRequestHead(exchange);
  resendBody(exchange, upstream);
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

function respond(exchange: Exchange, head: ResponseHead): void {
  exchange.deadline?.limitAttempt(NEVER);
  exchange.response = head;
  exchange.status = head.status;
  observe(exchange, exchange.route.chain.responseHead);
  exchange.state = STATE_RESPONDING;
  exchange.downstream.sendResponseHead(exchange);
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
  exchange.backoff?.cancel();
  exchange.kept = null;
  if (exchange.deadline !== null) exchange.time.deadlines.unwatch(exchange.deadline);
  const { chain } = exchange.route;
  endAttempt(exchange);
  observe(exchange, chain.end);
  exchange.upstream = null;
  exchange.downstream.release();
}
