/**
 * For tests: sends a raw request through a chain to a scripted upstream and tells what came out on both sides. Heads are scanned by the
 * real codec and led by the real course; only sockets and time are made by hand.
 *
 * Invariant: everything happens within one call; time passes in steps of STEP_MS.
 */
import type { Chain } from '../core/chain.ts';
import { systemClock } from '../core/clock.ts';
import {
  begin,
  beginUnreadable,
  onRequestBody,
  onRequestEnd,
  onResponseBody,
  onResponseEnd,
  onResponseHead,
  onUpstreamReady,
  onUpstreamUnavailable,
  reply,
} from '../core/course.ts';
import { Deadlines } from '../core/deadlines.ts';
import { type DownstreamStream, Exchange, type UpstreamStream } from '../core/exchange.ts';
import { FAILURES, Failure, type FailureKind } from '../core/failure.ts';
import type { Direction, Route } from '../core/route.ts';
import { BODY_NONE, type Head, RequestHead, ResponseHead } from '../protocol/head.ts';
import { scanRequestHead } from '../protocol/http1/request-head.ts';
import { scanResponseHead } from '../protocol/http1/response-head.ts';
import { SoleEndpoint } from '../upstream/balancer.ts';
import { loneEndpoint } from '../upstream/lone-endpoint.ts';

const systemClockAfter = (delayMs: number, action: () => void) => systemClock.setTimer(action, delayMs);

export const STEP_MS = 2;
export const ENDPOINT = '127.0.0.1:8080';
const TIMEOUTS = { headMs: 1_000, bodyIdleMs: 1_000, idleMs: 1_000, connectMs: 1_000, upstreamMs: 1_000 };

export interface Journey {
  readonly chain: Chain;
  readonly direction?: Direction;
  readonly route?: string;
  /** Field lines of the request, each `name: value`. */
  readonly fields?: readonly string[];
  /** `GET / HTTP/1.1` unless said. */
  readonly requestLine?: string;
  readonly requestBody?: string;
  readonly peerIdentity?: string;
  readonly peerAddress?: string;
  readonly upstreamIdentity?: string;
  /** Field lines of the response. */
  readonly answerFields?: readonly string[];
  readonly answerStatus?: number;
  readonly answerBody?: string;
  /** How long the upstream takes for its response head; STEP_MS unless said. */
  readonly answerMs?: number;
  /** The upstream can't be reached. */
  readonly unavailable?: FailureKind;
  readonly detail?: string;
  /** Monotonic. */
  readonly startedMs?: number;
}

export interface Arrival {
  readonly exchange: Exchange;
  /** Field lines that reached the upstream; null when none did. */
  readonly forwarded: readonly string[] | null;
  /** Field lines that reached the caller. */
  readonly returned: readonly string[];
  readonly body: string;
}

export function travel(journey: Journey): Arrival {
  const { requestLine = 'GET / HTTP/1.1', fields = ['host: a'], requestBody = '' } = journey;
  const raw = Buffer.from([requestLine, ...fields, '', ''].join('\r\n'), 'latin1');
  const time = {
    nowMs: journey.startedMs ?? 1_000,
    deadlines: new Deadlines(systemClock),
    after: systemClockAfter,
    handle: (action: () => void) => action(),
  };
  const caller = new Caller();
  const upstream = new ScriptedUpstream(journey, time);
  const request = new RequestHead();
  const scanned = scanRequestHead(request, raw, 0, raw.length);
  // As the server codec does when it can't go on.
  if (scanned < 0 && !request.adopted) request.reset();
  const exchange = new Exchange(
    routeOf(journey, upstream),
    caller,
    request,
    time,
    journey.peerIdentity ?? '',
    journey.peerAddress ?? '10.0.0.9',
    time.nowMs,
  );
  time.nowMs += STEP_MS;
  if (scanned < 0) {
    exchange.requestComplete = true;
    beginUnreadable(exchange);
    reply(exchange, FAILURES[-scanned] as FailureKind);
  } else {
    exchange.requestComplete = request.bodyKind === BODY_NONE;
    begin(exchange);
    if (request.bodyKind !== BODY_NONE) sendBody(exchange, requestBody);
  }
  return { exchange, forwarded: upstream.forwarded, returned: caller.fields, body: caller.body };
}

