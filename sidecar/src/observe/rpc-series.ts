/**
 * Durations of the gRPC calls of one route, by method and status.
 *
 * Invariants: methods come over the wire, so the names that are told apart are bounded, and the rest is called `_OTHER`; the combinations are bounded, too,
 * and every further one is counted in the overflow series, which is marked as such in the exposition.
 */
import type { Exchange } from '../core/exchange.ts';
import { BoundedNames } from '../protocol/datastore/byte-map.ts';
import { Histogram } from './histogram.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { samplesOfOne } from './metric.ts';
import { RPC_SERVER_CALL_DURATION } from './request-exposition.ts';
import { pathEnd } from './request-line.ts';
import type { SeriesBudget } from './series-budget.ts';

/** The same for both directions. */
const SAMPLES = samplesOfOne(RPC_SERVER_CALL_DURATION);

export class CallSeries {
  /** `package.Service/Method` */
  readonly method: string;
  readonly status: number;
  readonly failure: number;
  readonly overflow: boolean;
  readonly duration = new Histogram();

  constructor(method: string, status: number, failure: number, overflow: boolean) {
    this.method = method;
    this.status = status;
    this.failure = failure;
    this.overflow = overflow;
  }
}

export class RpcSeries {
  private readonly names = new BoundedNames(OBSERVE_LIMITS.metricRpcMethods);
  private readonly byMethod = new Map<string, CallSeries[]>();
  private readonly budget: SeriesBudget;
  private overflow: CallSeries | null = null;

  constructor(budget: SeriesBudget) {
    this.budget = budget;
  }

  observe(exchange: Exchange): void {
    const { request } = exchange;
    const name = this.names.nameOf(request.bytes, request.pathStart + 1, pathEnd(request));
    const series = this.find(name, exchange.grpcStatus, exchange.failure.code);
    series.duration.observe(exchange.endedMs - exchange.startedMs);
  }

  /** All series, the overflow included. */
  *calls(): Iterable<CallSeries> {
    for (const series of this.byMethod.values()) yield* series;
    if (this.overflow !== null) yield this.overflow;
  }

  /** Calls that were counted in the overflow. */
  get overflowed(): number {
    return this.overflow?.duration.count ?? 0;
  }

  private find(method: string, status: number, failure: number): CallSeries {
    const known = this.byMethod
      .get(method)
      ?.find((call) => call.status === status && call.failure === failure);
    return known ?? this.create(method, status, failure);
  }

  private create(method: string, status: number, failure: number): CallSeries {
    if (!this.budget.take(SAMPLES)) {
      this.overflow ??= new CallSeries('', 0, 0, true);
      return this.overflow;
    }
    const series = new CallSeries(method, status, failure, false);
    const siblings = this.byMethod.get(method);
    if (siblings === undefined) this.byMethod.set(method, [series]);
    else siblings.push(series);
    return series;
  }
}
