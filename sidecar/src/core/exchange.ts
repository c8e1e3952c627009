/**
 * One request and its response on their way through the sidecar: everything that filters, codecs and observers know about it.
 *
 * Invariants
 * - Every field is declared and initialised here, in this order and with one type, so that all exchanges share one hidden class.
 * - An exchange keeps the route (and with it the config snapshot) it began with.
 * - Only core/course.ts, moves.ts and attempts.ts change `state`, `upstream`, `failure`, `status` and the times.
 * - The heads belong to the connections; they are valid until `onEnd` has run, and not after.
 */
import type { AccessOutcome } from '../filters/access/outcome.ts';
import type { TokenRefusal } from '../filters/jwt/refusal.ts';
import type { VerifiedToken } from '../filters/jwt/verified-token.ts';
import type { RateLimitOutcome } from '../filters/rate-limit/outcome.ts';
import type { WafOutcome } from '../filters/waf/outcome.ts';
import type { Head, RequestHead, ResponseHead } from '../protocol/head.ts';
import type { Backend } from '../routing/backend.ts';
import type { Balancer } from '../upstream/balancer.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import type { Hedge } from './attempts.ts';
import type { BodyGate } from './body-gate.ts';
import type { Timer } from './clock.ts';
import type { Deadlines, Watched } from './deadlines.ts';
import type { ExchangeDeadline } from './exchange-deadline.ts';
import { Failure, type FailureKind } from './failure.ts';
import type { PolicyDecision } from './policy-decision.ts';
import type { Route } from './route.ts';
import type { Waits } from './waits.ts';

/** The side that a response is written to: implemented by a server codec. Bytes are consumed before a call returns. */
export interface DownstreamStream {
  sendInterim(head: ResponseHead): void;
  /** Sends `exchange.response`; its body follows. */
  sendResponseHead(exchange: Exchange): void;
  sendResponseBody(bytes: Uint8Array, start: number, end: number): void;
  endResponse(trailers: Head | null): void;
  /** Makes it visible that the response will never be complete. */
  abortResponse(): void;
  pauseRequest(): void;
  /** The request body may be read on: its upstream is there, or has room again. */
  resumeRequest(): void;
  /** The exchange was observed and is over; the stream may serve another. */
  release(): void;
  /** More waits to be sent than one connection should hold. */
  readonly congested: boolean;
  /** Whether trailers reach the peer, whatever head they follow. */
  readonly takesTrailers: boolean;
}

/** One attempt at an endpoint: implemented by a client codec. Bytes are consumed before a call returns. */
export interface UpstreamStream {
  sendRequestHead(exchange: Exchange): void;
  sendRequestBody(bytes: Uint8Array, start: number, end: number): void;
  endRequest(trailers: Head | null): void;
  /** Nobody waits for the response any more. */
  abortRequest(): void;
  pauseResponse(): void;
  resumeResponse(): void;
  readonly congested: boolean;
  /** SPIFFE id that the peer proved by mTLS; empty without mTLS. */
  readonly identity: string;
  /** What setting the connection up for this exchange took, in milliseconds; 0 on a connection that was there. */
  readonly setupMs: number;
  /** Of `setupMs`, what the handshake of TLS took. */
  readonly tlsMs: number;
  /** The connection has carried an exchange before, and may have been closed by the peer since. */
  readonly reused: boolean;
  /** The attempt failed, and the peer has said that it did nothing for it. */
  readonly unprocessed: boolean;
}

/** Is told of the body of a request as it is sent. Bytes are valid until a call returns. */
export interface RequestTap {
  onRequestBody(bytes: Uint8Array, start: number, end: number): void;
  /** The request is complete. */
  onRequestEnd(): void;
}

/** The event that is being handled. */
export interface EventTime {
  /** Its time, in monotonic milliseconds. */
  readonly nowMs: number;
  /** For who needs an event at a later time. */
  readonly deadlines: Deadlines;
  /** Calls `action` once as an event of its own, to the millisecond; `deadlines` are coarser and cost less. */
  after(delayMs: number, action: () => void): Timer;
  /** Calls `action` at once as an event of its own, for what neither a connection nor a timer brought. */
  handle(action: () => void): void;
}

/** Filters are at work on the request head. */
export const STATE_REQUEST = 0;
/** Waiting for a connection to the endpoint. */
export const STATE_CONNECTING = 1;
/** The request head is sent. */
export const STATE_SENT = 2;
/** The response head is sent downstream. */
export const STATE_RESPONDING = 3;
export const STATE_ENDED = 4;

/** Shared by all exchanges with one attempt, which are most. */
const NONE_TRIED: readonly Endpoint[] = Object.freeze([]);
const NONE_DECIDED: readonly PolicyDecision[] = Object.freeze([]);

export class Exchange {
  readonly route: Route;
  readonly downstream: DownstreamStream;
  readonly request: RequestHead;
  readonly time: EventTime;
  /** Null until a response head is parsed or a local reply is made. */
  response: ResponseHead | null = null;
  /** SPIFFE id that the downstream peer proved by mTLS; empty without mTLS. */
  readonly peerIdentity: string;
  readonly peerAddress: string;

  state = STATE_REQUEST;
  /** The request, body and all, has arrived. */
  requestComplete = false;
  responseComplete = false;
  failure: FailureKind = Failure.none;
  /** What exactly went wrong, for people; empty when the failure says it all. */
  failureDetail = '';
  /** The sidecar itself made the response. */
  replied = false;
  /** Status sent downstream; 0 while there is none. */
  status = 0;
  /** The caller speaks gRPC. */
  isGrpc = false;
  /** How the call ended, as gRPC says it; -1 while that is not known. */
  grpcStatus = -1;

