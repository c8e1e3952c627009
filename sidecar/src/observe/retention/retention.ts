/**
 * Which traces are worth keeping although the head sample left them out: known only when something has gone wrong in them, and then kept
 * from the ring, where the spans of all requests lie for a while (Zhang et al., The Benefit of Hindsight, NSDI 2023).
 *
 * Invariants
 * - A trace is kept for a reason, and each reason has a budget of its own a second, so that no flood of one uses up what another needs.
 *   What others have kept costs no budget: half a trace is worth little.
 * - What is kept here is told to the other sidecars; what was told is not told again.
 */
import type { Clock, Timer } from '../../core/clock.ts';
import type { Exchange } from '../../core/exchange.ts';
import { Failure, type FailureKind } from '../../core/failure.ts';
import { OBSERVE_LIMITS } from '../limits.ts';
import { statusError } from '../rpc.ts';
import { Budget } from './budget.ts';
import { KeptTraces } from './kept-traces.ts';
import { LiveQuantile } from './live-quantile.ts';

/** Why a trace is kept, by number; 0 stands for none. */
export const REASONS = ['', 'failed', 'refused', 'slow', 'told'] as const;
export const FAILED = 1;
export const REFUSED = 2;
export const SLOW = 3;
/** Another hop of the trace had a reason. */
export const TOLD = 4;
/** There was a reason, and no room. */
const OUT_OF_BUDGET = -1;

/** What others have kept costs nothing. */
const PER_SECOND: Record<(typeof REASONS)[number], number> = {
  '': 0,
  ...OBSERVE_LIMITS.keptPerSecond,
  told: 0,
};

/** Of the share of slow requests, what hops inside of the mesh get: a trace has many of them, and one entry, where somebody waits. */
const INNER = 0.2;

export interface RetentionSettings {
  /** Of the requests that enter the mesh by a route, the slowest are kept; 0 for none. */
  readonly slowShare: number;
}

export interface RetentionDeps {
  readonly clock: Clock;
  /** Signed 32-bit words. */
  readonly random: () => number;
}

/** What holds the spans. */
export interface RetainedSpans {
  /** Spans of kept traces that it holds are to be exported. */
  retain(isKept: KeptTraces, nowMs: number): void;
}

export class Retention {
  /** By reason. */
  readonly kept = new Float64Array(REASONS.length);
  readonly outOfBudget = new Float64Array(REASONS.length);
  /** Kept here and not told, because too many were waiting for it. */
  untold = 0;
  /** Called with the ids of traces that were kept here, 16 bytes each; valid during the call. */
  onKept: ((ids: Buffer) => void) | null = null;
  private readonly deps: RetentionDeps;
  private readonly traces: KeptTraces;
  /** Those that the head sample took, while somebody asks. */
  private readonly sampled: KeptTraces;
  private readonly spans: readonly RetainedSpans[];
  /** Two for each origin: of requests that enter the mesh there, and of all others. */
  private readonly quantiles: (LiveQuantile | undefined)[] = [];
  private readonly budgets = REASONS.map((reason) => new Budget(PER_SECOND[reason]));
  private readonly news = Buffer.alloc(OBSERVE_LIMITS.toldTraces * ID_BYTES);
  private newsBytes = 0;
  private sweep: Timer | null = null;
  private slowShare: number;

  constructor(settings: RetentionSettings, spans: readonly RetainedSpans[], deps: RetentionDeps) {
    this.slowShare = settings.slowShare;
    this.spans = spans;
    this.deps = deps;
    this.traces = new KeptTraces(deps.random);
    this.sampled = new KeptTraces(deps.random);
  }

  follow({ slowShare }: RetentionSettings): void {
    if (slowShare === this.slowShare) return;
    this.slowShare = slowShare;
    this.quantiles.length = 0;
  }

  /** Asked when the response head goes out, and again at the end. Leaves the reason in the exchange. */
  judge(exchange: Exchange, origin: number, nowMs: number): void {
    if (exchange.retained > 0) return;
    const { traceId0, traceId1, traceId2, traceId3 } = exchange;
    if (this.traces.has(traceId0, traceId1, traceId2, traceId3, nowMs)) {
      exchange.retained = TOLD;
      return;
    }
    if (exchange.retained === OUT_OF_BUDGET) return;
    const reason = this.reasonOf(exchange, origin, nowMs);
    if (reason === 0) return;
    if (!(this.budgets[reason] as Budget).take(nowMs)) {
      exchange.retained = OUT_OF_BUDGET;
      this.outOfBudget[reason] = (this.outOfBudget[reason] as number) + 1;
      return;
    }
    this.keep(exchange, reason, nowMs);
  }

  /** The next hop says that it keeps the trace. */
  adopt(exchange: Exchange, nowMs: number): void {
    if (exchange.retained <= 0) this.keep(exchange, TOLD, nowMs);
  }

  /** The mesh has decided for the trace, whatever the service says about it later. */
  noteSampled({ traceId0, traceId1, traceId2, traceId3 }: Exchange, nowMs: number): void {
    this.sampled.add(traceId0, traceId1, traceId2, traceId3, nowMs);
  }

  isSampled({ traceId0, traceId1, traceId2, traceId3 }: Exchange, nowMs: number): boolean {
    return this.sampled.has(traceId0, traceId1, traceId2, traceId3, nowMs);
  }

