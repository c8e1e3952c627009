import { describe, expect, test } from 'vitest';
import {
  OUTCOME_ABANDONED,
  OUTCOME_CONNECT,
  OUTCOME_ERROR,
  OUTCOME_GATEWAY,
  OUTCOME_SUCCESS,
} from '../attempt-outcome.ts';
import { members, Service } from '../balancing/service.fixture.ts';
import type { Endpoint } from '../endpoint.ts';
import { spec } from '../traffic-policy.ts';

const BASE_MS = 1_000;
const ejection = { baseMs: BASE_MS, maxMs: 8_000, jitter: 0 };

function serve(outlierDetection: object, count = 3, loadBalancer: object = {}): Service {
  const slowStart = { windowMs: 0 };
  return new Service(members(count), {
    outlierDetection: { ejection, ...outlierDetection },
    loadBalancer: { algorithm: 'roundRobin', slowStart, ...loadBalancer },
  });
}

const fail = (service: Service, endpoint: Endpoint, outcomes: readonly number[]): void => {
  for (const outcome of outcomes) service.complete(endpoint, 1, outcome);
};
const picked = (service: Service, count = 60): Set<string> =>
  new Set(Array.from({ length: count }, () => service.balancer.pick(service.exchange())?.address ?? 'none'));
const first = (service: Service): Endpoint => service.endpoints[0] as Endpoint;
const repeat = (outcome: number, times: number): number[] => Array(times).fill(outcome);

describe('failures in a row', () => {
  test.each([
    ['gateway', OUTCOME_GATEWAY, 5],
    ['connect', OUTCOME_CONNECT, 3],
  ])('%s failures eject', (name, outcome, count) => {
    const service = serve({});
    fail(service, first(service), repeat(outcome, count - 1));
    expect(service.events).toEqual([]);
    fail(service, first(service), [outcome]);
    expect(service.events).toEqual([
      {
        kind: 'ejection',
        endpoint: first(service).address,
        reason: `consecutive_${name}_failures`,
        action: 'enforced',
      },
    ]);
    expect(picked(service)).toEqual(new Set(service.endpoints.slice(1).map(({ address }) => address)));
  });

  test('are in a row no longer behind a success, and an attempt that was given up says nothing', () => {
    const service = serve({});
    fail(service, first(service), [
      ...repeat(OUTCOME_GATEWAY, 4),
      OUTCOME_SUCCESS,
      ...repeat(OUTCOME_GATEWAY, 4),
    ]);
    fail(service, first(service), [...repeat(OUTCOME_ABANDONED, 9)]);
    expect(service.events).toEqual([]);
    fail(service, first(service), [OUTCOME_GATEWAY]);
    expect(service.events).toHaveLength(1);
  });

  test('errors of the application eject when the policy says so', () => {
    const lenient = serve({});
    fail(lenient, first(lenient), repeat(OUTCOME_ERROR, 50));
    expect(lenient.events).toEqual([]);
    const strict = serve({ consecutive: { gatewayFailures: 0, errors: 4 } });
    fail(strict, first(strict), [OUTCOME_GATEWAY, OUTCOME_ERROR, OUTCOME_GATEWAY, OUTCOME_ERROR]);
    expect(strict.events).toMatchObject([{ reason: 'consecutive_errors' }]);
  });
});

