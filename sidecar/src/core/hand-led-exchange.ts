/**
 * For tests of the course: an exchange between two sides that do nothing but note what they are told, so that a test can play both codecs
 * step by step.
 */

import { seededRandom } from '../../../test/seeded-random.ts';
import { RandomWords } from '../observe/random-words.ts';
import { BODY_LENGTH, BODY_NONE, RequestHead, ResponseHead } from '../protocol/head.ts';
import { scanRequestHead } from '../protocol/http1/request-head.ts';
import type { Balancer } from '../upstream/balancer.ts';
import { createBalancer } from '../upstream/balancing/create-balancer.ts';
import type { UpstreamTransport } from '../upstream/endpoint.ts';
import { EndpointGroup } from '../upstream/endpoint-group.ts';
import { DEFAULT_TRAFFIC } from '../upstream/traffic-policy.ts';
import type { HedgePolicy, RetryPolicy } from './attempts.ts';
import { compileChain } from './chain.ts';
import { Deadlines } from './deadlines.ts';
import { type DownstreamStream, type EventTime, Exchange, type UpstreamStream } from './exchange.ts';
import { Failure } from './failure.ts';
import type { Filter } from './filter.ts';
import { ManualClock } from './manual-clock.fixture.ts';
import type { Route } from './route.ts';

export const BODY = Buffer.from('abc');
const TIMEOUTS = { headMs: 1_000, bodyIdleMs: 1_000, idleMs: 1_000, connectMs: 1_000, upstreamMs: 1_000 };

export interface Stage {
  readonly exchange: Exchange;
  readonly downstream: DownstreamStream & { congested: boolean };
  /** What both sides were told, and `end` when the exchange was observed, in order. */
  readonly events: string[];
  /** The transport was asked for a connection and has not answered. */
  opening: boolean;
  /** For whom it was asked, in order. */
  readonly opened: Exchange[];
  /** The one connected last. */
  stream: UpstreamStream | null;
  /** The connection that the transport was asked for, to be handed to `onUpstreamReady`. */
  connect(reused?: boolean): UpstreamStream & { congested: boolean };
}

export interface StageOptions {
  readonly requestLine?: string;
  /** The request has a body, which has not arrived. */
  readonly body?: boolean;
  readonly routed?: boolean;
  readonly endpoints?: number;
  /** Field lines beside Host. */
  readonly fields?: readonly string[];
  readonly takesTrailers?: boolean;
  readonly clock?: ManualClock;
  /** Shared with another stage. */
  readonly time?: EventTime;
  readonly retry?: RetryPolicy;
  readonly hedge?: HedgePolicy;
  readonly attemptTimeoutMs?: number;
  readonly peerIdentity?: string;
}

export function setStage(filters: readonly Filter[], options: StageOptions = {}): Stage {
  const { requestLine = 'GET / HTTP/1.1', body = false, routed = true, endpoints = 1 } = options;
  const { fields = [], takesTrailers = false, clock = new ManualClock(0) } = options;
  const {
    peerIdentity = '',
    retry = null,
    hedge = null,
    attemptTimeoutMs = Number.POSITIVE_INFINITY,
  } = options;
  const events: string[] = [];
  const transport: UpstreamTransport = {
    open: (asking) => {
      stage.opening = true;
      stage.opened.push(asking);
      events.push('open');
    },
    cancel: () => {
      stage.opening = false;
      events.push('cancel');
    },
    retireConnections: () => {},
    close: () => {},
    counts: { open: 0, idle: 0, waiting: 0 },
  };
  const route: Route = {
    name: 'http',
    direction: 'inbound',
    service: 'orders',
    trustsPeer: true,
    rule: '',
    unreachable: Failure.noRoute,
    balancer: routed ? balance(transport, endpoints) : null,
    chain: compileChain([...filters, { name: 'witness', onEnd: () => void events.push('end') }]),
    timeouts: TIMEOUTS,
    requestTimeoutMs: Number.POSITIVE_INFINITY,
    attemptTimeoutMs,
    retry,
    hedge,
  };
  const downstream = noteDownstream(events, takesTrailers);
  const request = readRequest(requestLine, body, fields);
  const time = options.time ?? {
    get nowMs(): number {
      return clock.monotonicMs() + 1;
    },
    deadlines: new Deadlines(clock),
    after: (delayMs: number, action: () => void) => clock.setTimer(action, delayMs),
    handle: (action: () => void) => action(),
  };
  const exchange = new Exchange(route, downstream, request, time, peerIdentity, '10.0.0.9', 1);
  exchange.requestComplete = !body;
  const stage: Stage = {
    exchange,
    downstream,
    events,
    opening: false,
    opened: [],
    stream: null,
    connect(reused = false) {
      const stream = noteUpstream(events, reused);
      stage.opening = false;
      stage.stream = stream;
      return stream;
    },
  };
  return stage;
}

function ignore(): void {}

function balance(transport: UpstreamTransport, count: number): Balancer {
  const group = new EndpointGroup('orders', {
    observer: { onEjection: ignore, onReturn: ignore, onHealthChange: ignore },
    random: () => 0,
  });
  const addresses = Array.from({ length: count }, (_, i) => `127.0.0.1:${8080 + i}`);
  group.follow(addresses, DEFAULT_TRAFFIC, 0);
  const endpoints = addresses.map((address) => ({
    ...{ address, weight: 1, zone: '', transport },
    record: group.recordOf(address),
  }));
  const random = new RandomWords(seededRandom(1));
  return createBalancer(group, endpoints, DEFAULT_TRAFFIC.loadBalancer, {
    random,
    zone: '',
    keepTable: (_, create) => create(),
  });
}

export function answer(status = 200): ResponseHead {
  const head = new ResponseHead();
  head.status = status;
  return head;
}

function readRequest(requestLine: string, body: boolean, fields: readonly string[]): RequestHead {
  const framing = body ? [`content-length: ${BODY.length}`] : [];
  const raw = Buffer.from([requestLine, 'host: a', ...fields, ...framing, '', ''].join('\r\n'), 'latin1');
  const request = new RequestHead();
  const expected = body ? BODY_LENGTH : BODY_NONE;
  if (scanRequestHead(request, raw, 0, raw.length) !== raw.length || request.bodyKind !== expected) {
    throw new Error(`not the request that was meant: ${requestLine}`);
  }
  return request;
}

function noteDownstream(events: string[], takesTrailers: boolean): Stage['downstream'] {
  return {
    congested: false,
    takesTrailers,
    sendInterim: () => void events.push('interim'),
    sendResponseHead: ({ status }) => void events.push(`head ${status}`),
    sendResponseBody: () => void events.push('body'),
    endResponse: (trailers) =>
      void events.push(trailers === null ? 'response end' : 'response end with trailers'),
    abortResponse: () => void events.push('abort response'),
    pauseRequest: () => void events.push('pause request'),
    resumeRequest: () => void events.push('resume request'),
    release: () => void events.push('release'),
  };
}

function noteUpstream(events: string[], reused: boolean): ReturnType<Stage['connect']> {
  return {
    congested: false,
    identity: '',
    setupMs: 0,
    tlsMs: 0,
    reused,
    unprocessed: false,
    sendRequestHead: () => void events.push('upstream head'),
    sendRequestBody: () => void events.push('upstream body'),
    endRequest: () => void events.push('upstream end'),
    abortRequest: () => void events.push('abort upstream'),
    pauseResponse: () => void events.push('pause response'),
    resumeResponse: () => void events.push('resume response'),
  };
}
