import { context, ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type Redis as RedisPart, startRedis } from '../../test/parts/redis.ts';
import { untilConnected, waitFor } from '../testing/platform.ts';
import { type JobQueue, type JobReading, openJobQueue } from './job-queue.ts';
import {
  type AcceptedJob,
  type JobWorker,
  PermanentFailure,
  RetryableFailure,
  startJobWorker,
} from './job-worker.ts';
import { LIMITS } from './limits.ts';
import { createLog } from './log.ts';
import { ServiceMetrics } from './metrics.ts';
import { openRedis, type RedisAccess } from './redis.ts';
import { requestIdOf, withRequestId } from './request-context.ts';
import { startTelemetry } from './telemetry.ts';

const exporter = new InMemorySpanExporter();
const telemetry = startTelemetry('test', { endpoint: 'http://unused', headSampleRatio: 1 }, [
  new SimpleSpanProcessor({ exporter }),
]);
const lines: Record<string, unknown>[] = [];
const log = createLog('test', 'info', { write: (line) => lines.push(JSON.parse(line)) });

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
  await telemetry.stop();
});
beforeEach(() => {
  exporter.reset();
  lines.length = 0;
  metrics = new ServiceMetrics('test');
  queue = openJobQueue(`test-${process.pid}-${queues++}`, redis, metrics);
});
afterEach(async () => {
  await worker?.drain();
  worker = undefined;
  await queue.queue.obliterate({ force: true });
  await queue.close();
});

function work(
  process: (job: AcceptedJob<{ n: number }>) => Promise<unknown>,
  options: { keptFailures?: number } = {},
) {
  worker = startJobWorker({
    queueName: queue.queue.name,
    redis: access,
    concurrency: 4,
    retry: { attempts: 3, firstDelayMs: 10, maxDelayMs: 20 },
    keptFailures: options.keptFailures ?? 10,
    workSchema: z.strictObject({ n: z.number() }),
    ...{ log, metrics },
    random: () => 0,
    process,
  });
}

async function waitForState(id: string, state: string): Promise<JobReading> {
  const reading = await waitFor(
    `job ${id}`,
    () => queue.read(id),
    (it) => it?.state === state,
  );
  return reading as JobReading;
}

test('a job is worked on in the context of the request that made it', async () => {
  const parent = trace.setSpanContext(ROOT_CONTEXT, {
    traceId: 'a'.repeat(32),
    spanId: 'b'.repeat(16),
    traceFlags: 1,
  });
  await context.with(withRequestId(parent, 'req-1'), () =>
    queue.add({ id: 'job-1', tenant: 'acme', work: { n: 7 } }),
  );
  work(async (job) => ({
    requestId: requestIdOf(),
    tenant: job.tenant,
    n: job.work.n,
    attempt: job.attempt,
  }));
  const { job } = await waitForState('job-1', 'completed');
  expect(job.returnvalue).toEqual({ requestId: 'req-1', tenant: 'acme', n: 7, attempt: 1 });

  const [producer, consumer] = exporter.getFinishedSpans();
  expect(producer).toMatchObject({ name: `send ${queue.queue.name}`, kind: 3 });
  expect(consumer).toMatchObject({ name: `process ${queue.queue.name}`, kind: 4 });
  expect(consumer?.parentSpanContext?.spanId).toBe(producer?.spanContext().spanId);
  expect(consumer?.links.map((link) => link.context.spanId)).toEqual([producer?.spanContext().spanId]);
  expect(consumer?.spanContext().traceId).toBe('a'.repeat(32));
  const { hostname, port } = new URL(part.url);
  const described = (operation: string) => ({
    'messaging.system': 'bullmq',
    'messaging.destination.name': queue.queue.name,
    'messaging.operation.type': operation,
    'messaging.operation.name': operation,
    'messaging.message.id': 'job-1',
    'server.address': hostname,
    'server.port': Number(port),
    'tulle.tenant': 'acme',
    'tulle.request_id': 'req-1',
  });
  expect(producer?.attributes).toEqual(described('send'));
  expect(consumer?.attributes).toMatchObject({ ...described('process'), 'tulle.attempt': 1 });
  expect(consumer?.attributes['tulle.queue.wait_ms']).toBeGreaterThanOrEqual(0);
  expect(lines).toMatchObject([
    {
      ...{ message: 'job done', job: 'job-1', request_id: 'req-1', trace_id: 'a'.repeat(32) },
      span_id: consumer?.spanContext().spanId,
    },
  ]);
});

test('the same id is added once', async () => {
  await queue.add({ id: 'job-1', tenant: 'acme', work: { n: 1 } });
  await queue.add({ id: 'job-1', tenant: 'acme', work: { n: 2 } });
  expect(await queue.queue.getWaitingCount()).toBe(1);
  expect((await queue.find('job-1'))?.data.work).toEqual({ n: 1 });
});

