/**
 * Durations of the gRPC calls of one route, by method and status.
 *
 * Invariants: methods come over the wire, so the names that are told apart are bounded, and the series of a route, too; the rest is
 * counted as `_OTHER`.
 */
import type { Exchange } from '../core/exchange.ts';
import { BoundedNames, OTHER_NAME } from '../protocol/datastore/byte-map.ts';
import { Histogram } from './histogram.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { pathEnd } from './request-line.ts';

export class CallSeries {
  /** `package.Service/Method` */
  readonly method: string;
  readonly status: number;
  readonly failure: number;
  readonly duration = new Histogram();

  constructor(method: string, status: number, failure: number) {
    this.method = method;
    this.status = status;
    this.failure = failure;
  }
}

export class RpcSeries {
  private readonly names = new BoundedNames(OBSERVE_LIMITS.metricRpcMethods);
  private readonly byMethod = new Map<string, CallSeries[]>();
  private count = 0;

  observe(exchange: Exchange): void {
    const { request } = exchange;
    const name = this.names.nameOf(request.bytes, request.pathStart + 1, pathEnd(request));
    const series = this.find(name, exchange.grpcStatus, exchange.failure.code);
    series.duration.observe(exchange.endedMs - exchange.startedMs);
  }

  *calls(): Iterable<CallSeries> {
    for (const series of this.byMethod.values()) yield* series;
  }

  private find(method: string, status: number, failure: number): CallSeries {
    const known = this.byMethod
      .get(method)
      ?.find((call) => call.status === status && call.failure === failure);
    if (known !== undefined) return known;
    const full = this.count >= OBSERVE_LIMITS.metricRpcSeries && method !== OTHER_NAME;
    return full ? this.find(OTHER_NAME, status, failure) : this.create(method, status, failure);
  }

  private create(method: string, status: number, failure: number): CallSeries {
    const series = new CallSeries(method, status, failure);
    this.count++;
    const siblings = this.byMethod.get(method);
    if (siblings === undefined) this.byMethod.set(method, [series]);
    else siblings.push(series);
    return series;
  }
}
