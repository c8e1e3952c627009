/**
 * Finds endpoints of a group that do worse than others, leaves them out for a while, and lets a single attempt find out whether they are
 * well again.
 *
 * Invariants
 * - No more than the policy's share of the endpoints is ejected at any time, those that wait for a probe included.
 * - In shadow everything is decided, counted and told as if it was enforced; no endpoint is left out.
 * - Time passes with attempts and picks: there is no timer. `nextChangeMs` says when there is something to do.
 */
import { OUTCOME_ABANDONED, OUTCOME_CONNECT, OUTCOME_GATEWAY, OUTCOME_SUCCESS } from '../attempt-outcome.ts';
import { type EndpointRecord, UNKNOWN_LATENCY } from '../endpoint-record.ts';
import { findSlow, findUnsuccessful, type Outlier } from './compare.ts';
import type { OutlierSpec } from './config.ts';
import { type EjectionReason, PROBE_NONE, PROBE_RUNNING, PROBE_WANTED } from './outlier-state.ts';

/** What becomes of a finding: `denied` when as many are ejected already as may be. */
export type EjectionAction = 'enforced' | 'shadow' | 'denied';

export interface OutlierObserver {
  /** `forMs` is the time until a probe; 0 when the ejection was denied. */
  onEjection(
    endpoint: string,
    reason: EjectionReason,
    action: EjectionAction,
    detail: string,
    forMs: number,
  ): void;
  onReturn(endpoint: string, afterMs: number): void;
}

export interface OutlierDeps {
  readonly observer: OutlierObserver;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  records(): Iterable<EndpointRecord>;
  /** The endpoint may be used again, or may not any more. */
  onAvailability(record: EndpointRecord, nowMs: number): void;
}

const NEVER = Number.POSITIVE_INFINITY;

export class OutlierDetector {
  /** When the next ejected endpoint wants its probe. */
  nextChangeMs = NEVER;
  /** Ejected endpoints that are left out until an attempt is made at them. */
  probesWanted = 0;
  private readonly deps: OutlierDeps;
  private spec: OutlierSpec | null = null;
  private enforced = false;
  private nextSweepMs = NEVER;

  constructor(deps: OutlierDeps) {
    this.deps = deps;
  }

  /** Endpoints or policy have changed. */
  configure(spec: OutlierSpec | null, nowMs: number): void {
    this.spec = spec === null || spec.mode === 'off' ? null : spec;
    this.enforced = spec?.mode === 'enforce';
    this.nextSweepMs = spec === null ? NEVER : nowMs + spec.intervalMs;
    const ejected = this.ejected();
    // The latest first: they have been judged most recently, so they stay.
    ejected.sort((a, b) => b.outlier.ejectedMs - a.outlier.ejectedMs);
    for (const record of ejected.slice(this.allowed())) this.release(record, nowMs);
    for (const record of this.deps.records()) this.deps.onAvailability(record, nowMs);
    this.note();
  }

  /** Whether the endpoint is left out, for this reason. */
  leavesOut({ outlier }: EndpointRecord): boolean {
    return this.enforced && outlier.reason !== null;
  }

  onBegin({ outlier }: EndpointRecord): void {
    if (outlier.probe !== PROBE_WANTED) return;
    outlier.probe = PROBE_RUNNING;
    if (this.enforced) this.probesWanted--;
  }

  onEnd(record: EndpointRecord, outcome: number, latencyMs: number, startedMs: number, nowMs: number): void {
    const { spec } = this;
    if (spec === null) return;
    if (nowMs >= this.nextChangeMs) this.advance(nowMs);
    if (record.outlier.reason !== null) {
      this.judgeProbe(record, outcome, latencyMs, startedMs, nowMs);
      return;
    }
    if (outcome !== OUTCOME_ABANDONED) this.count(record, spec, outcome, latencyMs, nowMs);
    if (nowMs >= this.nextSweepMs) this.sweep(spec, nowMs);
  }

  /** Ejections whose time is over. */
  advance(nowMs: number): void {
    for (const { outlier } of this.deps.records()) {
      if (outlier.untilMs > nowMs) continue;
      outlier.untilMs = NEVER;
      outlier.probe = PROBE_WANTED;
      outlier.probeSinceMs = nowMs;
    }
    this.note();
  }

