import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OUTCOME_SUCCESS } from '../attempt-outcome.ts';
import { members, Service } from '../balancing/service.fixture.ts';
import type { Endpoint } from '../endpoint.ts';

const step = fc.record({
  nth: fc.nat(31),
  outcome: fc.integer({ min: 0, max: 4 }),
  times: fc.integer({ min: 1, max: 6 }),
  afterMs: fc.constantFrom(0, 1, 500, 5_000),
  latencyMs: fc.constantFrom(1, 20, 500),
  /** How many endpoints the config has from here on; 0 for as many as before. */
  members: fc.constantFrom(0, 0, 0, 0, 0, 0, 1, 2, 5, 8),
});

test('whatever happens, no more is ejected than may be, what is picked may be used, and who is well again comes back', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.array(step, { maxLength: 120 }),
      (count, maxShare, steps) => {
        const service = new Service(members(count), {
          loadBalancer: { panicThreshold: 0, slowStart: { windowMs: 0 } },
          outlierDetection: {
            intervalMs: 1_000,
            successRate: { minHosts: 2, minRequests: 3 },
            latency: { minHosts: 2, minRequests: 3 },
            ejection: { baseMs: 1_000, maxMs: 10_000, maxShare },
          },
        });
        for (const { nth, outcome, times, afterMs, latencyMs, members: next } of steps) {
          if (next > 0) service.follow(members(next));
          service.time.nowMs += afterMs;
          const endpoint = service.endpoints[nth % service.endpoints.length] as Endpoint;
          for (let i = 0; i < times; i++) service.complete(endpoint, latencyMs, outcome);
          const ejected = service.endpoints.filter(({ record }) => record.outlier.reason !== null);
          expect(ejected.length).toBeLessThanOrEqual(Math.floor(service.endpoints.length * maxShare));
          const picked = service.balancer.pick(service.exchange());
          if (picked === null) expect(ejected.length).toBe(service.endpoints.length);
          else expect(service.endpoints).toContain(picked);
        }
        recover(service);
        expect(service.endpoints.every(({ record }) => record.available)).toBe(true);
      },
    ),
    { numRuns: 150 },
  );
});

/** Every attempt succeeds, for longer than the longest ejection. */
function recover(service: Service): void {
  for (let elapsedMs = 0; elapsedMs < 25_000; elapsedMs += 50) {
    service.time.nowMs += 50;
    const endpoint = service.balancer.pick(service.exchange());
    if (endpoint !== null) service.complete(endpoint, 1, OUTCOME_SUCCESS);
  }
}
