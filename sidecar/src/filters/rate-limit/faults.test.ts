// A real Redis that is killed, stopped in its tracks and started again while requests come.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { findSteadyPort } from '../../../../test/parts/part.ts';
import { type Redis as RedisServer, startRedis } from '../../../../test/parts/redis.ts';
import { systemClock } from '../../core/clock.ts';
import { begin, onDownstreamGone } from '../../core/course.ts';
import { Deadlines } from '../../core/deadlines.ts';
import type { EventTime } from '../../core/exchange.ts';
import { Failure } from '../../core/failure.ts';
import { type Stage, setStage } from '../../core/hand-led-exchange.ts';
import { LIMITS } from '../../core/limits.ts';
import { closeLimits, type OpenLimits, openLimits, policyOf } from './rate-limit.fixture.ts';
import { RateLimitFilter } from './rate-limit.ts';

const DEADLINE_MS = 40;
/** For a request that has to be answered in time, on a loaded machine as well. */
const PATIENT_MS = 1_000;
/** What a loaded machine may add to a deadline; a request that waited for the store itself would take much longer. */
const GENEROUS_MS = 2_000;

const REAL_TIME: EventTime = {
  get nowMs() {
    return systemClock.monotonicMs();
  },
  deadlines: new Deadlines(systemClock),
  after: (delayMs, action) => systemClock.setTimer(action, delayMs),
  handle: (action) => action(),
};

const servers: RedisServer[] = [];
const rejections: unknown[] = [];
process.on('unhandledRejection', (reason) => rejections.push(reason));
afterEach(async () => {
  closeLimits();
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  expect(rejections).toEqual([]);
});

/** Where a server can come back: no port that the system gives to connections of others meanwhile. */
async function startServer(port?: number): Promise<RedisServer> {
  const server = await startRedis({ port: port ?? (await findSteadyPort()) });
  servers.push(server);
  return server;
}

interface Caller extends OpenLimits {
  /** `admitted`, or the failure that the request was answered with. */
  send(tenant?: string): Promise<string>;
  begin(tenant?: string): Stage;
}

async function openCaller(server: RedisServer, policy: Record<string, unknown>): Promise<Caller> {
  const limiter = openLimits();
  const compiled = policyOf({
    limits: [
      {
        name: 'a',
        scope: 'global',
        key: [{ header: 'x-tenant' }],
        windows: [{ quota: 5, windowSeconds: 3_600 }],
      },
    ],
    redis: { endpoints: [`127.0.0.1:${server.port}`], deadlineMs: DEADLINE_MS },
    ...policy,
  });
  const filter = new RateLimitFilter(compiled, limiter.limits.compile(compiled));
  const start = (tenant = 'acme'): Stage => {
    const stage = setStage([filter], { fields: [`x-tenant: ${tenant}`], time: REAL_TIME });
    begin(stage.exchange);
    return stage;
  };
  await until(limiter.storeIsUp);
  return {
    ...limiter,
    begin: start,
    async send(tenant) {
      const stage = start(tenant);
      await until(() => stage.opening || stage.events.includes('end'));
      return stage.opening ? 'admitted' : stage.exchange.failure.name;
    },
  };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(1);
}

async function sendMany(caller: Caller, count: number, tenant?: string): Promise<Record<string, number>> {
  const answers = await Promise.all(Array.from({ length: count }, () => caller.send(tenant)));
  const counted: Record<string, number> = {};
  for (const answer of answers) counted[answer] = (counted[answer] ?? 0) + 1;
  return counted;
}

describe.skipIf(process.env.REDIS_URL)('a Redis that is stopped in its tracks', () => {
  test.each([
    ['allow', { admitted: 300 }],
    ['deny', { rate_limit_unavailable: 300 }],
    ['local', { admitted: 5, rate_limited: 295 }],
  ])(
    'with `onFailure: %s` answers %j, the first at their deadline and the rest at once',
    async (onFailure, expected) => {
      const server = await startServer();
      const caller = await openCaller(server, { onFailure });
      process.kill(server.pid as number, 'SIGSTOP');
      const startedMs = performance.now();
      const answers: Record<string, number> = {};
      for (let round = 0; round < 30; round++) {
        for (const [answer, count] of Object.entries(await sendMany(caller, 10)))
          answers[answer] = (answers[answer] ?? 0) + count;
      }
      const tookMs = performance.now() - startedMs;
      process.kill(server.pid as number, 'SIGCONT');
      expect(answers).toEqual(expected);
      const failures = caller.failures();
      // Whoever came until the circuit opened has waited; nobody did afterwards.
      expect(failures.deadline).toBeGreaterThanOrEqual(LIMITS.rateLimitStoreFailures);
      expect(failures.deadline).toBeLessThanOrEqual(20);
      expect(failures.disconnected).toBe(300 - (failures.deadline as number));
      expect(tookMs).toBeLessThan(DEADLINE_MS * 2 + GENEROUS_MS);
      await until(caller.storeIsUp);
      expect(await caller.send('other')).toBe('admitted');
      expect(caller.counts('a')['redis allowed']).toBe(1);
      expect(caller.events).toEqual(['rate_limit_store_up', 'rate_limit_store_lost', 'rate_limit_store_up']);
    },
  );
});

