/**
 * What is counted of the exchanges of one route: bound to the route when it is compiled, only added to from then on.
 *
 * Invariants: the combinations of method, status, failure and peer that have series of their own are bounded, for the route and for the
 * sidecar; every further one is counted in the overflow series, which is marked as such in the exposition. So sums stay right.
 */
import type { Exchange } from '../core/exchange.ts';
import { FAILURES } from '../core/failure.ts';
import type { Direction } from '../core/route.ts';
import { Histogram } from './histogram.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { samplesOfOne } from './metric.ts';
import { PeerSeries } from './peer-series.ts';
import { PHASES, phasesOf } from './phases.ts';
import { HTTP_SERVER_REQUEST_DURATION } from './request-exposition.ts';
import { METHODS, methodIndex } from './request-line.ts';
import { RpcSeries } from './rpc-series.ts';
import { OVERFLOW, SeriesBudget } from './series-budget.ts';

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

/** The same for both directions. */
const SAMPLES = samplesOfOne(HTTP_SERVER_REQUEST_DURATION);
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
  readonly rpc: RpcSeries;
  readonly peers: PeerSeries;
  private readonly requests = new Map<number, RequestSeries>();
  private readonly budget: SeriesBudget;
  private readonly identities = new Map<string, number>();
  private lastIdentity = '';
  private lastIdentityIndex = 0;
  private lastKey = -1;
  private last: RequestSeries | null = null;
  private overflow: RequestSeries | null = null;

  constructor(
    direction: Direction,
    route: string,
    rule: string,
    budget: SeriesBudget,
    peerBudget: SeriesBudget,
  ) {
    this.direction = direction;
    this.route = route;
    this.rule = rule;
    this.budget = new SeriesBudget(OBSERVE_LIMITS.metricCombinationsPerRoute * SAMPLES, budget);
    this.rpc = new RpcSeries(this.budget);
    this.peers = new PeerSeries(peerBudget);
  }

  observe(exchange: Exchange): void {
    const { failure, request, status } = exchange;
    this.ended[failure.code] = (this.ended[failure.code] as number) + 1;
    this.requestBytes += exchange.requestBytes;
    this.responseBytes += exchange.responseBytes;
    this.attempts += exchange.attempts;
    this.addPhases(exchange);
    this.peers.count(exchange, this.peerOf(exchange));
    if (exchange.isGrpc) this.rpc.observe(exchange);
    const method = methodIndex(request);
    const identity = this.identityOf(exchange);
    const index = identity === this.lastIdentity ? this.lastIdentityIndex : this.findIdentity(identity);
    const key = ((index * METHODS.length + method) * MAX_FAILURES + failure.code) * STATUSES + status;
    const series =
      key === this.lastKey ? (this.last as RequestSeries) : this.find(key, method, status, failure.code);
    const durationMs = exchange.endedMs - exchange.startedMs;
    series.duration.observe(durationMs);
    // Only of what is exported: an exemplar that leads nowhere is worth nothing.
    if (exchange.sampled || exchange.retained > 0) series.duration.addExemplar(durationMs, exchange);
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

  /** Who stands on the other side; empty when it proved no identity. */
  private identityOf({ peerIdentity, upstream }: Exchange): string {
    return this.direction === 'inbound' ? peerIdentity : (upstream?.identity ?? '');
  }

  /** The same as it is known before anything is proved: who calls can only be proved, who is called is what config says. */
  private peerOf({ peerIdentity, backend }: Exchange): string {
    return this.direction === 'inbound' ? peerIdentity : (backend?.name ?? this.route);
  }

  private findIdentity(identity: string): number {
    const { identities } = this;
    let index = identity === '' ? 0 : identities.get(identity);
    if (index === undefined) {
      if (identities.size < OBSERVE_LIMITS.metricPeers) identities.set(identity, identities.size + 1);
      index = identities.get(identity) ?? OBSERVE_LIMITS.metricPeers + 1;
    }
    this.lastIdentity = identity;
    this.lastIdentityIndex = index;
    return index;
  }

  private find(key: number, method: number, status: number, failure: number): RequestSeries {
    const series = this.requests.get(key) ?? this.create(key, method, status, failure);
    this.lastKey = key;
    this.last = series;
    return series;
  }

  private create(key: number, method: number, status: number, failure: number): RequestSeries {
    if (!this.budget.take(SAMPLES)) {
      this.overflow ??= new RequestSeries(0, 0, 0, '', true);
      return this.overflow;
    }
    const peer = this.lastIdentityIndex > OBSERVE_LIMITS.metricPeers ? OVERFLOW : this.lastIdentity;
    const series = new RequestSeries(method, status, failure, peer, false);
    this.requests.set(key, series);
    return series;
  }

  /** Exchanges that were counted in the overflow. */
  get overflowed(): number {
    return this.overflow?.duration.count ?? 0;
  }

  /** All request series, the overflow included. */
  *durations(): Iterable<RequestSeries> {
    yield* this.requests.values();
    if (this.overflow !== null) yield this.overflow;
  }
}
