/**
 * A second attempt beside one that takes unusually long; the first answer counts, and the other attempt is given up.
 *
 * Invariants
 * - Only safe requests without a body are sent twice (RFC 9110 section 9.2.1), to another endpoint, and within a budget.
 * - The second attempt is an exchange of its own: no filter sees it, nothing is logged or counted for it but here.
 * - A response reaches the caller from one attempt alone; when the first fails while the second runs, the second decides.
 *
 * Source: Dean and Barroso, The Tail at Scale, 2013.
 */
import type { Hedge, HedgePolicy } from '../../core/attempts.ts';
import { type Chain, compileChain } from '../../core/chain.ts';
import type { Timer } from '../../core/clock.ts';
import {
  adoptAttempt,
  beginHedged,
  failHedged,
  onDownstreamGone,
  onResponseBody,
  onResponseEnd,
  onUpstreamFailed,
} from '../../core/course.ts';
import { type DownstreamStream, Exchange, type UpstreamStream } from '../../core/exchange.ts';
import { Failure, type FailureKind } from '../../core/failure.ts';
import type { Route } from '../../core/route.ts';
import type { Head, ResponseHead } from '../../protocol/head.ts';
import type { Endpoint } from '../../upstream/endpoint.ts';
import { RetryBudget } from '../retry/budget.ts';
import type { HedgeSpec } from './config.ts';
import { LatencyQuantile } from './latency-quantile.ts';
import type { HedgeSeries } from './metrics.ts';

const PERCENT = 100;
const NO_FILTERS: Chain = compileChain([]);

export class Hedging implements HedgePolicy {
  private readonly spec: HedgeSpec;
  private readonly series: HedgeSeries;
  private readonly budget: RetryBudget;
  private readonly usual: LatencyQuantile;
  private outer: Route | null = null;
  private inner: Route | null = null;

  constructor(spec: HedgeSpec, series: HedgeSeries) {
    this.spec = spec;
    this.series = series;
    this.budget = new RetryBudget(spec.budget.percent / PERCENT, spec.budget.minPerSecond);
    this.usual = new LatencyQuantile(spec.percentile / PERCENT);
  }

  watch(exchange: Exchange): void {
    const { request, requestComplete, requestBytes, balancer } = exchange;
    if (!requestComplete || requestBytes > 0 || !request.isSafe || request.wantsUpgrade) return;
    this.budget.deposit(exchange.time.nowMs);
    const delayMs = Math.max(this.spec.minDelayMs, this.usual.ms);
    // Nothing is known yet, or there is nobody else to ask: only the latency is of interest.
    const timerMs = (balancer?.endpoints.length ?? 0) > 1 ? delayMs : Number.POSITIVE_INFINITY;
    exchange.hedge = new SecondAttempt(this, exchange, timerMs);
  }

  /** The first attempt had its answer. */
  onAnswer(exchange: Exchange): void {
    const { nowMs } = exchange.time;
    this.usual.observe(nowMs - exchange.attemptMs, nowMs);
  }

  /** Whether a second attempt may be made now. */
  allows(exchange: Exchange): boolean {
    const { results } = this.series;
    if (!this.budget.withdraw(exchange.time.nowMs)) {
      results.denied++;
      return false;
    }
    if (this.spec.mode === 'enforce') return true;
    results.shadow++;
    exchange.noteShadow('hedge');
    return false;
  }

  count(result: 'won' | 'lost' | 'failed'): void {
    this.series.results[result]++;
  }

  /** The route of second attempts: the same endpoints and times, and nothing that acts on a request. */
  routeOf({ route }: Exchange): Route {
    const never = Number.POSITIVE_INFINITY;
    const bare = {
      chain: NO_FILTERS,
      retry: null,
      hedge: null,
      requestTimeoutMs: never,
      attemptTimeoutMs: never,
    };
    if (this.inner === null || this.outer !== route) {
      this.outer = route;
      this.inner = Object.freeze({ ...route, ...bare });
    }
    return this.inner;
  }
}