describe('an endpoint that was ejected', () => {
  const ejected = (): { service: Service; endpoint: Endpoint } => {
    const service = serve({});
    const endpoint = first(service);
    fail(service, endpoint, repeat(OUTCOME_CONNECT, 3));
    return { service, endpoint };
  };

  test('is left alone until its time is over, then gets one attempt, and comes back when that succeeds', () => {
    const { service, endpoint } = ejected();
    service.time.nowMs += BASE_MS - 1;
    expect(picked(service)).not.toContain(endpoint.address);
    service.time.nowMs += 1;
    const probe = service.balancer.pick(service.exchange());
    expect(probe).toBe(endpoint);
    endpoint.record.begin();
    expect(picked(service)).not.toContain(endpoint.address);
    endpoint.record.end(OUTCOME_SUCCESS, 1, service.time.nowMs, service.time.nowMs);
    expect(service.events.at(-1)).toEqual({ kind: 'return', endpoint: endpoint.address });
    expect(picked(service)).toContain(endpoint.address);
  });

  test('stays away for twice as long each time that the attempt fails, up to the longest time', () => {
    const { service, endpoint } = ejected();
    const awayMs: number[] = [];
    for (let i = 0; i < 5; i++) {
      const sinceMs = service.time.nowMs;
      while (service.balancer.pick(service.exchange()) !== endpoint) service.time.nowMs += 100;
      awayMs.push(service.time.nowMs - sinceMs);
      service.complete(endpoint, 1, OUTCOME_GATEWAY);
    }
    expect(awayMs).toEqual([1_000, 2_000, 4_000, 8_000, 8_000]);
    expect(service.events.at(-1)).toMatchObject({ reason: 'probe_failed' });
  });

  test('is judged neither by attempts from before nor by one that the caller gave up', () => {
    const { service, endpoint } = ejected();
    const before = service.time.nowMs - 1;
    endpoint.record.begin();
    service.time.nowMs += BASE_MS;
    expect(service.balancer.pick(service.exchange())).toBe(endpoint);
    endpoint.record.begin();
    endpoint.record.end(OUTCOME_SUCCESS, 1_000, before, service.time.nowMs);
    expect(service.events).toHaveLength(1);
    endpoint.record.end(OUTCOME_ABANDONED, 1, service.time.nowMs, service.time.nowMs);
    expect(service.events).toHaveLength(1);
    expect(service.balancer.pick(service.exchange())).toBe(endpoint);
  });

  test('starts over with the shortest time when it was well for longer than it was away', () => {
    const { service, endpoint } = ejected();
    for (const wellMs of [900, 3_000]) {
      while (service.balancer.pick(service.exchange()) !== endpoint) service.time.nowMs += 100;
      service.complete(endpoint, 1);
      service.time.nowMs += wellMs;
      fail(service, endpoint, repeat(OUTCOME_CONNECT, 3));
    }
    const sinceMs = service.time.nowMs;
    while (service.balancer.pick(service.exchange()) !== endpoint) service.time.nowMs += 100;
    expect(service.time.nowMs - sinceMs).toBe(1_000);
  });

  test('comes back at once when the policy goes', () => {
    const { service, endpoint } = ejected();
    service.group.follow(
      service.endpoints.map(({ address }) => address),
      spec.parse({ loadBalancer: { algorithm: 'roundRobin', slowStart: { windowMs: 0 } } }),
      service.time.nowMs,
    );
    expect(picked(service)).toContain(endpoint.address);
  });
});

