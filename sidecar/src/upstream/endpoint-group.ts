/**
 * The endpoints of a service as those know them who share what they learn: every balancer of a service, in this config snapshot and those
 * before.
 *
 * Invariant: records are kept by address, so that a config reload forgets nothing of endpoints that stay. The others are forgotten; attempts
 * that are under way keep theirs.
 */
import { EndpointRecord } from './endpoint-record.ts';
import type { TrafficSpec } from './traffic-policy.ts';

/** How much one latency moves the typical one. */
const TYPICAL_STEP = 1 / 32;

export class EndpointGroup {
  readonly name: string;
  /** Attempts under way. */
  inFlight = 0;
  /** What attempts take at endpoints that are known: a guess for those that are not. */
  typicalMs = 1;
  decayMs = 1;
  /** When the last endpoint has its full share again. */
  rampEndMs = Number.NEGATIVE_INFINITY;
  /** Changes whenever other endpoints may be picked than before. */
  version = 0;
  private spec: TrafficSpec | null = null;
  private readonly byAddress = new Map<string, EndpointRecord>();

  constructor(name: string) {
    this.name = name;
  }

  get records(): Iterable<EndpointRecord> {
    return this.byAddress.values();
  }

  /** Takes over what the config says now. Endpoints that come later than the first ones get their share by and by. */
  follow(addresses: readonly string[], spec: TrafficSpec, nowMs: number): void {
    const isNew = this.spec === null;
    this.spec = spec;
    this.decayMs = spec.loadBalancer.decayMs;
    const named = new Set(addresses);
    for (const address of this.byAddress.keys()) if (!named.has(address)) this.byAddress.delete(address);
    for (const address of named) {
      if (this.byAddress.has(address)) continue;
      const record = new EndpointRecord(address, this);
      this.byAddress.set(address, record);
      if (!isNew) this.ramp(record, nowMs);
    }
    this.version++;
  }

  recordOf(address: string): EndpointRecord {
    const record = this.byAddress.get(address);
    if (record === undefined) throw new Error(`${this.name} has no endpoint ${address}`);
    return record;
  }

  noteLatency(latencyMs: number): void {
    this.typicalMs += (latencyMs - this.typicalMs) * TYPICAL_STEP;
  }

  private ramp(record: EndpointRecord, nowMs: number): void {
    const { windowMs } = (this.spec as TrafficSpec).loadBalancer.slowStart;
    record.startRamp(nowMs, windowMs);
    this.rampEndMs = Math.max(this.rampEndMs, record.rampEndMs);
  }
}
