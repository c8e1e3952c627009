// Global limits through the filter, over a real Redis.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Redis, startRedis } from '../../../../test/parts/redis.ts';
import { systemClock } from '../../core/clock.ts';
import { begin, onResponseEnd, onResponseHead, onUpstreamReady } from '../../core/course.ts';
import { Deadlines } from '../../core/deadlines.ts';
import type { EventTime } from '../../core/exchange.ts';
import { answer, type Stage, setStage } from '../../core/hand-led-exchange.ts';
import { closeLimits, type OpenLimits, openLimits, policyOf } from './rate-limit.fixture.ts';
import { RateLimitFilter } from './rate-limit.ts';

let redis: Redis;
beforeAll(async () => {
  redis = await startRedis();
});
afterEach(closeLimits);
afterAll(() => redis.stop());

/** Answers are events of their own: their number is noted. */
let events = 0;
const REAL_TIME: EventTime = {
  get nowMs() {
    return systemClock.monotonicMs();
  },
  deadlines: new Deadlines(systemClock),
  after: (delayMs, action) => systemClock.setTimer(action, delayMs),
  handle(action) {
    events++;
    action();
  },
};

interface Caller extends OpenLimits {
  begin(fields?: readonly string[]): Stage;
  send(fields?: readonly string[]): Promise<Stage>;
}

let prefixes = 0;
async function openCaller(document: Record<string, unknown>): Promise<Caller> {
  const limiter = openLimits();
  const policy = policyOf({
    ...document,
    redis: {
      endpoints: [new URL(redis.url).host],
      keyPrefix: `decision-${process.pid}-${prefixes++}:`,
      deadlineMs: 1_000,
    },
  });
  const filter = new RateLimitFilter(policy, limiter.limits.compile(policy));
  const start = (fields: readonly string[] = []): Stage => {
    const stage = setStage([filter], { fields, time: REAL_TIME });
    begin(stage.exchange);
    return stage;
  };
  while (!limiter.storeIsUp()) await sleep(5);
  return {
    ...limiter,
    begin: start,
    async send(fields) {
      const stage = start(fields);
      while (!stage.opening && !stage.events.includes('end')) await sleep(1);
      return stage;
    },
  };
}

function responseFields({ exchange }: Stage): string[] {
  const head = exchange.response;
  if (head === null) return [];
  return Array.from({ length: head.rows }, (_, row) =>
    head.bytes.toString('latin1', head.lineStart(row), head.valueEnd(row)),
  );
}

function complete(stage: Stage): void {
  onUpstreamReady(stage.exchange, stage.connect());
  onResponseHead(stage.exchange, answer());
  onResponseEnd(stage.exchange, null);
}

const HOUR = 3_600;
const global = (name: string, quota: number, more: Record<string, unknown> = {}) => ({
  name,
  scope: 'global',
  windows: [{ quota, windowSeconds: HOUR }],
  ...more,
});

test('a request waits, goes on in an event of its own, and its response tells what the store said', async () => {
  const caller = await openCaller({ limits: [global('a', 2)] });
  events = 0;
  const stage = caller.begin();
  expect(stage.events).toEqual([]);
  while (!stage.opening) await sleep(1);
  expect(events).toBe(1);
  complete(stage);
  expect(responseFields(stage)).toEqual(['ratelimit-policy: "a";q=2;w=3600', 'ratelimit: "a";r=1;t=1800']);
});

test('of several limits the one that makes wait longest is named', async () => {
  const caller = await openCaller({
    limits: [global('wide', 3), global('narrow', 1), { ...global('here', 9), scope: 'local' }],
  });
  expect((await caller.send()).opening).toBe(true);
  const refused = await caller.send();
  expect(refused.exchange).toMatchObject({ status: 429, failureDetail: 'demo/tenants/narrow: 1 in 3600 s' });
  const fields = responseFields(refused);
  expect(fields.find((line) => line.startsWith('retry-after'))).toMatch(/^retry-after: 3(600|59\d)$/);
  expect(fields.filter((line) => line.startsWith('ratelimit-policy'))).toEqual([
    'ratelimit-policy: "here";q=9;w=3600',
    'ratelimit-policy: "wide";q=3;w=3600',
    'ratelimit-policy: "narrow";q=1;w=3600',
  ]);
  expect(caller.counts('wide')).toEqual({ 'redis allowed': 2 });
});

test('what the store refused is refused here until it would admit, but for requests that cost less', async () => {
  const caller = await openCaller({
    limits: [global('a', 10, { cost: { header: 'x-units', max: 10 } })],
  });
  const sends = async (units: number) => (await caller.send([`x-units: ${units}`])).exchange.status;
  expect([await sends(7), await sends(5), await sends(5), await sends(6), await sends(3)]).toEqual([
    0, 429, 429, 429, 0,
  ]);
  expect(caller.counts('a')).toEqual({ 'redis allowed': 2, 'redis limited': 1, 'precheck limited': 2 });
});

test('what a local limit refuses is not asked', async () => {
  const caller = await openCaller({
    limits: [{ ...global('here', 1), scope: 'local' }, global('there', 5)],
  });
  expect([(await caller.send()).exchange.status, (await caller.send()).exchange.status]).toEqual([0, 429]);
  expect(caller.counts('there')).toEqual({ 'redis allowed': 1 });
});

test('in shadow mode nobody waits, and what would have happened is noted while the exchange lasts', async () => {
  const caller = await openCaller({ mode: 'shadow', limits: [global('a', 1)] });
  const stages = [caller.begin(), caller.begin()];
  expect(stages.map(({ opening }) => opening)).toEqual([true, true]);
  while (caller.counts('a', 'shadow')['redis limited'] === undefined) await sleep(1);
  for (const stage of stages) complete(stage);
  expect(stages.map(({ exchange }) => exchange.shadow)).toEqual(['', 'rate_limit demo/tenants a']);
  expect(stages.flatMap(responseFields)).toEqual([]);
});
