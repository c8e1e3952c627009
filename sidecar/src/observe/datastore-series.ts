/**
 * What is counted of the commands to one data store.
 *
 * Invariants: the combinations of operation, target and outcome that have series of their own are bounded, for the store and for the
 * sidecar; every further one is counted in the overflow series, which is marked as such in the exposition. So sums stay right.
 */
import {
  type DataStoreCommand,
  DataStoreNames,
  type DataStoreProtocol,
  DESYNC_REASONS,
  type DesyncReason,
} from './datastore.ts';
import { DB_CLIENT_OPERATION_DURATION } from './datastore-exposition.ts';
import { Histogram } from './histogram.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { samplesOfOne } from './metric.ts';
import { SeriesBudget } from './series-budget.ts';

/** The same for databases and brokers. */
const SAMPLES = samplesOfOne(DB_CLIENT_OPERATION_DURATION);

/** Durations of the commands that agree in all of this. */
export class OperationSeries {
  readonly operation: string;
  readonly namespace: string;
  readonly target: string;
  readonly statusCode: string;
  readonly errorType: string;
  readonly blocking: boolean;
  readonly overflow: boolean;
  readonly duration = new Histogram();

  constructor(command: DataStoreCommand, overflow: boolean) {
    this.operation = command.operation;
    this.namespace = command.namespace;
    this.target = command.target;
    this.statusCode = command.statusCode;
    this.errorType = command.errorType;
    this.blocking = command.blocking;
    this.overflow = overflow;
  }

  holds(command: DataStoreCommand): boolean {
    return (
      this.operation === command.operation &&
      this.target === command.target &&
      this.statusCode === command.statusCode &&
      this.errorType === command.errorType &&
      this.blocking === command.blocking &&
      this.namespace === command.namespace
    );
  }
}

export class DataStoreSeries {
  readonly protocol: DataStoreProtocol;
  readonly route: string;
  /** Topics that were learnt by their ids outlive a config, too. */
  readonly names = new DataStoreNames();
  unmatched = 0;
  readonly desyncs = Object.fromEntries(DESYNC_REASONS.map((reason) => [reason, 0])) as Record<
    DesyncReason,
    number
  >;
  /** By operation and target. */
  private readonly byOperation = new Map<string, Map<string, OperationSeries[]>>();
  private readonly budget: SeriesBudget;
  private last: OperationSeries | null = null;
  private overflow: OperationSeries | null = null;

  constructor(protocol: DataStoreProtocol, route: string, budget: SeriesBudget) {
    this.protocol = protocol;
    this.route = route;
    this.budget = new SeriesBudget(OBSERVE_LIMITS.metricCombinationsPerStore * SAMPLES, budget);
  }

  observe(command: DataStoreCommand): void {
    const { last } = this;
    const series = last?.holds(command) ? last : this.find(command);
    series.duration.observe(command.endedMs - command.startedMs);
  }

  /** All series of commands, the overflow included. */
  *operations(): Iterable<OperationSeries> {
    for (const targets of this.byOperation.values()) {
      for (const series of targets.values()) yield* series;
    }
    if (this.overflow !== null) yield this.overflow;
  }

  /** Commands that were counted in the overflow. */
  get overflowed(): number {
    return this.overflow?.duration.count ?? 0;
  }

  private find(command: DataStoreCommand): OperationSeries {
    const alike = this.byOperation.get(command.operation)?.get(command.target);
    if (alike !== undefined) {
      for (const series of alike) {
        if (!series.holds(command)) continue;
        this.last = series;
        return series;
      }
    }
    return this.create(command);
  }

  private create(command: DataStoreCommand): OperationSeries {
    if (!this.budget.take(SAMPLES)) {
      this.overflow ??= new OperationSeries(command, true);
      return this.overflow;
    }
    const series = new OperationSeries(command, false);
    let targets = this.byOperation.get(command.operation);
    if (targets === undefined) {
      targets = new Map();
      this.byOperation.set(command.operation, targets);
    }
    const alike = targets.get(command.target);
    if (alike === undefined) targets.set(command.target, [series]);
    else alike.push(series);
    this.last = series;
    return series;
  }
}
