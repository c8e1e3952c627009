/**
 * For tests: a service whose endpoints take as long as a test says, picked from by a balancer under test on virtual time. What is tested is
 * which endpoint gets how much; nothing is sent.
 */

import { seededRandom } from '../../../../test/seeded-random.ts';
import { compileChain } from '../../core/chain.ts';
import { Deadlines } from '../../core/deadlines.ts';
import { type DownstreamStream, Exchange } from '../../core/exchange.ts';
import { Failure } from '../../core/failure.ts';
import { ManualClock } from '../../core/manual-clock.fixture.ts';
import { RandomWords } from '../../observe/random-words.ts';
import { RequestHead } from '../../protocol/head.ts';
import { scanRequestHead } from '../../protocol/http1/request-head.ts';
import { OUTCOME_SUCCESS } from '../attempt-outcome.ts';
import type { Balancer } from '../balancer.ts';
import type { Endpoint, UpstreamTransport } from '../endpoint.ts';
import { EndpointGroup } from '../endpoint-group.ts';
import { spec, type TrafficSpec } from '../traffic-policy.ts';
import { createBalancer } from './create-balancer.ts';

export interface Member {
  readonly address: string;
  readonly weight?: number;
  readonly zone?: string;
}

export function members(count: number): Member[] {
  return Array.from({ length: count }, (_, i) => ({ address: `10.0.${i >> 8}.${i & 255}:80` }));
}

export class Service {
  /** Ejections and returns, as the observer is told of them. */
  readonly events: {
    readonly kind: string;
    readonly endpoint: string;
    readonly reason?: string;
    readonly action?: string;
  }[] = [];
  readonly group: EndpointGroup;
  readonly policy: TrafficSpec;
  readonly time = {
    nowMs: 1_000,
    deadlines: new Deadlines(new ManualClock(0)),
    after: noTimer,
    handle: noTimer,
  };
  private readonly zone: string;
  private readonly random: RandomWords;
  endpoints: Endpoint[] = [];
  balancer: Balancer;

  constructor(of: readonly Member[], policy: Record<string, unknown> = {}, zone = '', seed = 1) {
    this.policy = spec.parse(policy);
    this.zone = zone;
    this.random = new RandomWords(seededRandom(seed));
    this.group = new EndpointGroup('orders', {
      observer: {
        onEjection: (endpoint, reason, action) =>
          void this.events.push({ kind: 'ejection', endpoint, reason, action }),
        onReturn: (endpoint) => void this.events.push({ kind: 'return', endpoint }),
        onHealthChange: (endpoint, healthy) =>
          void this.events.push({ kind: healthy ? 'healthy' : 'unhealthy', endpoint }),
      },
      random: () => this.random.nextFraction(),
    });
    this.balancer = this.follow(of);
  }

  /** As a config reload does. */
  follow(of: readonly Member[]): Balancer {
    const { group, policy, random, zone } = this;
    group.follow(
      of.map(({ address }) => address),
      policy,
      this.time.nowMs,
    );
    this.endpoints = of.map(({ address, weight = 1, zone: at = '' }) => ({
      ...{ address, weight, zone: at, transport: NO_TRANSPORT },
      record: group.recordOf(address),
    }));
    this.balancer = createBalancer(group, this.endpoints, policy.loadBalancer, {
      random,
      zone,
      keepTable: (_, create) => create(),
    });
    return this.balancer;
  }

  exchange(fields: readonly string[] = [], peerAddress = '10.1.1.1'): Exchange {
    const request = new RequestHead();
    const raw = Buffer.from(['GET / HTTP/1.1', 'host: a', ...fields, '', ''].join('\r\n'), 'latin1');
    if (scanRequestHead(request, raw, 0, raw.length) !== raw.length) throw new Error('unreadable request');
    return new Exchange(ROUTE, NO_DOWNSTREAM, request, this.time, '', peerAddress, this.time.nowMs);
  }

  /** An attempt at `endpoint` that begins and ends at once, as far as load is concerned. */
  complete({ record }: Endpoint, latencyMs: number, outcome = OUTCOME_SUCCESS): void {
    record.begin();
    record.end(outcome, latencyMs, this.time.nowMs, this.time.nowMs);
  }

  /** Picks `count` times, `everyMs` apart, each answered after what `latencyOf` says; returns picks by address. */
  run(count: number, everyMs: number, latencyOf: (endpoint: Endpoint) => number): Map<string, number> {
    const picks = new Map(this.endpoints.map(({ address }) => [address, 0]));
    let underWay: { readonly endpoint: Endpoint; readonly sinceMs: number; readonly untilMs: number }[] = [];
    const exchange = this.exchange();
    for (let i = 0; i < count; i++) {
      this.time.nowMs += everyMs;
      for (const { endpoint, sinceMs, untilMs } of underWay) {
        if (untilMs <= this.time.nowMs)
          endpoint.record.end(OUTCOME_SUCCESS, untilMs - sinceMs, sinceMs, this.time.nowMs);
      }
      underWay = underWay.filter(({ untilMs }) => untilMs > this.time.nowMs);
      const endpoint = this.balancer.pick(exchange);
      if (endpoint === null) throw new Error('nothing to pick');
      endpoint.record.begin();
      picks.set(endpoint.address, (picks.get(endpoint.address) ?? 0) + 1);
      underWay.push({ endpoint, sinceMs: this.time.nowMs, untilMs: this.time.nowMs + latencyOf(endpoint) });
    }
    for (const { endpoint, sinceMs, untilMs } of underWay) {
      endpoint.record.end(OUTCOME_SUCCESS, untilMs - sinceMs, sinceMs, this.time.nowMs);
    }
    return picks;
  }
}

const NO_TRANSPORT: UpstreamTransport = {
  open: nothing,
  cancel: nothing,
  retireConnections: nothing,
  close: nothing,
  counts: { open: 0, idle: 0, waiting: 0 },
};

const NO_DOWNSTREAM = {} as DownstreamStream;

const ROUTE = {
  ...({
    name: 'orders',
    direction: 'outbound',
    service: 'shop',
    trustsPeer: true,
    balancer: null,
    rule: '',
    unreachable: Failure.noRoute,
  } as const),
  chain: compileChain([]),
  timeouts: { headMs: 1, bodyIdleMs: 1, idleMs: 1, connectMs: 1, upstreamMs: 1 },
  ...{
    requestTimeoutMs: Number.POSITIVE_INFINITY,
    attemptTimeoutMs: Number.POSITIVE_INFINITY,
    retry: null,
    hedge: null,
  },
};

function nothing(): void {}

function noTimer(): never {
  throw new Error('nothing here waits');
}
