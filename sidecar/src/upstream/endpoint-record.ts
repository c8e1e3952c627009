/**
 * What is known of an endpoint from the attempts made at it: how many are under way, how long they take, how many fail. It is known by
 * address and outlives config snapshots.
 *
 * Invariants
 * - An attempt that `begin` has counted is taken back by one `end`.
 * - Latency is a peak EWMA: a slower answer counts in full at once, faster ones take the estimate down in the course of `decayMs`, and so
 *   does time alone. So an endpoint that was slow is tried again, by one request and not by many.
 * - A failure never makes an endpoint look fast.
 */
import { OUTCOME_ABANDONED, OUTCOME_NAMES, OUTCOME_SUCCESS } from './attempt-outcome.ts';
import type { EndpointGroup } from './endpoint-group.ts';
import { HealthState } from './health/health-state.ts';
import { OutlierState } from './outliers/outlier-state.ts';

/** How much a faster answer takes the estimate down at least: where they are frequent, time alone would leave it at the slowest of thousands. */
const FASTER_STEP = 1 / 32;
/** How much one attempt moves the share of failures. */
const FAILURE_STEP = 1 / 16;
/** What it costs to fail always, in times of the latency. */
const FAILURE_PENALTY = 10;
/** Below the resolution of clocks: nothing is infinitely fast. */
const LEAST_LATENCY_MS = 0.01;

/** The request was not over when the attempt was: what the endpoint took can't be told from what the caller did. */
export const UNKNOWN_LATENCY = -1;

export class EndpointRecord {
  readonly address: string;
  /** Attempts under way. */
  inFlight = 0;
  /** It may be used, as far as is known. */
  available = true;
  /** By its health checks. */
  unhealthy = false;
  readonly outlier = new OutlierState();
  health = new HealthState();
  /** Attempts that ended, by outcome. */
  readonly ended = new Float64Array(OUTCOME_NAMES.length);
  /** While it is new or was away, it gets less; until `rampEndMs`, in monotonic milliseconds. */
  rampStartMs = Number.NEGATIVE_INFINITY;
  rampEndMs = Number.NEGATIVE_INFINITY;
  private readonly group: EndpointGroup;
  /** 0 while nothing is known. */
  private latencyMs = 0;
  private failureShare = 0;
  private stampMs = 0;

  constructor(address: string, group: EndpointGroup) {
    this.address = address;
    this.group = group;
  }

  begin(): void {
    this.inFlight++;
    this.group.inFlight++;
    this.group.detector.onBegin(this);
  }

  /** `latencyMs` is the time to the response head, or until the attempt was given up, or UNKNOWN_LATENCY. */
  end(outcome: number, latencyMs: number, startedMs: number, nowMs: number): void {
    this.inFlight--;
    this.group.inFlight--;
    this.ended[outcome] = (this.ended[outcome] as number) + 1;
    this.observe(outcome, latencyMs, nowMs);
    this.group.detector.onEnd(this, outcome, latencyMs, startedMs, nowMs);
  }

  /** What one more attempt is expected to cost. `share` is what an attempt takes of the endpoint's capacity; 1 for an average endpoint. */
  costAt(nowMs: number, share: number): number {
    const { group } = this;
    const kept = Math.exp((this.stampMs - nowMs) / group.decayMs);
    const latencyMs = this.latencyMs === 0 ? group.typicalMs : this.latencyMs * kept;
    return latencyMs * (1 + FAILURE_PENALTY * this.failureShare * kept) * (1 + this.inFlight * share);
  }

  /** The estimate, for gauges; 0 while nothing is known. */
  latencyAt(nowMs: number): number {
    return this.latencyMs * Math.exp((this.stampMs - nowMs) / this.group.decayMs);
  }

  startRamp(nowMs: number, windowMs: number): void {
    this.rampStartMs = nowMs;
    this.rampEndMs = nowMs + windowMs;
  }

  private observe(outcome: number, latencyMs: number, nowMs: number): void {
    const kept = Math.exp((this.stampMs - nowMs) / this.group.decayMs);
    const faded = this.failureShare * kept;
    const failed = outcome !== OUTCOME_SUCCESS && outcome !== OUTCOME_ABANDONED;
    this.failureShare =
      outcome === OUTCOME_ABANDONED ? faded : faded + ((failed ? 1 : 0) - faded) * FAILURE_STEP;
    this.latencyMs = this.estimate(outcome, latencyMs, kept);
    this.stampMs = nowMs;
  }

  /** The latency that is to be expected, now that there was one more. */
  private estimate(outcome: number, latencyMs: number, kept: number): number {
    const { group } = this;
    const fadedMs = this.latencyMs * kept;
    let seenMs = Math.max(latencyMs, LEAST_LATENCY_MS);
    if (outcome === OUTCOME_ABANDONED) {
      // It would have taken at least that long, and nobody knows how much longer.
      if (latencyMs === UNKNOWN_LATENCY || seenMs <= fadedMs) return fadedMs;
    } else if (outcome !== OUTCOME_SUCCESS) {
      seenMs = Math.max(seenMs, fadedMs, group.typicalMs);
    } else if (latencyMs === UNKNOWN_LATENCY) {
      return fadedMs;
    }
    group.noteLatency(seenMs);
    return seenMs > fadedMs ? seenMs : fadedMs + (seenMs - fadedMs) * Math.max(1 - kept, FASTER_STEP);
  }
}