  /** What endpoints are chosen by: that of the route, or of the backend that a rule chose. */
  balancer: Balancer | null;
  /** Which of the backends of a rule the request is for; null where there are none. */
  backend: Backend | null = null;
  endpoint: Endpoint | null = null;
  /** Endpoints of earlier attempts, which balancers avoid. */
  tried: readonly Endpoint[] = NONE_TRIED;
  upstream: UpstreamStream | null = null;
  /** Attempts begun. */
  attempts = 0;
  /** When the attempt began. */
  attemptMs = 0;
  /** An attempt is under way, and counted in the record of its endpoint. */
  attempting = false;
  /** How the last attempt ended, for those who observe its end: why it failed, and what status the endpoint gave; 0 for none. */
  attemptFailure: FailureKind = Failure.none;
  attemptStatus = 0;
  /** Body bytes kept for another attempt; null while there are none. */
  kept: Buffer[] | null = null;
  keptBytes = 0;
  /** Shows the body to a filter, which may hold the request until then; null where nobody wants to see it. */
  gate: BodyGate | null = null;
  /** The request can't be sent again: its body was too long to keep, or had trailers. */
  unrepeatable = false;
  /** A second attempt beside the first; null while there is none. */
  hedge: Hedge | null = null;
  /** Waits to begin the next attempt. */
  backoff: Timer | null = null;

  /** Where the request id lies in `request.bytes`; both 0 while there is none. */
  requestIdStart = 0;
  requestIdEnd = 0;
  /** W3C trace context as signed 32-bit words, big-endian, so that they stay small integers: trace id, own span, parent span. */
  traceId0 = 0;
  traceId1 = 0;
  traceId2 = 0;
  traceId3 = 0;
  spanId0 = 0;
  spanId1 = 0;
  parentId0 = 0;
  parentId1 = 0;
  hasParent = false;
  /** The mesh sees the trace here for the first time. */
  isEntry = false;
  sampled = false;
  /** Why the trace is kept although it was not sampled (observe/retention): above 0 when it is. */
  retained = 0;
  /** Whoever made the trace id says that its last seven bytes are random (Trace Context level 2). */
  randomTraceId = false;

  /** Body bytes, framing not counted. */
  requestBytes = 0;
  responseBytes = 0;

  /** Monotonic milliseconds; 0 where a point was not reached. In the order in which they are passed. */
  readonly startedMs: number;
  headMs = 0;
  filteredMs = 0;
  connectedMs = 0;
  requestEndMs = 0;
  responseHeadMs = 0;
  endedMs = 0;
  /** Of the time between `filteredMs` and `connectedMs`, what connection set-up took. */
  connectMs = 0;
  /** What most exchanges never wait for; null while nothing was. */
  waits: Waits | null = null;

  /** When the exchange and its attempt have to be over; null when nothing says so. */
  deadline: ExchangeDeadline | null = null;

  /** What the caller's bearer token claims, verified; null without a good one. */
  token: VerifiedToken | null = null;
  /** Why the caller's bearer token was refused; null where it was not. */
  tokenRefusal: TokenRefusal | null = null;
  /** What an access policy decided; null where there is none. */
  access: AccessOutcome | null = null;
  /** What a WAF policy found, or why it refuses; null when there is nothing to tell. */
  waf: WafOutcome | null = null;
  /** What policies decided: what they refused, and all else where it is audited. */
  decisions: readonly PolicyDecision[] = NONE_DECIDED;
  /** What policies in shadow mode would have done, for log and span; empty when nothing. */
  shadow = '';
  /** Ends the delay that a fault policy imposes; null when there is none. */
  faultDelay: Watched | null = null;
  /** A concurrency limit let it in, at this monotonic time. */
  admitted = false;
  admittedMs = 0;
  /** What rate limits tell the caller with the response; null when they have nothing to tell. */
  rateLimit: RateLimitOutcome | null = null;

  /** Follows the body of the request for those who send it elsewhere, too; null when nobody does. */
  requestTap: RequestTap | null = null;

  /** Where a filter paused, so that `resume` goes on behind it. */
  pausedPhase = 0;
  pausedAt = 0;

  constructor(
    route: Route,
    downstream: DownstreamStream,
    request: RequestHead,
    time: EventTime,
    peerIdentity: string,
    peerAddress: string,
    startedMs: number,
  ) {
    this.route = route;
    this.balancer = route.balancer;
    this.downstream = downstream;
    this.request = request;
    this.time = time;
    this.peerIdentity = peerIdentity;
    this.peerAddress = peerAddress;
    this.startedMs = startedMs;
  }

  noteDecision(decision: PolicyDecision): void {
    this.decisions = this.decisions === NONE_DECIDED ? [decision] : [...this.decisions, decision];
    if (decision.shadow) this.noteShadow(decision.label);
  }

  /** A policy in shadow mode would have done something. */
  noteShadow(action: string): void {
    this.shadow = this.shadow === '' ? action : `${this.shadow},${action}`;
  }

  /** For the rare places that need it as text; bytes do on the request path. */
  get requestId(): string {
    return this.request.bytes.toString('latin1', this.requestIdStart, this.requestIdEnd);
  }
}

/** For codecs: whether the request may still be read into the exchange. */
export function acceptsRequestBody({ state, gate }: Exchange): boolean {
  if (state === STATE_REQUEST) return gate?.holding === true;
  return state !== STATE_CONNECTING;
}
