import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type Redis as RedisPart, startRedis } from '../../test/parts/redis.ts';
import { createHttpServer } from '../lib/http-server.ts';
import { type JobQueue, openJobQueue } from '../lib/job-queue.ts';
import { type JobWorker, PermanentFailure, startJobWorker } from '../lib/job-worker.ts';
import { createLog } from '../lib/log.ts';
import { ServiceMetrics } from '../lib/metrics.ts';
import { openRedis, type RedisAccess } from '../lib/redis.ts';
import { startTelemetry } from '../lib/telemetry.ts';
import { untilConnected, waitFor } from '../testing/platform.ts';
import { addDeadLetterRoutes } from './dead-letters.ts';

const exporter = new InMemorySpanExporter();
const telemetry = startTelemetry('test', { endpoint: 'http://unused', headSampleRatio: 1 }, [
  new SimpleSpanProcessor({ exporter }),
]);
const log = createLog('test', 'fatal');

let part: RedisPart;
let redis: ReturnType<typeof openRedis>;
let queue: JobQueue;
let worker: JobWorker;

beforeAll(async () => {
  part = await startRedis();
  const access: RedisAccess = { url: part.url, log, credentials: undefined, followers: new Set() };
  redis = openRedis(access);
  await untilConnected(redis);
  const metrics = new ServiceMetrics('test');
  queue = openJobQueue(`dead-letters-${process.pid}`, redis, metrics);
  worker = startJobWorker({
    queueName: queue.queue.name,
    redis: access,
    concurrency: 1,
    retry: { attempts: 1, firstDelayMs: 1, maxDelayMs: 1 },
    keptFailures: 10,
    workSchema: z.unknown(),
    ...{ log, metrics },
    random: () => 0,
    process: async () => {
      throw new PermanentFailure('the target is gone');
    },
  });
});

afterAll(async () => {
  await worker.drain();
  await queue.close();
  redis.disconnect();
  await part.stop();
  await telemetry.stop();
});

test('the request for a redrive is linked to the trace that goes on by it', async () => {
  await queue.add({ id: 'delivery-1', tenant: 'acme', work: {} });
  await waitFor(
    'the dead letter',
    () => queue.read('delivery-1'),
    (reading) => reading?.state === 'failed',
  );
  const producer = exporter.getFinishedSpans().find(({ name }) => name.startsWith('send '));
  const http = createHttpServer(log, new Map());
  addDeadLetterRoutes(http.app, queue);
  const port = await http.listen({ host: '127.0.0.1', port: 0 });
  const answer = await fetch(`http://127.0.0.1:${port}/v1/dead-letters/delivery-1/redrive`, {
    method: 'POST',
  });
  expect(answer.status).toBe(202);
  await http.close();
  const redrive = exporter.getFinishedSpans().find(({ name }) => name.startsWith('POST '));
  expect(redrive?.spanContext().traceId).not.toBe(producer?.spanContext().traceId);
  expect(redrive?.links.map((link) => link.context.spanId)).toEqual([producer?.spanContext().spanId]);
});