  private count(
    record: EndpointRecord,
    { consecutive }: OutlierSpec,
    outcome: number,
    latencyMs: number,
    nowMs: number,
  ): void {
    const { outlier } = record;
    outlier.attempts++;
    if (outcome !== OUTCOME_CONNECT && latencyMs !== UNKNOWN_LATENCY) {
      outlier.answers++;
      outlier.latencySumMs += latencyMs;
    }
    if (outcome === OUTCOME_SUCCESS) {
      outlier.gatewayFailures = 0;
      outlier.connectFailures = 0;
      outlier.errors = 0;
      return;
    }
    outlier.failures++;
    if (outcome === OUTCOME_CONNECT) {
      if (++outlier.connectFailures === consecutive.connectFailures) {
        outlier.connectFailures = 0;
        this.eject(record, 'consecutive_connect_failures', `${consecutive.connectFailures} in a row`, nowMs);
      }
      return;
    }
    outlier.connectFailures = 0;
    outlier.gatewayFailures = outcome === OUTCOME_GATEWAY ? outlier.gatewayFailures + 1 : 0;
    if (outcome === OUTCOME_GATEWAY && outlier.gatewayFailures === consecutive.gatewayFailures) {
      outlier.gatewayFailures = 0;
      this.eject(record, 'consecutive_gateway_failures', `${consecutive.gatewayFailures} in a row`, nowMs);
    } else if (++outlier.errors === consecutive.errors) {
      outlier.errors = 0;
      this.eject(record, 'consecutive_errors', `${consecutive.errors} in a row`, nowMs);
    }
  }

  private sweep({ intervalMs, successRate, latency }: OutlierSpec, nowMs: number): void {
    this.nextSweepMs = nowMs + intervalMs;
    const records = [...this.deps.records()].filter(({ outlier }) => outlier.reason === null);
    const eject = (reason: EjectionReason, outliers: readonly Outlier[]): void => {
      for (const { record, detail, limitMs } of outliers) {
        if (record.outlier.reason === null) this.eject(record, reason, detail, nowMs, limitMs);
      }
    };
    if (successRate !== undefined) eject('success_rate', findUnsuccessful(records, successRate));
    if (latency !== undefined) eject('latency', findSlow(records, latency));
    for (const { outlier } of records) outlier.clearInterval();
  }

  private eject(
    record: EndpointRecord,
    reason: EjectionReason,
    detail: string,
    nowMs: number,
    limitMs = NEVER,
  ): void {
    const { outlier, address } = record;
    const { observer } = this.deps;
    if (this.ejected().length >= this.allowed()) {
      observer.onEjection(address, reason, 'denied', detail, 0);
      return;
    }
    outlier.reason = reason;
    outlier.ejectedMs = nowMs;
    outlier.probeLimitMs = limitMs;
    // Who is well for less time than it was left out for is not well yet.
    if (nowMs - outlier.returnedMs > outlier.backoffMs) outlier.streak = 0;
    this.close(record, reason, detail, nowMs);
    this.deps.onAvailability(record, nowMs);
  }

  /** Until its next probe: twice as long as the last time. */
  private close(record: EndpointRecord, reason: EjectionReason, detail: string, nowMs: number): void {
    const { outlier, address } = record;
    const { baseMs, maxMs, jitter } = (this.spec as OutlierSpec).ejection;
    const backoffMs = Math.min(maxMs, baseMs * 2 ** outlier.streak * (1 + jitter * this.deps.random()));
    outlier.streak++;
    outlier.backoffMs = backoffMs;
    outlier.untilMs = nowMs + backoffMs;
    outlier.probe = PROBE_NONE;
    this.note();
    this.deps.observer.onEjection(address, reason, this.enforced ? 'enforced' : 'shadow', detail, backoffMs);
  }

  private judgeProbe(
    record: EndpointRecord,
    outcome: number,
    latencyMs: number,
    startedMs: number,
    nowMs: number,
  ): void {
    const { outlier } = record;
    if (outlier.probe === PROBE_NONE || startedMs < outlier.probeSinceMs) return;
    if (outcome === OUTCOME_ABANDONED) {
      outlier.probe = PROBE_WANTED;
      this.note();
    } else if (outcome === OUTCOME_SUCCESS && latencyMs <= outlier.probeLimitMs) {
      this.release(record, nowMs);
      this.note();
    } else {
      const slow = outcome === OUTCOME_SUCCESS ? `took ${latencyMs.toFixed(1)} ms` : 'failed again';
      this.close(record, 'probe_failed', slow, nowMs);
    }
  }

  private release(record: EndpointRecord, nowMs: number): void {
    const { outlier, address } = record;
    const { ejectedMs } = outlier;
    outlier.reason = null;
    outlier.untilMs = NEVER;
    outlier.probe = PROBE_NONE;
    outlier.returnedMs = nowMs;
    outlier.clearCounts();
    this.deps.observer.onReturn(address, nowMs - ejectedMs);
    this.deps.onAvailability(record, nowMs);
  }

  /** What others look at before they look at endpoints. */
  private note(): void {
    this.nextChangeMs = NEVER;
    this.probesWanted = 0;
    for (const { outlier } of this.deps.records()) {
      this.nextChangeMs = Math.min(this.nextChangeMs, outlier.untilMs);
      if (this.enforced && outlier.probe === PROBE_WANTED) this.probesWanted++;
    }
  }

  private ejected(): EndpointRecord[] {
    return [...this.deps.records()].filter(({ outlier }) => outlier.reason !== null);
  }

  private allowed(): number {
    if (this.spec === null) return 0;
    const count = [...this.deps.records()].length;
    return Math.floor(count * this.spec.ejection.maxShare);
  }
}
