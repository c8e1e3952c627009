/**
 * What balancers have in common that choose by load, or in turn: slow start, and endpoints that an exchange has tried.
 */
import type { Exchange } from '../../core/exchange.ts';
import { LIMITS } from '../../core/limits.ts';
import type { RandomWords } from '../../observe/random-words.ts';
import type { Balancer } from '../balancer.ts';
import type { Endpoint } from '../endpoint.ts';
import type { EndpointRecord } from '../endpoint-record.ts';
import type { Rotation } from './rotation.ts';
import { zoneWeights } from './zones.ts';

export interface BalancerOptions {
  readonly random: RandomWords;
  /** Of the caller; empty when zones make no difference. */
  readonly zone: string;
  /** What an endpoint gets at the beginning of its slow start. */
  readonly minShare: number;
}

export abstract class RotatingBalancer implements Balancer {
  readonly endpoints: readonly Endpoint[];
  protected members: readonly Endpoint[] = [];
  protected readonly random: RandomWords;
  private readonly rotation: Rotation;
  private readonly zone: string;
  private readonly minShare: number;

  constructor(rotation: Rotation, { random, zone, minShare }: BalancerOptions) {
    this.rotation = rotation;
    this.endpoints = rotation.all;
    this.random = random;
    this.zone = zone;
    this.minShare = minShare;
  }

  pick(exchange: Exchange): Endpoint | null {
    const { rotation } = this;
    const { nowMs } = exchange.time;
    rotation.refresh(nowMs);
    if (this.members !== rotation.members) this.follow(rotation.members);
    const probe = rotation.takeProbe(exchange);
    if (probe !== null) return probe;
    if (rotation.panicking) rotation.group.panicPicks++;
    const { members } = this;
    if (members.length < 2) return members.length === 0 ? null : (members[0] as Endpoint);
    const ramping = nowMs < rotation.group.rampEndMs;
    if (exchange.tried.length > 0) return this.pickUntried(exchange.tried, nowMs, ramping);
    return members[this.choose(nowMs, ramping)] as Endpoint;
  }

  explainNone(): string {
    return this.rotation.explainNone();
  }

  /** `weights` are those of `members`, as this caller should see them. */
  protected abstract adapt(weights: Float64Array): void;
  /** The index of one of at least two members. */
  protected abstract choose(nowMs: number, ramping: boolean): number;

  /** Whether an endpoint in its slow start takes this one. */
  protected admits({ rampStartMs, rampEndMs }: EndpointRecord, nowMs: number): boolean {
    if (nowMs >= rampEndMs) return true;
    const share = Math.max(this.minShare, (nowMs - rampStartMs) / (rampEndMs - rampStartMs));
    return this.random.nextFraction() < share;
  }

  private follow(members: readonly Endpoint[]): void {
    this.members = members;
    if (members.length === 0) return;
    const weights = zoneWeights(members, this.endpoints, this.zone);
    this.adapt(weights ?? Float64Array.from(members, ({ weight }) => weight));
  }

  private pickUntried(tried: readonly Endpoint[], nowMs: number, ramping: boolean): Endpoint {
    const { members } = this;
    for (let left = LIMITS.untriedDraws; left > 0; left--) {
      const endpoint = members[this.choose(nowMs, ramping)] as Endpoint;
      if (!tried.includes(endpoint)) return endpoint;
    }
    // From anywhere, so that not all retries go to the same endpoint.
    const from = this.choose(nowMs, ramping);
    for (let i = 0; i < members.length; i++) {
      const endpoint = members[(from + i) % members.length] as Endpoint;
      if (!tried.includes(endpoint)) return endpoint;
    }
    return members[from] as Endpoint;
  }
}
