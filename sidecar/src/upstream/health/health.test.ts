import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Deadlines } from '../../core/deadlines.ts';
import { LIMITS } from '../../core/limits.ts';
import { ManualClock } from '../../core/manual-clock.fixture.ts';
import { TransportContext } from '../../transport/transport.ts';
import { members, Service } from '../balancing/service.fixture.ts';
import { spec } from '../traffic-policy.ts';
import { CheckSlots } from './check-slots.ts';
import { type Check, HealthChecker } from './checker.ts';
import type { HealthCheckSpec } from './config.ts';
import { HealthState } from './health-state.ts';
import { grpcQuestion } from './questions.ts';

const policy = { tcp: {}, intervalMs: 1_000, jitter: 0, unhealthyThreshold: 2, healthyThreshold: 2 };

/** Endpoints whose checks are answered when and how a test says. */
class Clinic {
  readonly clock = new ManualClock(0);
  readonly slots = new CheckSlots();
  readonly service: Service;
  readonly waiting = new Map<string, (problem: string) => void>();
  readonly asked: string[] = [];
  readonly aborted: string[] = [];
  private readonly context = new TransportContext(this.clock, new Deadlines(this.clock));

  constructor(count: number, healthCheck: object = policy) {
    this.service = new Service(members(count), { healthCheck, loadBalancer: { panicThreshold: 0 } });
  }

  open(): HealthChecker {
    const { group, endpoints, policy } = this.service;
    const check =
      (address: string): Check =>
      (done) => {
        this.asked.push(address);
        this.waiting.set(address, done);
        return {
          abort: () => {
            this.aborted.push(address);
            done('aborted');
          },
        };
      };
    const checks = new Map(endpoints.map(({ address, record }) => [record, check(address)]));
    const deps = { context: this.context, slots: this.slots, random: () => 0 };
    return new HealthChecker(group, policy.healthCheck as HealthCheckSpec, checks, deps);
  }

  answer(problem = ''): void {
    const answers = [...this.waiting.values()];
    this.waiting.clear();
    for (const done of answers) done(problem);
  }
}

describe('a checker', () => {
  test('asks each endpoint at once and then in every interval, and never twice at the same time', async () => {
    const clinic = new Clinic(2);
    clinic.open().start();
    await clinic.clock.advance(1);
    expect(clinic.asked).toHaveLength(2);
    await clinic.clock.advance(5_000);
    expect(clinic.asked).toHaveLength(2);
    clinic.answer();
    await clinic.clock.advance(1);
    expect(clinic.asked).toHaveLength(4);
    clinic.answer();
    await clinic.clock.advance(998);
    expect(clinic.asked).toHaveLength(4);
    await clinic.clock.advance(2);
    expect(clinic.asked).toHaveLength(6);
  });

  test('has no more checks under way than the limit, and all get their turn', async () => {
    const clinic = new Clinic(LIMITS.healthChecks * 2 + 5);
    clinic.open().start();
    await clinic.clock.advance(1);
    expect(clinic.waiting.size).toBe(LIMITS.healthChecks);
    clinic.answer();
    expect(clinic.waiting.size).toBe(LIMITS.healthChecks);
    clinic.answer();
    expect(new Set(clinic.asked).size).toBe(LIMITS.healthChecks * 2 + 5);
  });

  test('takes an endpoint out and in, and says so once', async () => {
    const clinic = new Clinic(1);
    clinic.open().start();
    const [endpoint] = clinic.service.endpoints;
    const outcomes = ['', 'status 500', '', 'status 500', 'status 500', 'status 500', '', ''];
    const picks: boolean[] = [];
    for (const problem of outcomes) {
      await clinic.clock.advance(1_000);
      clinic.answer(problem);
      picks.push(clinic.service.balancer.pick(clinic.service.exchange()) === endpoint);
    }
    expect(picks).toEqual([true, true, true, true, false, false, false, true]);
    expect(clinic.service.events.map(({ kind }) => kind)).toEqual(['unhealthy', 'healthy']);
  });

  test('that is stopped gives its slots back and reports nothing; the next goes on where it was', async () => {
    const clinic = new Clinic(LIMITS.healthChecks + 1, { ...policy, unhealthyThreshold: 1 });
    const first = clinic.open();
    first.start();
    await clinic.clock.advance(1);
    first.stop();
    expect(clinic.aborted).toHaveLength(LIMITS.healthChecks);
    expect(clinic.service.events).toEqual([]);
    clinic.waiting.clear();
    const second = clinic.open();
    second.start();
    await clinic.clock.advance(1);
    // Those that had begun are not due again.
    expect(clinic.waiting.size).toBe(1);
    await clinic.clock.advance(1_000);
    expect(clinic.waiting.size).toBe(LIMITS.healthChecks);
    second.stop();
    expect(clinic.clock.pendingTimers).toBe(0);
  });
});