describe.skipIf(process.env.REDIS_URL)('a Redis that is killed under load', () => {
  test('is done without, and used again once it is back; no request is lost or answered twice', async () => {
    const server = await startServer();
    const caller = await openCaller(server, { onFailure: 'allow' });
    let sending = true;
    let sent = 0;
    const answers: Record<string, number> = {};
    const load = (async () => {
      while (sending) {
        for (const [answer, count] of Object.entries(await sendMany(caller, 20, `tenant-${sent}`)))
          answers[answer] = (answers[answer] ?? 0) + count;
        sent += 20;
        await sleep(2);
      }
    })();
    await until(() => (answers.rate_limited ?? 0) > 100);
    process.kill(server.pid as number, 'SIGKILL');
    await until(() => (caller.failures().disconnected ?? 0) > 200);
    await startServer(server.port);
    await until(caller.storeIsUp);
    const limitedBefore = answers.rate_limited as number;
    await until(() => (answers.rate_limited as number) > limitedBefore + 100);
    sending = false;
    await load;
    expect(Object.keys(answers).sort()).toEqual(['admitted', 'rate_limited']);
    expect((answers.admitted as number) + (answers.rate_limited as number)).toBe(sent);
    expect(caller.events.slice(0, 2)).toEqual(['rate_limit_store_up', 'rate_limit_store_lost']);
    expect(caller.events.at(-1)).toBe('rate_limit_store_up');
  });

  test('is waited for at growing intervals when it is not there from the start', async () => {
    const port = await findSteadyPort();
    const limiter = openLimits();
    limiter.limits.compile(
      policyOf({
        limits: [{ name: 'a', scope: 'global', windows: [{ quota: 1, windowSeconds: 1 }] }],
        redis: { endpoints: [`127.0.0.1:${port}`] },
      }),
    );
    await until(() => limiter.events.length > 0);
    expect(limiter.events).toEqual(['rate_limit_store_unreachable']);
    await startServer(port);
    await until(limiter.storeIsUp);
    expect(limiter.events).toEqual(['rate_limit_store_unreachable', 'rate_limit_store_up']);
  });
});

describe.skipIf(process.env.REDIS_URL)('a request that waits for Redis', () => {
  test('is left alone when its caller has gone meanwhile', async () => {
    const server = await startServer();
    const caller = await openCaller(server, {
      redis: { endpoints: [`127.0.0.1:${server.port}`], deadlineMs: PATIENT_MS },
    });
    const stage = caller.begin();
    onDownstreamGone(stage.exchange, Failure.downstreamAborted);
    const eventsAtEnd = [...stage.events];
    await until(() => caller.counts('a')['redis allowed'] === 1);
    expect(stage.events).toEqual(eventsAtEnd);
    process.kill(server.pid as number, 'SIGSTOP');
    const stopped = caller.begin();
    onDownstreamGone(stopped.exchange, Failure.downstreamAborted);
    await until(() => caller.failures().deadline === 1);
    process.kill(server.pid as number, 'SIGCONT');
    expect(stopped.events).toEqual(eventsAtEnd);
  });

  test('goes on once, though the answer comes behind its deadline', async () => {
    const server = await startServer();
    const caller = await openCaller(server, { onFailure: 'allow' });
    process.kill(server.pid as number, 'SIGSTOP');
    const stage = caller.begin();
    await until(() => stage.opening);
    process.kill(server.pid as number, 'SIGCONT');
    expect(await caller.send('other')).toBe('admitted');
    expect(stage.events).toEqual(['open']);
  });

  test('is bounded in number: what is too much falls back at once', async () => {
    const server = await startServer();
    const caller = await openCaller(server, { onFailure: 'allow' });
    const count = LIMITS.rateLimitPending + 50;
    const stages = Array.from({ length: count }, (_, i) => caller.begin(`tenant-${i}`));
    expect(stages.filter(({ opening }) => opening)).toHaveLength(50);
    expect(caller.failures()).toEqual({ overflow: 50 });
    await until(() => stages.every(({ opening }) => opening));
  });
});
