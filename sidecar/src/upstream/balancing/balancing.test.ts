import { describe, expect, test } from 'vitest';
import { OUTCOME_ABANDONED, OUTCOME_SUCCESS } from '../attempt-outcome.ts';
import { UNKNOWN_LATENCY } from '../endpoint-record.ts';
import { spec } from '../traffic-policy.ts';
import { members, Service } from './service.fixture.ts';

const hashed = (source: object, algorithm = 'ringHash') => ({ loadBalancer: { algorithm, hash: source } });
const ownerOf = (service: Service, fields: readonly string[], peer?: string) =>
  service.balancer.pick(service.exchange(fields, peer))?.address;

describe('the key of a hash', () => {
  test('is the value of a header, whatever the case of its name', () => {
    const service = new Service(members(50), hashed({ header: 'X-Tenant' }));
    const owners = ['a', 'b', 'c', 'd', 'e'].map((tenant) => ownerOf(service, [`X-TENANT: ${tenant}`]));
    expect(new Set(owners).size).toBeGreaterThan(2);
    expect(ownerOf(service, ['accept: x', 'x-tenant: c'])).toBe(owners[2]);
  });

  test('is the value of a cookie, quoted or not, among others and with names that begin alike', () => {
    const service = new Service(members(50), hashed({ cookie: 'sid' }, 'maglev'));
    const alone = ownerOf(service, ['cookie: sid=abc']);
    for (const cookies of [
      'x=1; sid=abc; y=2',
      'sidx=zzz;sid="abc"',
      'xsid=q; sid=abc ',
      '; ;sid=abc;sid=no',
    ]) {
      expect(ownerOf(service, [`cookie: ${cookies}`]), cookies).toBe(alone);
    }
    expect(ownerOf(service, ['cookie: x=1', 'cookie: sid=abc'])).toBe(alone);
  });

  test('is the address of the caller', () => {
    const service = new Service(members(50), hashed({ source: true }));
    const owners = new Set(Array.from({ length: 20 }, (_, i) => ownerOf(service, [], `10.9.0.${i}`)));
    expect(owners.size).toBeGreaterThan(5);
    expect(ownerOf(service, [], '10.9.0.7')).toBe(ownerOf(service, [], '10.9.0.7'));
  });

  test('may be missing: then the load decides', () => {
    const service = new Service(members(4), hashed({ header: 'x-tenant' }));
    for (const fields of [[], ['x-tenant: '], ['x-tenants: a']]) {
      const owners = new Set(Array.from({ length: 100 }, () => ownerOf(service, fields)));
      expect(owners.size, String(fields)).toBe(4);
    }
  });
});

describe('slow start', () => {
  const newcomer = (algorithm: string, window: number) => {
    const of = members(4);
    const service = new Service(of.slice(1), {
      loadBalancer: { algorithm, slowStart: { windowMs: 10_000, minShare: 0.1 } },
    });
    service.run(1_000, 1, () => 0.1);
    service.follow(of);
    const shares: number[] = [];
    for (let at = 0; at < window; at += 1_000) {
      const picks = service.run(2_000, 0.5, () => 0.1);
      shares.push((picks.get(of[0]?.address as string) as number) / 2_000);
    }
    return shares;
  };

  test.each(['peakEwma', 'leastRequest', 'roundRobin'])(
    '%s: a new endpoint gets its share by and by',
    (algorithm) => {
      const shares = newcomer(algorithm, 13_000);
      expect(shares[0]).toBeLessThan(0.08);
      expect(shares[5]).toBeGreaterThan(shares[0] as number);
      expect(shares[5]).toBeLessThan(0.23);
      expect(shares[11]).toBeGreaterThan(0.18);
    },
  );

  test('the endpoints that are there from the start have no slow start', () => {
    const service = new Service(members(2), { loadBalancer: { algorithm: 'roundRobin' } });
    expect([...service.run(100, 1, () => 1).values()]).toEqual([50, 50]);
  });
});

describe('a reload', () => {
  test('keeps what is known of endpoints that stay, and what is under way at those that go', () => {
    const of = members(3);
    const service = new Service(of);
    const [gone, slow] = service.endpoints;
    if (gone === undefined || slow === undefined) throw new Error('unreachable');
    service.complete(slow, 500);
    gone.record.begin();
    slow.record.begin();
    service.follow(of.slice(1));
    expect(service.endpoints[0]?.record).toBe(slow.record);
    expect(service.endpoints[0]?.record.inFlight).toBe(1);
    expect([...service.group.records].map(({ address }) => address)).toEqual([
      of[1]?.address,
      of[2]?.address,
    ]);
    // A config that was built and then refused has changed nothing.
    service.group.recordOf('10.9.9.9:80');
    expect([...service.group.records]).toHaveLength(2);
    gone.record.end(0, 1, 0, service.time.nowMs);
    slow.record.end(0, 1, 0, service.time.nowMs);
    expect(service.group.inFlight).toBe(0);
  });
});

describe('peak EWMA', () => {
  test('believes a slower answer at once, faster ones by and by, and nobody who was given up early', () => {
    const service = new Service(members(1), { loadBalancer: { decayMs: 10_000 } });
    const [endpoint] = service.endpoints;
    if (endpoint === undefined) throw new Error('unreachable');
    const { record } = endpoint;
    service.complete(endpoint, 100);
    expect(record.latencyAt(service.time.nowMs)).toBe(100);
    service.complete(endpoint, 20, OUTCOME_ABANDONED);
    expect(record.latencyAt(service.time.nowMs)).toBe(100);
    service.complete(endpoint, 300, OUTCOME_ABANDONED);
    expect(record.latencyAt(service.time.nowMs)).toBe(300);
    service.time.nowMs += 10_000;
    expect(record.latencyAt(service.time.nowMs)).toBeCloseTo(300 / Math.E, 5);
    service.complete(endpoint, 10);
    expect(record.latencyAt(service.time.nowMs)).toBeCloseTo(
      300 / Math.E + (10 - 300 / Math.E) * (1 - 1 / Math.E),
      5,
    );
  });
});

test('how slowly a request comes is not held against its endpoint', () => {
  const service = new Service(members(1));
  const [endpoint] = service.endpoints;
  if (endpoint === undefined) throw new Error('unreachable');
  service.complete(endpoint, UNKNOWN_LATENCY);
  expect(endpoint.record.latencyAt(service.time.nowMs)).toBe(0);
  service.complete(endpoint, 20);
  for (const outcome of [OUTCOME_SUCCESS, OUTCOME_ABANDONED])
    service.complete(endpoint, UNKNOWN_LATENCY, outcome);
  expect(endpoint.record.latencyAt(service.time.nowMs)).toBe(20);
});

describe('the section of a policy', () => {
  const problems = (loadBalancer: object) =>
    spec
      .safeParse({ loadBalancer })
      .error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? [];

  test('says what is missing or would have no effect', () => {
    expect(problems({ algorithm: 'maglev' })).toEqual(['loadBalancer.hash: is required with maglev']);
    expect(problems({ hash: { header: 'a' }, loadBound: 2 })).toEqual([
      'loadBalancer.hash: has no effect with peakEwma',
      'loadBalancer.loadBound: has no effect with peakEwma',
    ]);
    expect(problems({ algorithm: 'ringHash', hash: { source: true } })).toEqual([]);
    expect(problems({ algorithm: 'ringHash', hash: { header: 'a b' } })).toHaveLength(1);
    expect(problems({ decaysMs: 1 })).toHaveLength(1);
  });
});
