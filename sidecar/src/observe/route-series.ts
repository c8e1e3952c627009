/**
 * What is counted of the exchanges of one route: bound to the route when it is compiled, only added to from then on.
 *
 * Invariants: the combinations of method, status, failure and peer that have series of their own are bounded, for the route and for the
 * sidecar; every further one is counted in the overflow series, which is marked as such in the exposition. So sums stay right.
 */
import type { Exchange } from '../core/exchange.ts';
import { FAILURES } from '../core/failure.ts';
import type { Direction } from '../core/route.ts';
import { hexText } from './hex.ts';
import { type Exemplar, Histogram } from './histogram.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { PHASES, phasesOf } from './phases.ts';
import { METHODS, methodIndex } from './request-line.ts';
import { RpcSeries } from './rpc-series.ts';

/** Label value of whatever has no value of its own. */
export const OVERFLOW = '_OTHER';

/** Durations of the exchanges that agree in method, status, failure and peer. */
export class RequestSeries {
  readonly method: number;
  readonly status: number;
  readonly failure: number;
  readonly peer: string;
  readonly overflow: boolean;
  readonly duration = new Histogram();

  constructor(method: number, status: number, failure: number, peer: string, overflow: boolean) {
    this.method = method;
    this.status = status;
    this.failure = failure;
    this.peer = peer;
    this.overflow = overflow;
  }
}

/** How many request series there may still be: shared by all routes. */
export interface SeriesBudget {
  left: number;
}

const STATUSES = 1_024;
const MAX_FAILURES = 256;
if (FAILURES.length > MAX_FAILURES)
  throw new Error('route-series: keys have too little room for all failures');

export class RouteSeries {
  readonly direction: Direction;
  readonly route: string;
  readonly rule: string;
  active = 0;
  /** Indexed by failure code. */
  readonly ended = new Float64Array(FAILURES.length);
  requestBytes = 0;
  responseBytes = 0;
  attempts = 0;
  /** Milliseconds spent in each phase. */
  readonly phasesMs = new Float64Array(PHASES.length);
  readonly rpc = new RpcSeries();
  private readonly requests = new Map<number, RequestSeries>();
  private readonly budget: SeriesBudget;
  private readonly peers = new Map<string, number>();
  private lastPeer = '';
  private lastPeerIndex = 0;
  private lastKey = -1;
  private last: RequestSeries | null = null;
  private overflow: RequestSeries | null = null;

  constructor(direction: Direction, route: string, rule: string, budget: SeriesBudget) {
    this.direction = direction;
    this.route = route;
    this.rule = rule;
    this.budget = budget;
  }

  /** `peer` is who stands on the other side, empty when it proved no identity. */
  observe(exchange: Exchange, peer: string): void {
    const { failure, request, status } = exchange;
    this.ended[failure.code] = (this.ended[failure.code] as number) + 1;
    this.requestBytes += exchange.requestBytes;
    this.responseBytes += exchange.responseBytes;
    this.attempts += exchange.attempts;
    this.addPhases(exchange);
    if (exchange.isGrpc) this.rpc.observe(exchange);
    const method = methodIndex(request);
    const peerIndex = peer === this.lastPeer ? this.lastPeerIndex : this.findPeer(peer);
    const key = ((peerIndex * METHODS.length + method) * MAX_FAILURES + failure.code) * STATUSES + status;
    const series =
      key === this.lastKey ? (this.last as RequestSeries) : this.find(key, method, status, failure.code);
    const durationMs = exchange.endedMs - exchange.startedMs;
    series.duration.observe(durationMs);
    if (exchange.sampled || exchange.retained > 0)
      series.duration.addExemplar(exemplarOf(exchange, durationMs));
  }

  private addPhases(exchange: Exchange): void {
    const { phasesMs } = this;
    const spentMs = phasesOf(exchange);
    for (let i = 0; i < phasesMs.length; i++) {
      const ms = spentMs[i] as number;
      // Not reached is below 0.
      if (ms > 0) phasesMs[i] = (phasesMs[i] as number) + ms;
    }
  }

  private findPeer(peer: string): number {
    let index = peer === '' ? 0 : this.peers.get(peer);
    if (index === undefined) {
      if (this.peers.size < OBSERVE_LIMITS.metricPeers) this.peers.set(peer, this.peers.size + 1);
      index = this.peers.get(peer) ?? OBSERVE_LIMITS.metricPeers + 1;
    }
    this.lastPeer = peer;
    this.lastPeerIndex = index;
    return index;
  }

  private find(key: number, method: number, status: number, failure: number): RequestSeries {
    const series = this.requests.get(key) ?? this.create(key, method, status, failure);
    this.lastKey = key;
    this.last = series;
    return series;
  }

  private create(key: number, method: number, status: number, failure: number): RequestSeries {
    if (this.requests.size >= OBSERVE_LIMITS.metricRequestSeriesPerRoute || this.budget.left === 0) {
      this.overflow ??= new RequestSeries(0, 0, 0, '', true);
      return this.overflow;
    }
    this.budget.left--;
    const peer = this.lastPeerIndex > OBSERVE_LIMITS.metricPeers ? OVERFLOW : this.lastPeer;
    const series = new RequestSeries(method, status, failure, peer, false);
    this.requests.set(key, series);
    return series;
  }

  /** All request series, the overflow included. */
  *durations(): Iterable<RequestSeries> {
    yield* this.requests.values();
    if (this.overflow !== null) yield this.overflow;
  }
}

/** Only of what is exported: an exemplar that leads nowhere is worth nothing. */
function exemplarOf(exchange: Exchange, durationMs: number): Exemplar {
  const { traceId0, traceId1, traceId2, traceId3 } = exchange;
  const traceId = [traceId0, traceId1, traceId2, traceId3].map(hexText).join('');
  return { durationMs, atMs: Date.now(), traceId };
}