describe('compared with others', () => {
  const interval = (
    service: Service,
    answer: (endpoint: Endpoint, nth: number) => [number, number],
  ): void => {
    for (let nth = 0; nth < 200; nth++) {
      service.time.nowMs += 100;
      for (const endpoint of service.endpoints) service.complete(endpoint, ...answer(endpoint, nth));
    }
  };

  test('the success rate counts, where there are enough endpoints and attempts', () => {
    const policy = { consecutive: { gatewayFailures: 0 }, successRate: { minHosts: 5, minRequests: 50 } };
    const failing = (service: Service) =>
      interval(service, (endpoint, nth) => [
        1,
        endpoint === first(service) && nth % 2 ? OUTCOME_GATEWAY : OUTCOME_SUCCESS,
      ]);
    const enough = serve(policy, 6);
    failing(enough);
    expect(enough.events[0]).toMatchObject({ endpoint: first(enough).address, reason: 'success_rate' });
    const few = serve(policy, 4);
    failing(few);
    expect(few.events).toEqual([]);
  });

  test('endpoints that all fail alike are no outliers', () => {
    const service = serve(
      { consecutive: { gatewayFailures: 0 }, successRate: { minHosts: 3, minRequests: 10 } },
      6,
    );
    interval(service, (_, nth) => [1, nth % 3 === 0 ? OUTCOME_GATEWAY : OUTCOME_SUCCESS]);
    expect(service.events).toEqual([]);
  });

  test('latency counts, and the probe has to be fast as well', () => {
    const service = serve({ latency: { factor: 3 }, intervalMs: 5_000 });
    const slow = first(service);
    interval(service, (endpoint) => [endpoint === slow ? 100 : 20, OUTCOME_SUCCESS]);
    expect(service.events[0]).toMatchObject({ endpoint: slow.address, reason: 'latency' });
    // It never became faster.
    expect(service.events.slice(1).every(({ reason }) => reason === 'probe_failed')).toBe(true);
    service.time.nowMs += ejection.maxMs;
    expect(service.balancer.pick(service.exchange())).toBe(slow);
    service.complete(slow, 30);
    expect(service.events.at(-1)).toMatchObject({ kind: 'return' });
  });
});

describe('modes', () => {
  test('shadow tells what it would do and leaves nobody out', () => {
    const service = serve({ mode: 'shadow' });
    fail(service, first(service), repeat(OUTCOME_CONNECT, 3));
    expect(service.events).toMatchObject([{ action: 'shadow' }]);
    expect(picked(service).size).toBe(3);
    service.time.nowMs += BASE_MS;
    expect(picked(service).size).toBe(3);
    service.complete(first(service), 1);
    expect(service.events.at(-1)).toMatchObject({ kind: 'return' });
  });

  test('off counts nothing', () => {
    const service = serve({ mode: 'off' });
    fail(service, first(service), repeat(OUTCOME_CONNECT, 30));
    expect(service.events).toEqual([]);
  });
});

describe('what is left', () => {
  const all = { ejection: { ...ejection, maxShare: 1 } };

  test('is everybody when too few are', () => {
    const service = serve(all, 4, { panicThreshold: 0.5 });
    for (const endpoint of service.endpoints.slice(0, 3)) fail(service, endpoint, repeat(OUTCOME_CONNECT, 3));
    expect(picked(service).size).toBe(4);
    expect(service.group.panicPicks).toBe(60);
  });

  test('is nobody when that is what the policy says, and then it says why', () => {
    const service = serve(all, 1, { panicThreshold: 0 });
    fail(service, first(service), repeat(OUTCOME_CONNECT, 3));
    expect(service.balancer.pick(service.exchange())).toBeNull();
    expect(service.balancer.explainNone()).toBe('10.0.0.0:80: ejected for consecutive_connect_failures');
    service.time.nowMs += BASE_MS;
    expect(service.balancer.pick(service.exchange())).toBe(first(service));
  });

  test.each(['ringHash', 'maglev'])(
    'with %s, keys of an ejected endpoint go elsewhere and come back with it',
    (algorithm) => {
      const service = serve({}, 5, { algorithm, hash: { header: 'x-user' } });
      const owner = (key: number) => service.balancer.pick(service.exchange([`x-user: ${key}`]));
      const before = Array.from({ length: 300 }, (_, key) => owner(key));
      fail(service, first(service), repeat(OUTCOME_CONNECT, 3));
      const without = Array.from({ length: 300 }, (_, key) => owner(key));
      expect(without).not.toContain(first(service));
      expect(
        without.every((endpoint, key) => endpoint === before[key] || before[key] === first(service)),
      ).toBe(true);
      service.time.nowMs += BASE_MS;
      const key = before.indexOf(first(service));
      expect(owner(key)).toBe(first(service));
      service.complete(first(service), 1);
      expect(Array.from({ length: 300 }, (_, key) => owner(key))).toEqual(before);
    },
  );
});
