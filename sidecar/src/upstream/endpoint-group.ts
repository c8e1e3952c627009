/**
 * The endpoints of a service as those know them who share what they learn: every balancer of a service, in this config snapshot and those
 * before.
 *
 * Invariants
 * - Records are kept by address, so that a config reload forgets nothing of endpoints that stay. The others are forgotten; attempts that are
 *   under way keep theirs.
 * - `version` changes whenever other endpoints may be used than before.
 */
import { EndpointRecord } from './endpoint-record.ts';
import type { HealthCheckSpec } from './health/config.ts';
import { HealthState } from './health/health-state.ts';
import { OutlierDetector, type OutlierObserver } from './outliers/detector.ts';
import type { TrafficSpec } from './traffic-policy.ts';

/** How much one latency moves the typical one. */
const TYPICAL_STEP = 1 / 32;

export interface GroupObserver extends OutlierObserver {
  /** `problem` is empty for an endpoint that is well again. Not `enforced`, it is used all the same. */
  onHealthChange(endpoint: string, healthy: boolean, problem: string, enforced: boolean): void;
}

export interface EndpointGroupDeps {
  readonly observer: GroupObserver;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export class EndpointGroup {
  readonly name: string;
  readonly detector: OutlierDetector;
  /** Attempts under way. */
  inFlight = 0;
  /** What attempts take at endpoints that are known: a guess for those that are not. */
  typicalMs = 1;
  decayMs = 1;
  /** Below this share of endpoints that may be used, all are. */
  panicThreshold = 0;
  /** Picks from endpoints that should not be used. */
  panicPicks = 0;
  /** When the last endpoint has its full share again. */
  rampEndMs = Number.NEGATIVE_INFINITY;
  version = 0;
  private rampMs = 0;
  private healthMode: HealthCheckSpec['mode'] = 'off';
  private readonly observer: GroupObserver;
  private isNew = true;
  private readonly byAddress = new Map<string, EndpointRecord>();
  /** For the config that is being built. */
  private readonly prepared = new Map<string, EndpointRecord>();

  constructor(name: string, { observer, random }: EndpointGroupDeps) {
    this.name = name;
    this.observer = observer;
    this.detector = new OutlierDetector({
      observer,
      random,
      records: () => this.byAddress.values(),
      onAvailability: (record, nowMs) => this.updateAvailability(record, nowMs),
    });
  }

  get records(): Iterable<EndpointRecord> {
    return this.byAddress.values();
  }

  /** Takes over what the config says now. Endpoints that come later than the first ones get their share by and by. */
  follow(
    addresses: readonly string[],
    { loadBalancer, outlierDetection, healthCheck }: TrafficSpec,
    nowMs: number,
  ): void {
    this.decayMs = loadBalancer.decayMs;
    this.rampMs = loadBalancer.slowStart.windowMs;
    this.panicThreshold = loadBalancer.panicThreshold;
    const named = new Set(addresses);
    for (const address of this.byAddress.keys()) if (!named.has(address)) this.byAddress.delete(address);
    for (const address of named) {
      if (this.byAddress.has(address)) continue;
      const record = this.recordOf(address);
      this.byAddress.set(address, record);
      if (!this.isNew) this.ramp(record, nowMs);
    }
    this.prepared.clear();
    this.isNew = false;
    this.healthMode = healthCheck?.mode ?? 'off';
    if (this.healthMode === 'off') for (const record of this.records) record.health = new HealthState();
    this.version++;
    this.detector.configure(outlierDetection ?? null, nowMs);
  }

  /** A config is being built; one that was refused leaves nothing behind. */
  prepare(): void {
    this.prepared.clear();
  }

  /** Also of an endpoint that is only about to come, which changes nothing for the others. */
  recordOf(address: string): EndpointRecord {
    const known = this.byAddress.get(address) ?? this.prepared.get(address);
    if (known !== undefined) return known;
    const record = new EndpointRecord(address, this);
    this.prepared.set(address, record);
    return record;
  }

  noteLatency(latencyMs: number): void {
    this.typicalMs += (latencyMs - this.typicalMs) * TYPICAL_STEP;
  }

  onHealthChange(record: EndpointRecord, nowMs: number): void {
    const { healthy, problem } = record.health;
    this.observer.onHealthChange(record.address, healthy, problem, this.healthMode === 'enforce');
    this.updateAvailability(record, nowMs);
  }

  private updateAvailability(record: EndpointRecord, nowMs: number): void {
    record.unhealthy = this.healthMode === 'enforce' && !record.health.healthy;
    const available = !record.unhealthy && !this.detector.leavesOut(record);
    if (available === record.available) return;
    record.available = available;
    this.version++;
    if (available) this.ramp(record, nowMs);
  }

  private ramp(record: EndpointRecord, nowMs: number): void {
    record.startRamp(nowMs, this.rampMs);
    this.rampEndMs = Math.max(this.rampEndMs, record.rampEndMs);
  }
}
