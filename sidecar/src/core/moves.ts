/**
 * The moves of an exchange: from its filters to an endpoint, from one attempt to the next, to its response and its one end. course.ts tells what
 * calls for them.
 *
 * Invariants
 * - Every exchange ends exactly once, through `finish`, and is observed there.
 * - A response that has begun is either completed or visibly cut off; a local reply only replaces one that has not begun.
 */
import type { ResponseHead } from '../protocol/head.ts';
import { beginAttempt, endAttempt, isRepeatable, NO_RETRY, pickOther, resendBody } from './attempts.ts';
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
import { grpcTrailers, NO_GRPC_STATUS } from './grpc.ts';
import { localReply } from './problem.ts';

const NEVER = Number.POSITIVE_INFINITY;

const PHASE_REQUEST_HEAD = 1;
const PHASE_PICK_ENDPOINT = 2;
const PHASE_ATTEMPT_HEAD = 3;

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
  answer(exchange, head, body);
}

/** Answers as a filter has it, which then returns REPLIED. The head says how long the body is. */
export function answer(exchange: Exchange, head: ResponseHead, body: Buffer): void {
  exchange.replied = true;
  respond(exchange, head);
  if (body.length > 0 && !exchange.request.isHead) exchange.downstream.sendResponseBody(body, 0, body.length);
  exchange.responseBytes += body.length;
  exchange.downstream.endResponse(null);
  finish(exchange);
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

/** For DeadlineActions. */
export function onExchangeTimeout(exchange: Exchange): void {
  reply(exchange, Failure.deadlineExceeded);
}

export function onAttemptTimeout(exchange: Exchange): void {
  if (exchange.state !== STATE_SENT || !exchange.attempting) return;
  const detail = `no response head within ${exchange.route.attemptTimeoutMs} ms of the attempt`;
  exchange.attemptFailure = Failure.upstreamTimeout;
  exchange.attemptStatus = 0;
  if (isTakenOver(exchange, Failure.upstreamTimeout, detail)) return;
  if (!retry(exchange)) reply(exchange, Failure.upstreamTimeout, detail);
}

export function runRequestHead(exchange: Exchange, from: number): void {
  if (runSteps(exchange, PHASE_REQUEST_HEAD, exchange.route.chain.requestHead, from))
    pickEndpoint(exchange, 0);
  // Behind the pause, since the body may be there already and is judged at once then.
  else if (exchange.gate?.holding) exchange.downstream.resumeRequest();
}

function pickEndpoint(exchange: Exchange, from: number): void {
  if (!runSteps(exchange, PHASE_PICK_ENDPOINT, exchange.route.chain.pickEndpoint, from)) return;
  const { balancer } = exchange;
  if (balancer === null) {
    replyWithoutRoute(exchange);
    return;
  }
  exchange.endpoint ??= balancer.pick(exchange);
  connect(exchange);
}

/** The attempt has failed, and another one runs beside it. */
export function isTakenOver(exchange: Exchange, failure: FailureKind, detail: string): boolean {
  if (exchange.hedge === null || !exchange.hedge.takesOver(failure, detail)) return false;
  leaveUpstream(exchange);
  endAttempt(exchange);
  exchange.upstream = null;
  exchange.deadline?.limitAttempt(NEVER);
  exchange.state = STATE_SENT;
  return true;
}

/** Follows the route's policy for an attempt that ended. False when there will be no other. */
export function retry(exchange: Exchange): boolean {
  const policy = exchange.route.retry;
  if (policy === null || !isRepeatable(exchange)) return false;
  const delayMs = policy.decide(exchange);
  if (delayMs === NO_RETRY) return false;
  repeat(exchange, delayMs);
  return true;
}

/** Leaves the attempt that ended, and begins another. */
export function repeat(exchange: Exchange, delayMs: number): void {
  endHedge(exchange);
  leaveUpstream(exchange);
  endAttempt(exchange);
  exchange.upstream = null;
  exchange.response = null;
  exchange.grpcStatus = NO_GRPC_STATUS;
  exchange.responseHeadMs = 0;
  exchange.state = STATE_CONNECTING;
  // It was the time of the attempt that ended.
  exchange.deadline?.limitAttempt(NEVER);
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

export function connect(exchange: Exchange): void {
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

function replyWithoutRoute(exchange: Exchange): void {
  const { unreachable } = exchange.route;
  const detail = unreachable === Failure.noRoute ? `no service for host '${exchange.request.authority}'` : '';
  reply(exchange, unreachable, detail);
}

function replyWithoutEndpoint(exchange: Exchange): void {
  const { balancer } = exchange;
  if (balancer === null || balancer.endpoints.length === 0) reply(exchange, Failure.noEndpoint);
  else reply(exchange, Failure.circuitOpen, balancer.explainNone());
}

export function sendRequest(exchange: Exchange, from: number): void {
  if (!runSteps(exchange, PHASE_ATTEMPT_HEAD, exchange.route.chain.attemptHead, from)) return;
  const upstream = exchange.upstream as UpstreamStream;
  exchange.state = STATE_SENT;
  limitAttempt(exchange);
  upstream.sendRequestHead(exchange);
  resendBody(exchange, upstream);
  exchange.gate?.onSent(upstream.congested);
  if (exchange.requestComplete) upstream.endRequest(exchange.gate === null ? null : exchange.gate.trailers);
  else exchange.downstream.resumeRequest();
  if (exchange.attempts === 1) exchange.route.hedge?.watch(exchange);
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

export function respond(exchange: Exchange, head: ResponseHead): void {
  endHedge(exchange);
  exchange.gate?.onResponse();
  exchange.deadline?.limitAttempt(NEVER);
  exchange.response = head;
  exchange.status = head.status;
  observe(exchange, exchange.route.chain.responseHead);
  exchange.state = STATE_RESPONDING;
  exchange.downstream.sendResponseHead(exchange);
}

function endHedge(exchange: Exchange): void {
  const { hedge } = exchange;
  exchange.hedge = null;
  hedge?.end();
}

export function leaveUpstream(exchange: Exchange): void {
  if (exchange.upstream !== null) {
    exchange.upstream.abortRequest();
  } else if (exchange.state === STATE_CONNECTING) {
    exchange.endpoint?.transport.cancel(exchange);
  }
}

export function finish(exchange: Exchange): void {
  if (exchange.state === STATE_ENDED) return;
  exchange.state = STATE_ENDED;
  exchange.endedMs = exchange.time.nowMs;
  exchange.backoff?.cancel();
  exchange.gate?.letGo();
  exchange.kept = null;
  endHedge(exchange);
  if (exchange.deadline !== null) exchange.time.deadlines.unwatch(exchange.deadline);
  const { chain } = exchange.route;
  endAttempt(exchange);
  observe(exchange, chain.end);
  exchange.upstream = null;
  exchange.downstream.release();
}