/** Field lines as they are written out. */
function linesOf(head: Head): string[] {
  const lines: string[] = [];
  for (let row = 0; row < head.rows; row++) {
    if (head.dropped[row] === 0) {
      lines.push(head.bytes.toString('latin1', head.lineStart(row), head.lineStart(row + 1)).trimEnd());
    }
  }
  return lines;
}

function routeOf(
  { chain, direction = 'inbound', route = 'http' }: Journey,
  upstream: ScriptedUpstream,
): Route {
  return {
    name: route,
    direction,
    service: 'orders',
    trustsPeer: true,
    rule: '',
    unreachable: Failure.noRoute,
    balancer: new SoleEndpoint(loneEndpoint(ENDPOINT, upstream)),
    chain,
    timeouts: TIMEOUTS,
    requestTimeoutMs: Number.POSITIVE_INFINITY,
    attemptTimeoutMs: Number.POSITIVE_INFINITY,
    retry: null,
    hedge: null,
  };
}

function sendBody(exchange: Exchange, text: string): void {
  const bytes = Buffer.from(text);
  onRequestBody(exchange, bytes, 0, bytes.length);
  onRequestEnd(exchange, null);
}

class Caller implements DownstreamStream {
  readonly takesTrailers = false;
  readonly congested = false;
  fields: string[] = [];
  body = '';
  sendInterim(): void {}
  sendResponseHead({ response }: Exchange): void {
    this.fields = linesOf(response as ResponseHead);
  }
  sendResponseBody(bytes: Uint8Array, start: number, end: number): void {
    this.body += Buffer.from(bytes.subarray(start, end)).toString();
  }
  endResponse(): void {}
  abortResponse(): void {}
  pauseRequest(): void {}
  resumeRequest(): void {}
  release(): void {}
}

/** Transport and stream in one, since it serves one exchange. */
class ScriptedUpstream implements UpstreamStream {
  readonly congested = false;
  readonly reused = false;
  readonly unprocessed = false;
  readonly setupMs = STEP_MS / 2;
  readonly tlsMs = 0;
  readonly identity: string;
  readonly counts = { open: 1, idle: 0, waiting: 0 };
  forwarded: string[] | null = null;
  private readonly journey: Journey;
  private readonly time: { nowMs: number };
  private exchange: Exchange | null = null;

  constructor(journey: Journey, time: { nowMs: number }) {
    this.journey = journey;
    this.time = time;
    this.identity = journey.upstreamIdentity ?? '';
  }

  open(exchange: Exchange): void {
    this.time.nowMs += STEP_MS;
    const { unavailable, detail = '' } = this.journey;
    if (unavailable === undefined) onUpstreamReady(exchange, this);
    else onUpstreamUnavailable(exchange, unavailable, detail);
  }
  cancel(): void {}
  retireConnections(): void {}
  close(): void {}

  sendRequestHead(exchange: Exchange): void {
    this.exchange = exchange;
    this.forwarded = linesOf(exchange.request);
  }
  sendRequestBody(): void {}
  endRequest(): void {
    const exchange = this.exchange as Exchange;
    const { answerStatus = 200, answerFields = [], answerBody = '' } = this.journey;
    const body = Buffer.from(answerBody);
    const framing = `content-length: ${body.length}`;
    const raw = Buffer.from([`HTTP/1.1 ${answerStatus} x`, ...answerFields, framing, '', ''].join('\r\n'));
    const head = new ResponseHead();
    if (scanResponseHead(head, exchange.request, raw, 0, raw.length) <= 0)
      throw new Error('unreadable answer');
    this.time.nowMs += this.journey.answerMs ?? STEP_MS;
    onResponseHead(exchange, head);
    this.time.nowMs += STEP_MS;
    onResponseBody(exchange, body, 0, body.length);
    onResponseEnd(exchange, null);
  }
  abortRequest(): void {}
  pauseResponse(): void {}
  resumeResponse(): void {}
}