  /** Whether spans of the trace are to be exported, as far as is known now. `traceId` is 16 bytes. */
  isWanted(traceId: Uint8Array): boolean {
    const nowMs = this.deps.clock.monotonicMs();
    const view = new DataView(traceId.buffer, traceId.byteOffset, ID_BYTES);
    const [id0, id1, id2, id3] = [view.getInt32(0), view.getInt32(4), view.getInt32(8), view.getInt32(12)];
    return this.sampled.has(id0, id1, id2, id3, nowMs) || this.traces.has(id0, id1, id2, id3, nowMs);
  }

  /** For what is slow from now on. */
  observe(exchange: Exchange, origin: number): void {
    // How long an upgraded connection lasted says nothing.
    if (this.slowShare === 0 || exchange.response?.switchesProtocol) return;
    const place = placeOf(exchange, origin);
    let quantile = this.quantiles[place];
    if (quantile === undefined) {
      quantile = new LiveQuantile(exchange.isEntry ? this.slowShare : this.slowShare * INNER);
      this.quantiles[place] = quantile;
    }
    quantile.observe(exchange.endedMs - exchange.startedMs);
  }

  /** How long requests of an origin take as a rule; null while too few were seen. */
  usualOf(origin: number): { p50Ms: number; p99Ms: number } | null {
    const quantile = this.quantiles[2 * origin] ?? this.quantiles[2 * origin + 1];
    const [p50Ms, p99Ms] = [quantile?.exceededBy(0.5), quantile?.exceededBy(0.01)];
    return p50Ms == null || p99Ms == null ? null : { p50Ms, p99Ms };
  }

  /** A connection is a trace of its own, which concerns nobody else. */
  takesConnection(failure: FailureKind, nowMs: number): boolean {
    const reason = reasonOfFailure(failure);
    if (reason === 0) return false;
    const taken = (this.budgets[reason] as Budget).take(nowMs);
    const counts = taken ? this.kept : this.outOfBudget;
    counts[reason] = (counts[reason] as number) + 1;
    return taken;
  }

  /** Traces that another sidecar has kept, 16 bytes each. */
  keepTold(ids: Buffer): void {
    const nowMs = this.deps.clock.monotonicMs();
    for (let at = 0; at + ID_BYTES <= ids.length; at += ID_BYTES) {
      const added = this.traces.add(
        ids.readInt32BE(at),
        ids.readInt32BE(at + 4),
        ids.readInt32BE(at + 8),
        ids.readInt32BE(at + 12),
        nowMs,
      );
      if (added) this.kept[TOLD] = (this.kept[TOLD] as number) + 1;
    }
    this.scheduleSweep();
  }

  close(): void {
    this.sweep?.cancel();
    this.sweep = null;
    this.onKept = null;
  }

  private keep(exchange: Exchange, reason: number, nowMs: number): void {
    const { traceId0, traceId1, traceId2, traceId3 } = exchange;
    exchange.retained = reason;
    if (!this.traces.add(traceId0, traceId1, traceId2, traceId3, nowMs)) return;
    this.kept[reason] = (this.kept[reason] as number) + 1;
    this.scheduleSweep();
    const { news, newsBytes } = this;
    if (this.onKept === null) return;
    if (newsBytes === news.length) {
      this.untold++;
      return;
    }
    news.writeInt32BE(traceId0, newsBytes);
    news.writeInt32BE(traceId1, newsBytes + 4);
    news.writeInt32BE(traceId2, newsBytes + 8);
    news.writeInt32BE(traceId3, newsBytes + 12);
    this.newsBytes += ID_BYTES;
  }

  private reasonOf(exchange: Exchange, origin: number, nowMs: number): number {
    const { failure, status, isGrpc } = exchange;
    if (failure !== Failure.none) return reasonOfFailure(failure);
    if (status >= 500) return FAILED;
    if (isGrpc && statusError(exchange.grpcStatus, 'inbound') !== '') return FAILED;
    if (status === 429) return REFUSED;
    const quantile = this.quantiles[placeOf(exchange, origin)];
    const endMs = exchange.endedMs === 0 ? nowMs : exchange.endedMs;
    if (quantile === undefined || exchange.response?.switchesProtocol) return 0;
    return endMs - exchange.startedMs > quantile.thresholdMs ? SLOW : 0;
  }

  /** One look through the ring serves all that were kept meanwhile. */
  private scheduleSweep(): void {
    this.sweep ??= this.deps.clock.setTimer(() => {
      this.sweep = null;
      const nowMs = this.deps.clock.monotonicMs();
      for (const spans of this.spans) spans.retain(this.traces, nowMs);
      const { newsBytes } = this;
      this.newsBytes = 0;
      if (newsBytes > 0) this.onKept?.(this.news.subarray(0, newsBytes));
    }, OBSERVE_LIMITS.retainDelayMs);
  }
}

function placeOf({ isEntry }: Exchange, origin: number): number {
  return 2 * origin + (isEntry ? 0 : 1);
}

const ID_BYTES = 16;

/** What the caller or a policy ended is news of another kind than what broke. */
function reasonOfFailure({ code, source }: FailureKind): number {
  if (code === 0) return 0;
  return source === 'upstream' || source === 'mesh' ? FAILED : REFUSED;
}
