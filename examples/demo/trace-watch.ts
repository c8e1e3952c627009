import type { Trace } from '../../mesh/cli/trace/trace.ts';
import { outstanding } from '../../mesh/cli/trace/trace-progress.ts';
import { buildTree } from '../../mesh/cli/trace/trace-tree.ts';
import type { TraceStore } from './trace-store.ts';

// Notices when a trace has settled: nothing outstanding and quiet for `quietMs`, or nothing new for `settleMs` whatever is outstanding.
// Invariants: a settled trace is given once, and again only when more spans came since; what the store forgot is forgotten here too.
// Time comes from outside.

export type WatchTimes = { readonly quietMs: number; readonly settleMs: number };

export class TraceWatch {
  readonly #store: TraceStore;
  readonly #times: WatchTimes;
  /** When the latest span came in, of each trace that has not settled. */
  readonly #changedAtMs = new Map<string, number>();

  constructor(store: TraceStore, times: WatchTimes) {
    this.#store = store;
    this.#times = times;
  }

  changed(traceIds: Iterable<string>, nowMs: number): void {
    for (const traceId of traceIds) this.#changedAtMs.set(traceId, nowMs);
  }

  takeSettled(nowMs: number): Trace[] {
    const settled: Trace[] = [];
    for (const [traceId, changedAtMs] of this.#changedAtMs) {
      const trace = this.#store.get(traceId);
      const quietMs = nowMs - changedAtMs;
      if (trace !== undefined && quietMs < this.#times.quietMs) continue;
      const more = trace !== undefined && outstanding(buildTree(trace)).length > 0;
      if (more && quietMs < this.#times.settleMs) continue;
      this.#changedAtMs.delete(traceId);
      if (trace !== undefined) settled.push(trace);
    }
    return settled;
  }
}
