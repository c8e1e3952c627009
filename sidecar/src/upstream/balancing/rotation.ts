/**
 * The endpoints of a snapshot that may be picked now, followed for one balancer.
 *
 * Invariants: `members` is replaced only when the group's version changes, so that between changes a pick allocates nothing. Below the panic
 * threshold all endpoints are in rotation: too few healthy ones would be overrun, and the reason to distrust the others may be wrong.
 */
import type { Exchange } from '../../core/exchange.ts';
import type { Endpoint } from '../endpoint.ts';
import type { EndpointGroup } from '../endpoint-group.ts';
import type { EndpointRecord } from '../endpoint-record.ts';
import { PROBE_WANTED } from '../outliers/outlier-state.ts';

/** Endpoints that an explanation names. */
const NAMED = 3;

export class Rotation {
  readonly group: EndpointGroup;
  readonly all: readonly Endpoint[];
  members: readonly Endpoint[] = [];
  panicking = false;
  private version = -1;

  constructor(group: EndpointGroup, all: readonly Endpoint[]) {
    this.group = group;
    this.all = all;
  }

  /** Call it before `members` is read. */
  refresh(nowMs: number): void {
    const { group, all } = this;
    if (nowMs >= group.detector.nextChangeMs) group.detector.advance(nowMs);
    if (this.version === group.version) return;
    this.version = group.version;
    const available = all.filter(({ record }) => record.available);
    this.panicking = available.length < all.length * group.panicThreshold;
    this.members = this.panicking ? all : available;
  }

  /** An ejected endpoint that is to be tried by one exchange; null for none, which is nearly always. */
  takeProbe({ tried }: Exchange): Endpoint | null {
    if (this.group.detector.probesWanted === 0) return null;
    return this.all.find((endpoint) => wantsProbe(endpoint.record) && !tried.includes(endpoint)) ?? null;
  }

  /** For who has a particular endpoint in mind. */
  admits({ record }: Endpoint): boolean {
    return record.available || this.panicking || wantsProbe(record);
  }

  explainNone(): string {
    const reasons = this.all.slice(0, NAMED).map(({ address, record }) => `${address}: ${reasonOf(record)}`);
    const more = this.all.length > NAMED ? `, and ${this.all.length - NAMED} more` : '';
    return `${reasons.join(', ')}${more}`;
  }
}

function wantsProbe({ available, unhealthy, outlier }: EndpointRecord): boolean {
  return !available && !unhealthy && outlier.probe === PROBE_WANTED;
}

function reasonOf({ unhealthy, health, outlier }: EndpointRecord): string {
  return unhealthy ? `unhealthy (${health.problem})` : `ejected for ${outlier.reason}`;
}