test('health turns with as many results in a row as the policy says, and with no fewer', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.boolean(), { maxLength: 60 }),
      (unhealthyThreshold, healthyThreshold, results) => {
        const { healthCheck } = spec.parse({
          healthCheck: { tcp: {}, unhealthyThreshold, healthyThreshold },
        });
        const state = new HealthState();
        let healthy = true;
        results.forEach((passed, i) => {
          const turned = state.note(passed ? '' : 'status 500', healthCheck as HealthCheckSpec);
          const needed = healthy ? unhealthyThreshold : healthyThreshold;
          const last = results.slice(Math.max(0, i + 1 - needed), i + 1);
          const turns = last.length === needed && last.every((each) => each !== healthy);
          if (turns) healthy = !healthy;
          expect(turned).toBe(turns);
          expect(state.healthy).toBe(healthy);
        });
      },
    ),
  );
});

describe('the question by gRPC', () => {
  test.each([
    ['SERVING', 0, [0, 0, 0, 0, 2, 8, 1], ''],
    ['NOT_SERVING', 0, [0, 0, 0, 0, 2, 8, 2], 'NOT_SERVING'],
    ['nothing said', 0, [0, 0, 0, 0, 0], 'UNKNOWN'],
    ['a value that nobody knows', 0, [0, 0, 0, 0, 2, 8, 9], 'no answer that can be read'],
    ['compressed', 0, [1, 0, 0, 0, 2, 8, 1], 'no answer that can be read'],
    ['cut off', 0, [0, 0, 0], 'no answer that can be read'],
    ['UNIMPLEMENTED', 12, [], 'gRPC status 12'],
    ['not gRPC', -1, [], 'no gRPC status'],
  ])('%s', (_, grpcStatus, answer, problem) => {
    const exchange = new Service(members(1)).exchange();
    exchange.grpcStatus = grpcStatus;
    expect(grpcQuestion({ service: '' }, 'orders').judge(exchange, Buffer.from(answer))).toBe(problem);
  });

  test('names a service of any length', () => {
    const { body } = grpcQuestion({ service: 'a'.repeat(200) }, 'orders');
    expect(body.readUInt32BE(1)).toBe(body.length - 5);
    expect([...body.subarray(5, 8)]).toEqual([0x0a, 0xc8, 0x01]);
  });
});

test('a policy asks by exactly one way', () => {
  const problems = (healthCheck: object) =>
    spec.safeParse({ healthCheck }).error?.issues.map(({ message }) => message) ?? [];
  expect(problems({})).toEqual(['must have exactly one of http, grpc and tcp, and has none']);
  expect(problems({ tcp: {}, grpc: {} })).toEqual([
    'must have exactly one of http, grpc and tcp, and has more',
  ]);
  expect(problems({ http: { path: '/a b' } })).toEqual(['must be a path that begins with "/"']);
  expect(problems({ http: { path: '/healthz?full=1' } })).toEqual([]);
});
