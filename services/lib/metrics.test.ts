import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { parseExposition } from '../../mesh/cli/top/exposition.ts';
import type { MetricDeclaration } from '../../sidecar/src/observe/metric.ts';
import { checkMetrics } from '../../test/parts/prometheus.ts';
import { type Redis as RedisPart, startRedis } from '../../test/parts/redis.ts';
import { untilConnected, waitFor } from '../testing/platform.ts';
import { waitListOf } from './contracts.ts';
import {
  QUEUE_ATTEMPT_DURATION,
  QUEUE_ATTEMPTS,
  QUEUE_DEAD_LETTERS,
  QUEUE_JOBS,
  QUEUE_OLDEST_AGE,
  QUEUE_STALLED,
  QUEUE_SUBMISSIONS,
  QUEUE_UP,
  QUEUE_WAIT,
} from './job-metrics.ts';
import { type JobQueue, openJobQueue } from './job-queue.ts';
import { type AcceptedJob, type JobWorker, PermanentFailure, startJobWorker } from './job-worker.ts';
import { LIMITS } from './limits.ts';
import { createLog } from './log.ts';
import { ServiceMetrics } from './metrics.ts';
import { openRedis, type RedisAccess } from './redis.ts';

const log = createLog('test', 'silent');
let part: RedisPart;
let access: RedisAccess;
let redis: ReturnType<typeof openRedis>;
let metrics: ServiceMetrics;
let queue: JobQueue;
let worker: JobWorker | undefined;
let queues = 0;

beforeAll(async () => {
  part = await startRedis();
  access = { url: part.url, log, credentials: undefined, followers: new Set() };
  redis = openRedis(access);
  await untilConnected(redis);
});
afterAll(async () => {
  redis.disconnect();
  await part.stop();
});
beforeEach(() => {
  metrics = new ServiceMetrics('test');
  queue = openJobQueue(`metrics-${process.pid}-${queues++}`, redis, metrics);
});
afterEach(async () => {
  await worker?.drain();
  worker = undefined;
  await queue.close();
});

const add = (id: string) => queue.add({ id, tenant: 'acme', work: {} });

function work(run: (job: AcceptedJob<object>) => Promise<unknown>) {
  worker = startJobWorker({
    queueName: queue.queue.name,
    redis: access,
    concurrency: 1,
    retry: { attempts: 2, firstDelayMs: 60_000, maxDelayMs: 60_000 },
    keptFailures: 10,
    workSchema: z.strictObject({}),
    ...{ log, metrics },
    random: () => 0.5,
    process: run,
  });
}

/** What a scrape says of it, by the label that tells its series apart. */
async function scrape(
  { name }: MetricDeclaration,
  label = 'queue',
  suffix = '',
): Promise<Record<string, number>> {
  const samples = parseExposition(await metrics.text()).filter((sample) => sample.name === name + suffix);
  return Object.fromEntries(samples.map(({ labels, value }) => [labels.get(label) ?? '', value]));
}

const only = async (...of: Parameters<typeof scrape>) => Object.values(await scrape(...of))[0];

/** Until what Redis said is not fresh any more. */
const stale = () => sleep(LIMITS.queueDepthFreshMs);

test('the depth of a queue by state, and the age of the oldest job', async () => {
  expect(await scrape(QUEUE_JOBS, 'state')).toEqual({ waiting: 0, active: 0, delayed: 0, failed: 0 });
  expect(await only(QUEUE_OLDEST_AGE)).toBe(0);
  let finish = () => {};
  work(({ id }) => {
    if (id === 'dies') throw new PermanentFailure('no');
    if (id === 'later') throw new Error('not now');
    return new Promise<void>((resolve) => {
      finish = resolve;
    });
  });
  for (const id of ['dies', 'later', 'runs', 'first', 'second']) await add(id);
  await stale();
  expect(await scrape(QUEUE_JOBS, 'state')).toEqual({ waiting: 2, active: 1, delayed: 1, failed: 1 });
  const first = (await queue.find('first'))?.timestamp ?? 0;
  const second = (await queue.find('second'))?.timestamp ?? 0;
  const age = 1_000 * ((await only(QUEUE_OLDEST_AGE)) ?? 0);
  // The answer is at most as old as it may be, and no younger than the second job's.
  expect(age).toBeGreaterThan(LIMITS.queueDepthFreshMs - 100);
  expect(age).toBeLessThanOrEqual(Date.now() - first);
  expect(age).toBeGreaterThan(Date.now() - second - 2 * LIMITS.queueDepthFreshMs);
  await queue.queue.drain();
  finish();
});