/** What its exchange takes for the caller, and what the caller's exchange takes for the endpoint. */
class SecondAttempt implements Hedge, DownstreamStream, UpstreamStream {
  readonly takesTrailers = true;
  readonly unprocessed = false;
  private readonly policy: Hedging;
  private readonly first: Exchange;
  private timer: Timer | null = null;
  private second: Exchange | null = null;
  private won = false;
  /** Why the first attempt failed; null while it has not. */
  private firstFailure: FailureKind | null = null;
  private firstDetail = '';

  constructor(policy: Hedging, first: Exchange, delayMs: number) {
    this.policy = policy;
    this.first = first;
    if (delayMs !== Number.POSITIVE_INFINITY) this.timer = first.time.after(delayMs, () => this.begin());
  }

  takesOver(failure: FailureKind, detail: string): boolean {
    if (this.second === null || this.won) return false;
    this.firstFailure = failure;
    this.firstDetail = detail;
    return true;
  }

  end(): void {
    this.timer?.cancel();
    this.timer = null;
    const { second, first } = this;
    if (first.attemptStatus !== 0 && !this.won) this.policy.onAnswer(first);
    if (second === null || this.won) return;
    this.second = null;
    this.policy.count('lost');
    onDownstreamGone(second, Failure.downstreamAborted);
  }

  // The second attempt's caller.

  get congested(): boolean {
    return this.first.downstream.congested;
  }

  sendInterim(): void {}

  sendResponseHead(second: Exchange): void {
    if (second.replied || this.second === null) return;
    // Known before it is adopted: what is ended then is the other attempt.
    this.won = true;
    const { endpoint, response } = second;
    if (adoptAttempt(this.first, endpoint as Endpoint, this, response as ResponseHead))
      this.policy.count('won');
    else this.won = false;
  }

  sendResponseBody(bytes: Uint8Array, start: number, end: number): void {
    if (this.won) onResponseBody(this.first, bytes, start, end);
  }

  endResponse(trailers: Head | null): void {
    if (this.won) onResponseEnd(this.first, trailers);
  }

  abortResponse(): void {
    const { second, first } = this;
    if (!this.won || second === null) return;
    this.second = null;
    onUpstreamFailed(first, second.failure, second.failureDetail);
  }

  pauseRequest(): void {}

  resumeRequest(): void {}

  /** The second attempt's exchange is over. */
  release(): void {
    const { second } = this;
    if (second === null || this.won) return;
    this.second = null;
    this.policy.count('failed');
    if (this.firstFailure !== null) failHedged(this.first, this.firstFailure, this.firstDetail);
  }

  // The first attempt's exchange, once this one has won.

  get identity(): string {
    return this.second?.upstream?.identity ?? '';
  }

  get setupMs(): number {
    return this.second?.upstream?.setupMs ?? 0;
  }

  get tlsMs(): number {
    return this.second?.upstream?.tlsMs ?? 0;
  }

  get reused(): boolean {
    return this.second?.upstream?.reused ?? false;
  }

  sendRequestHead(): void {}

  sendRequestBody(): void {}

  endRequest(): void {}

  abortRequest(): void {
    const { second } = this;
    this.second = null;
    if (second !== null) onDownstreamGone(second, Failure.downstreamAborted);
  }

  pauseResponse(): void {
    this.second?.upstream?.pauseResponse();
  }

  resumeResponse(): void {
    this.second?.upstream?.resumeResponse();
  }

  private begin(): void {
    this.timer = null;
    const { first, policy } = this;
    if (!first.attempting || first.endpoint === null) return;
    const route = policy.routeOf(first);
    const { request, time, peerIdentity, peerAddress } = first;
    const second = new Exchange(route, this, request, time, peerIdentity, peerAddress, time.nowMs);
    second.requestComplete = true;
    second.isGrpc = first.isGrpc;
    second.balancer = first.balancer;
    second.tried = [first.endpoint];
    const endpoint = second.balancer?.pick(second) ?? null;
    if (endpoint === null || endpoint === first.endpoint || !policy.allows(first)) return;
    this.second = second;
    beginHedged(second, endpoint);
  }
}
