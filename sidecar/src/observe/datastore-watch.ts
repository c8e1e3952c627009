/**
 * Observes the commands to one data store: what is counted, and the spans.
 *
 * Invariants
 * - A command is a trace of its own, as nothing on the wire names another. So nobody can ask for it later, and one that is not exported
 *   leaves no record in the ring, where there are better uses for the room.
 * - Exported is what the head sample takes, and what was slow or failed, the latter within a bound.
 */
import type { DataStoreCommand, DataStoreNames, DataStoreObserver, DesyncReason } from './datastore.ts';
import type { DataStoreSeries } from './datastore-series.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import type { RandomWords } from './random-words.ts';
import type { Budget } from './retention/budget.ts';
import type { SpanRing } from './spans.ts';

export interface DataStoreSinks {
  readonly series: DataStoreSeries;
  /** Null where no spans are kept; else `ringOrigin` is how the route is known in it. */
  readonly ring: SpanRing | null;
  readonly ringOrigin: number;
  readonly random: RandomWords;
  readonly headSampleRatio: number;
  /** For slow and failed commands. */
  readonly budget: Budget;
}

export class DataStoreWatch implements DataStoreObserver {
  readonly names: DataStoreNames;
  private readonly sinks: DataStoreSinks;
  /** Of 2^32. */
  private readonly threshold: number;

  constructor(sinks: DataStoreSinks) {
    this.sinks = sinks;
    this.names = sinks.series.names;
    this.threshold = sinks.headSampleRatio * 0x1_0000_0000;
  }

  onCommand(command: DataStoreCommand): void {
    const { series, ring, ringOrigin, random, budget } = this.sinks;
    series.observe(command);
    if (ring === null) return;
    const last = random.next();
    const sampled = last >>> 0 < this.threshold;
    if (!sampled && !(isRemarkable(command) && budget.take(command.endedMs))) return;
    ring.recordCommand(command, random, last, ringOrigin);
  }

  onDesync(reason: DesyncReason): void {
    this.sinks.series.desyncs[reason]++;
  }

  onUnmatched(): void {
    this.sinks.series.unmatched++;
  }
}

/** Failed, or slow by itself: neither because its client wanted to wait, nor because it stood behind another. */
function isRemarkable({ errorType, blocking, startedMs, endedMs, waitedMs }: DataStoreCommand): boolean {
  if (errorType !== '') return true;
  return !blocking && endedMs - startedMs - waitedMs > OBSERVE_LIMITS.slowCommandMs;
}
