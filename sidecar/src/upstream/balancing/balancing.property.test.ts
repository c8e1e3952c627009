import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OUTCOME_CONNECT } from '../attempt-outcome.ts';
import type { Endpoint } from '../endpoint.ts';
import { type Member, members, Service } from './service.fixture.ts';

const seed = fc.integer({ min: 1, max: 1_000_000 });
const weights = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 12 });
const algorithm = fc.constantFrom('peakEwma', 'leastRequest', 'roundRobin');

const weighted = (of: readonly number[]): Member[] =>
  members(of.length).map((member, i) => ({ ...member, weight: of[i] as number }));
const share = (picks: Map<string, number>, { address }: Member): number =>
  (picks.get(address) as number) / [...picks.values()].reduce((sum, count) => sum + count, 0);

describe('shares', () => {
  test('converge to the weights, whatever the algorithm, among endpoints that are equally good', () => {
    fc.assert(
      fc.property(seed, weights, algorithm, (seed, weights, algorithm) => {
        const service = new Service(weighted(weights), { loadBalancer: { algorithm } }, '', seed);
        // One at a time, so that it is the weights that decide.
        const picks = service.run(20_000, 10, () => 5);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        service.endpoints.forEach((endpoint, i) => {
          expect(share(picks, endpoint)).toBeCloseTo((weights[i] as number) / total, 1);
        });
      }),
      { numRuns: 40 },
    );
  });

  test('by peak EWMA go away from an endpoint that is ten times slower, however many there are', () => {
    fc.assert(
      fc.property(
        seed,
        fc.integer({ min: 3, max: 40 }),
        fc.integer({ min: 1, max: 20 }),
        (seed, count, slowMs) => {
          const service = new Service(members(count), {}, '', seed);
          const [slow] = service.endpoints as [Endpoint];
          const picks = service.run(10_000, 1, (endpoint) => (endpoint === slow ? slowMs * 10 : slowMs));
          expect(share(picks, slow)).toBeLessThan(0.25 / count);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('by peak EWMA go away from an endpoint that fails fast', () => {
    fc.assert(
      fc.property(seed, fc.integer({ min: 3, max: 20 }), (seed, count) => {
        const service = new Service(members(count), {}, '', seed);
        const [broken] = service.endpoints as [Endpoint];
        const exchange = service.exchange();
        let failed = 0;
        for (let i = 0; i < 5_000; i++) {
          service.time.nowMs += 1;
          const endpoint = service.balancer.pick(exchange) as Endpoint;
          if (endpoint === broken) failed++;
          if (endpoint === broken) service.complete(endpoint, 0.1, OUTCOME_CONNECT);
          else service.complete(endpoint, 10);
        }
        expect(failed / 5_000).toBeLessThan(0.25 / count);
      }),
      { numRuns: 20 },
    );
  });
});

describe('zones', () => {
  const zoned = (counts: readonly number[]): Member[] => {
    const zones = counts.flatMap((count, zone) => Array<string>(count).fill(`zone-${zone}`));
    return members(zones.length).map((member, i) => ({ ...member, zone: zones[i] as string }));
  };
  const perZone = (service: Service, picks: Map<string, number>): number[] => {
    const shares: number[] = [];
    for (const endpoint of service.endpoints) {
      const zone = Number(endpoint.zone.slice('zone-'.length));
      shares[zone] = (shares[zone] ?? 0) + share(picks, endpoint);
    }
    return shares;
  };

  test('with enough of the own zone, nothing leaves it', () => {
    fc.assert(
      fc.property(
        seed,
        algorithm,
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }),
        (seed, algorithm, others) => {
          const own = Math.max(...others);
          const service = new Service(
            zoned([own, ...others]),
            { loadBalancer: { algorithm } },
            'zone-0',
            seed,
          );
          expect(
            perZone(
              service,
              service.run(2_000, 10, () => 1),
            )[0],
          ).toBeCloseTo(1, 5);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('what the own zone lacks goes to the others, in proportion to what they have over', () => {
    // Of 12, each zone is entitled to 4: the own one has 1, the others have 1 and 3 left.
    const service = new Service(zoned([1, 5, 6]), { loadBalancer: { algorithm: 'roundRobin' } }, 'zone-0');
    const [own, second, third] = perZone(
      service,
      service.run(20_000, 10, () => 1),
    ) as [number, number, number];
    expect(own).toBeCloseTo(1 / 4, 1);
    expect(second).toBeCloseTo((3 / 4) * (1 / 3), 1);
    expect(third).toBeCloseTo((3 / 4) * (2 / 3), 1);
  });

  test('make no difference to who is in none, to who is in one without endpoints, and when switched off', () => {
    for (const [zone, zoneAware] of [
      ['', 'on'],
      ['zone-9', 'on'],
      ['zone-0', 'off'],
    ] as const) {
      const service = new Service(zoned([1, 3]), { loadBalancer: { zoneAware } }, zone);
      expect(
        perZone(
          service,
          service.run(20_000, 10, () => 1),
        )[0],
      ).toBeCloseTo(1 / 4, 1);
    }
  });
});

describe('consistent hashing', () => {
  const hashing = fc.constantFrom('ringHash', 'maglev');
  const owners = (service: Service, keys: number): string[] =>
    Array.from(
      { length: keys },
      (_, key) => service.balancer.pick(service.exchange([`x-user: user-${key}`]))?.address ?? '',
    );
  const by = (algorithm: string, rest: object = {}) => ({
    loadBalancer: { algorithm, hash: { header: 'X-User' }, ...rest },
  });

  test('when an endpoint leaves, hardly any keys move but its own', () => {
    fc.assert(
      fc.property(hashing, fc.integer({ min: 3, max: 60 }), fc.nat(), (algorithm, count, nth) => {
        const of = members(count);
        const leaver = of[nth % count] as Member;
        const service = new Service(of, by(algorithm));
        const before = owners(service, 2_000);
        service.follow(of.filter((member) => member !== leaver));
        const after = owners(service, 2_000);
        const moved = before.filter((owner, key) => owner !== leaver.address && owner !== after[key]).length;
        if (algorithm === 'ringHash') expect(moved).toBe(0);
        else expect(moved / 2_000).toBeLessThan(0.06);
      }),
      { numRuns: 30 },
    );
  });

  test('shares are those of the weights, and the order of endpoints makes no difference', () => {
    fc.assert(
      fc.property(hashing, weights, (algorithm, weights) => {
        const of = weighted(weights);
        const service = new Service(of, by(algorithm));
        const owned = owners(service, 5_000);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        of.forEach(({ address }, i) => {
          const part = owned.filter((owner) => owner === address).length / owned.length;
          expect(Math.abs(part - (weights[i] as number) / total)).toBeLessThan(0.08);
        });
        service.follow(of.toReversed());
        expect(owners(service, 200)).toEqual(owned.slice(0, 200));
      }),
      { numRuns: 30 },
    );
  });

  test('with a load bound, no endpoint has more under way than that times its part', () => {
    fc.assert(
      fc.property(
        hashing,
        fc.integer({ min: 2, max: 20 }),
        fc.integer({ min: 1, max: 300 }),
        (algorithm, count, load) => {
          const service = new Service(members(count), by(algorithm, { loadBound: 1.25 }));
          for (let i = 0; i < load; i++) {
            service.balancer.pick(service.exchange(['x-user: the-only-one']))?.record.begin();
          }
          const most = Math.max(...service.endpoints.map(({ record }) => record.inFlight));
          expect(most).toBeLessThanOrEqual(Math.ceil((1.25 * load) / count));
        },
      ),
      { numRuns: 40 },
    );
  });
});

test('an endpoint that was tried is not picked again while there is another, whatever the algorithm', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('peakEwma', 'leastRequest', 'roundRobin', 'ringHash', 'maglev'),
      fc.integer({ min: 1, max: 12 }),
      (algorithm, count) => {
        const hash = { hash: { header: 'x-user' } };
        const hashes = algorithm === 'ringHash' || algorithm === 'maglev';
        const service = new Service(members(count), { loadBalancer: { algorithm, ...(hashes ? hash : {}) } });
        const exchange = service.exchange(['x-user: a']);
        for (let left = count; left > 0; left--) {
          const endpoint = service.balancer.pick(exchange) as Endpoint;
          exchange.tried = [...exchange.tried, endpoint];
        }
        expect(new Set(exchange.tried).size).toBe(count);
        expect(service.balancer.pick(exchange)).not.toBeNull();
      },
    ),
    { numRuns: 60 },
  );
});