test('a job that waits to be tried again does not count as old', async () => {
  const wait = waitListOf(queue.queue.name);
  expect(wait).toBe(queue.queue.toKey('wait'));
  await add('tried');
  await redis.hset(queue.queue.toKey('tried'), 'ats', 1, 'timestamp', 1);
  await add('fresh');
  const age = await only(QUEUE_OLDEST_AGE);
  expect(age).toBeGreaterThanOrEqual(0);
  expect(age).toBeLessThan(60);
  expect(await redis.lrange(wait, 0, -1)).toEqual(['fresh', 'tried']);
});

test('what became of jobs, how long they waited and took', async () => {
  work(async ({ id }) => {
    if (id === 'dies') throw new PermanentFailure('no');
    if (id === 'later') throw new Error('not now');
    await sleep(20);
  });
  for (const id of ['dies', 'later', 'one', 'two']) await add(id);
  await waitFor(
    'the jobs',
    () => scrape(QUEUE_ATTEMPTS, 'outcome'),
    ({ completed = 0, retried = 0, failed = 0 }) => completed + retried + failed === 4,
  );
  expect(await scrape(QUEUE_ATTEMPTS, 'outcome')).toEqual({ completed: 2, retried: 1, failed: 1 });
  await waitFor(
    'the dead letter',
    () => scrape(QUEUE_DEAD_LETTERS),
    (found) => found[queue.queue.name] === 1,
  );
  expect(await scrape(QUEUE_SUBMISSIONS, 'outcome')).toEqual({ accepted: 4, full: 0, unavailable: 0 });
  for (const histogram of [QUEUE_WAIT, QUEUE_ATTEMPT_DURATION]) {
    expect(await only(histogram, 'queue', '_count')).toBe(4);
  }
  expect(await only(QUEUE_ATTEMPT_DURATION, 'queue', '_sum')).toBeGreaterThan(0.03);
});

test('jobs of a worker that died are counted when they are taken back, and as dead letters when that was once too often', async () => {
  const key = (name: string) => queue.queue.toKey(name);
  for (const id of ['again', 'enough']) {
    await add(id);
    // As a worker leaves it that was killed, after the first look at its lock.
    await redis.rpoplpush(key('wait'), key('active'));
    await redis.sadd(key('stalled'), id);
  }
  await redis.hset(key('enough'), 'stc', 1);
  const done: string[] = [];
  work(async ({ id }) => done.push(id));
  await waitFor(
    'both to end',
    () => scrape(QUEUE_DEAD_LETTERS),
    (found) => found[queue.queue.name] === 1 && done.length === 1,
  );
  expect(done).toEqual(['again']);
  expect(await only(QUEUE_STALLED)).toBe(2);
  expect((await queue.read('enough'))?.state).toBe('failed');
});

test('two queues of a service stand side by side', async () => {
  const other = openJobQueue(`${queue.queue.name}-other`, redis, metrics);
  expect(await scrape(QUEUE_UP)).toEqual({ [queue.queue.name]: 1, [other.queue.name]: 1 });
  expect(await checkMetrics(await metrics.text())).toBe('');
  await other.close();
});

test.skipIf(process.env.REDIS_URL)(
  'a scrape neither waits for a Redis that hangs nor shows what it said before',
  async () => {
    await add('job');
    expect(await only(QUEUE_UP)).toBe(1);
    await stale();
    process.kill(part.pid as number, 'SIGSTOP');
    try {
      const scraped = Promise.all([scrape(QUEUE_UP), scrape(QUEUE_JOBS)]);
      const [up, jobs] = await Promise.race([scraped, sleep(LIMITS.redisCommandMs).then(() => [])]);
      expect(up).toEqual({ [queue.queue.name]: 0 });
      expect(jobs).toEqual({});
      await expect(add('another')).rejects.toMatchObject({ code: 'queue_unavailable' });
      expect(await scrape(QUEUE_SUBMISSIONS, 'outcome')).toMatchObject({ accepted: 1, unavailable: 1 });
    } finally {
      process.kill(part.pid as number, 'SIGCONT');
    }
    await untilConnected(redis);
    await waitFor(
      'Redis to be seen',
      () => scrape(QUEUE_UP),
      (up) => up[queue.queue.name] === 1,
    );
    expect((await scrape(QUEUE_JOBS, 'state')).waiting).toBeGreaterThanOrEqual(1);
  },
);

test('the port of metrics has metrics, of the process too, and nothing else', async () => {
  const port = await metrics.listen({ host: '127.0.0.1', port: 0 });
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain/);
  const text = await response.text();
  expect(text).toContain('process_cpu_seconds_total{service_name="test"}');
  expect(await checkMetrics(text)).toBe('');
  expect((await fetch(`http://127.0.0.1:${port}/healthz/live`)).status).toBe(404);
});