test('a full queue refuses', async () => {
  await queue.queue.addBulk(
    Array.from({ length: LIMITS.queuedJobs }, () => ({
      name: 'x',
      data: { context: {}, tenant: 'a', work: {} },
    })),
  );
  await expect(queue.add({ id: 'job-1', tenant: 'acme', work: { n: 1 } })).rejects.toMatchObject({
    status: 503,
    code: 'queue_full',
  });
  expect(await queue.find('job-1')).toBeUndefined();
});

describe('a failure', () => {
  test('that may pass is tried again as often as the policy says', async () => {
    const attempts: number[] = [];
    work(async (job) => {
      attempts.push(job.attempt);
      throw new RetryableFailure(`no ${job.attempt}`);
    });
    await queue.add({ id: 'job-1', tenant: 'acme', work: { n: 1 } });
    const { job } = await waitForState('job-1', 'failed');
    expect(attempts).toEqual([1, 2, 3]);
    expect(job).toMatchObject({ failedReason: 'no 3', attemptsMade: 3 });
    const spans = exporter.getFinishedSpans().filter((span) => span.kind === 4);
    expect(spans.map((span) => span.status)).toEqual(
      [1, 2, 3].map((n) => ({ code: SpanStatusCode.ERROR, message: `no ${n}` })),
    );
    expect(spans.map((span) => span.events[0]?.name)).toEqual([
      'retry scheduled',
      'retry scheduled',
      'gave up',
    ]);
    expect(lines.map((line) => [line.level, line.delayMs])).toEqual([
      ['warn', 5],
      ['warn', 10],
      ['error', undefined],
    ]);
  });

  test('that passes leaves a completed job', async () => {
    work(async (job) => {
      if (job.attempt < 3) throw new Error('not yet');
      return 'done';
    });
    await queue.add({ id: 'job-1', tenant: 'acme', work: { n: 1 } });
    const { job } = await waitForState('job-1', 'completed');
    expect(job.returnvalue).toBe('done');
  });

  test('that is permanent is not tried again', async () => {
    work(async () => {
      throw new PermanentFailure('never');
    });
    await queue.add({ id: 'job-1', tenant: 'acme', work: { n: 1 } });
    const { job } = await waitForState('job-1', 'failed');
    expect(job).toMatchObject({ failedReason: 'never', attemptsMade: 1 });
  });

  test('with an endless text is cut', async () => {
    work(async () => {
      throw new PermanentFailure('x'.repeat(100_000));
    });
    await queue.add({ id: 'job-1', tenant: 'acme', work: { n: 1 } });
    const { job } = await waitForState('job-1', 'failed');
    expect(job.failedReason).toHaveLength(LIMITS.reasonChars);
  });

  test.each([
    ['another form of work', { context: {}, tenant: 'acme', work: { n: 'x' } }],
    ['no envelope', { n: 1 }],
  ])('of understanding is permanent: %s', async (_what, data) => {
    let calls = 0;
    work(async () => calls++);
    await queue.queue.add('x', data as never, { jobId: 'job-1', attempts: 5 });
    const { job } = await waitForState('job-1', 'failed');
    expect(job.failedReason).toMatch(/^the job cannot be understood/);
    expect(calls).toBe(0);
  });
});

test('failed jobs are kept up to the bound, the oldest goes first', async () => {
  work(
    async () => {
      throw new PermanentFailure('never');
    },
    { keptFailures: 3 },
  );
  for (const id of ['a', 'b', 'c', 'd', 'e']) {
    await queue.add({ id, tenant: 'acme', work: { n: 1 } });
    await waitForState(id, 'failed');
  }
  const kept = await queue.queue.getFailed();
  expect(kept.map((job) => job.id)).toEqual(['e', 'd', 'c']);
});

test('a drain waits for the running job, and its result is in Redis', async () => {
  let release = () => {};
  let started = 0;
  work(async (job) => {
    started++;
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    return job.work.n;
  });
  await queue.add({ id: 'job-1', tenant: 'acme', work: { n: 1 } });
  await waitFor(
    'the start',
    async () => started,
    (it) => it === 1,
  );
  let drained = false;
  const drain = worker?.drain().then(() => {
    drained = true;
  });
  await queue.add({ id: 'job-2', tenant: 'acme', work: { n: 2 } });
  expect(drained).toBe(false);
  release();
  await drain;
  expect(await (await queue.find('job-1'))?.getState()).toBe('completed');
  expect(await (await queue.find('job-2'))?.getState()).toBe('waiting');
});
