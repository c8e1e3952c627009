/**
 * The consuming side of a job queue: runs each job inside the context it carries, and decides whether and when it is tried again.
 *
 * Invariants: one attempt is one consumer span, child of the producer's and linked to it, and one log line; the decision to retry is made here alone;
 * a drain takes no new job and waits for the running ones. A job cut off by a crash is taken over when its lock expires, so work must
 * be idempotent.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { context, type Span, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { ATTR_ERROR_TYPE } from '@opentelemetry/semantic-conventions';
import { UnrecoverableError, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { z } from 'zod';
import { type AttemptOutcome, WorkerMetrics } from './job-metrics.ts';
import { describeJob, jobEnvelope, type QueuedJob } from './job-queue.ts';
import { LIMITS } from './limits.ts';
import type { Logger } from './log.ts';
import type { ServiceMetrics } from './metrics.ts';
import { openWorkerRedis, type RedisAccess } from './redis.ts';
import { extractContext, linksTo, withSpan } from './request-context.ts';
import { nextDelayMs, type RetryPolicy } from './retry.ts';
import { endSpan, startSpan } from './span.ts';

export interface JobWorkerOptions<W> {
  queueName: string;
  redis: RedisAccess;
  concurrency: number;
  retry: RetryPolicy;
  /** Finished jobs that failed for good and are kept; the oldest goes first. */
  keptFailures: number;
  workSchema: z.ZodType<W>;
  log: Logger;
  metrics: ServiceMetrics;
  random: () => number;
  /** What it returns is kept as the job's result. */
  process: (job: AcceptedJob<W>) => Promise<unknown>;
  /** Called when no attempt will follow: it was completed, or is a dead letter. */
  onEnd?: (isCompleted: boolean, sinceAcceptedMs: number) => void;
}

export interface AcceptedJob<W> {
  id: string;
  tenant: string;
  work: W;
  acceptedAtMs: number;
  /** 1 for the first. */
  attempt: number;
}

export interface JobWorker {
  drain: () => Promise<void>;
}

/** A failure that another attempt cannot mend. */
export class PermanentFailure extends Error {
  override name = 'PermanentFailure';
}

/** A failure of a target that said how long to leave it alone. */
export class RetryableFailure extends Error {
  override name = 'RetryableFailure';
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs = 0) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

const ATTR_QUEUE_WAIT_MS = 'tulle.queue.wait_ms';
const ATTR_ATTEMPT = 'tulle.attempt';

export function startJobWorker<W>(options: JobWorkerOptions<W>): JobWorker {
  let active = 0;
  let onIdle = () => {};
  const redis = openWorkerRedis(options.redis);
  const metrics = new WorkerMetrics(options.metrics, options.queueName);
  const process = async (job: QueuedJob): Promise<unknown> => {
    active++;
    try {
      return await runAttempt(job, redis, options, metrics);
    } finally {
      if (--active === 0) onIdle();
    }
  };
  const worker = new Worker(options.queueName, (job) => process(job as QueuedJob), {
    connection: redis,
    // New credentials wait behind the command that waits for a job.
    drainDelay: LIMITS.jobWaitSeconds,
    concurrency: options.concurrency,
    removeOnComplete: { count: LIMITS.finishedJobs, age: LIMITS.finishedJobAgeSeconds },
    removeOnFail: { count: options.keptFailures },
    settings: {
      backoffStrategy: (_attempts, _type, error) => (error instanceof RetryLater ? error.delayMs : -1),
    },
  });
  worker.on('completed', (job) => options.onEnd?.(true, Date.now() - job.timestamp));
  worker.on('failed', (job, error) => {
    if (error instanceof RetryLater) return;
    metrics.onDeadLetter();
    if (job !== undefined) options.onEnd?.(false, Date.now() - job.timestamp);
  });
  worker.on('stalled', metrics.onStalled);
  // An outage of Redis is told by the service's command connection; here it would be one line a reconnect.
  worker.on('error', (error) => options.log.debug({ reason: error.message }, 'job worker'));
  return {
    drain: async () => {
      const closed = worker.close();
      if (active > 0) {
        await new Promise<void>((resolve) => {
          onIdle = resolve;
        });
      }
      // Closing waits for Redis to take the last results. While Redis is away it would wait for ever, and cannot succeed: those
      // jobs are done again by whoever takes them over.
      await Promise.race([closed, sleep(LIMITS.redisCommandMs, undefined, { ref: false })]);
      redis.disconnect();
    },
  };
}

/** Tells BullMQ the delay that was decided here. */
class RetryLater extends Error {
  readonly delayMs: number;

  constructor(reason: string, delayMs: number) {
    super(reason);
    this.delayMs = delayMs;
  }
}

async function runAttempt<W>(
  job: QueuedJob,
  redis: Redis,
  options: JobWorkerOptions<W>,
  metrics: WorkerMetrics,
): Promise<unknown> {
  const envelope = jobEnvelope.safeParse(job.data);
  const tenant = envelope.data?.tenant ?? 'unknown';
  const parent = extractContext(envelope.data?.context ?? {});
  const attempt = job.attemptsMade + 1;
  const waitMs = waitOf(job);
  if (waitMs !== null) metrics.onWaited(waitMs);
  const startedAt = performance.now();
  let outcome: AttemptOutcome = 'completed';
  const span = startSpan(
    `process ${options.queueName}`,
    {
      kind: SpanKind.CONSUMER,
      // The conventions ask for a link, and allow the parent.
      links: linksTo(parent),
      attributes: {
        ...describeJob(options.queueName, redis, { id: job.id as string, tenant }, 'process'),
        [ATTR_QUEUE_WAIT_MS]: waitMs ?? 0,
        [ATTR_ATTEMPT]: attempt,
      },
    },
    parent,
  );
  return context.with(withSpan(parent, span), async () => {
    const log = options.log.child({ queue: options.queueName, job: job.id, tenant, attempt });
    try {
      const work = options.workSchema.safeParse(envelope.data?.work);
      if (!work.success)
        throw new PermanentFailure(`the job cannot be understood: ${work.error.issues[0]?.message}`);
      const accepted = {
        id: job.id as string,
        tenant,
        work: work.data,
        acceptedAtMs: job.timestamp,
        attempt,
      };
      const result = await options.process(accepted);
      log.info('job done');
      return result;
    } catch (error) {
      const told = settleFailure(error as Error, attempt, options, span, log);
      outcome = told instanceof RetryLater ? 'retried' : 'failed';
      throw told;
    } finally {
      metrics.onAttempt(outcome, performance.now() - startedAt);
      endSpan(span);
    }
  });
}

/** Marks the span, writes the log line, and returns what BullMQ has to be told. */
function settleFailure<W>(
  error: Error,
  attempt: number,
  options: JobWorkerOptions<W>,
  span: Span,
  log: Logger,
): Error {
  const reason = error.message.slice(0, LIMITS.reasonChars);
  const retryAfterMs = error instanceof RetryableFailure ? error.retryAfterMs : 0;
  const delayMs =
    error instanceof PermanentFailure
      ? null
      : nextDelayMs(options.retry, attempt, options.random, retryAfterMs);
  span.setAttribute(ATTR_ERROR_TYPE, error.name);
  span.setStatus({ code: SpanStatusCode.ERROR, message: reason });
  if (delayMs === null) {
    span.addEvent('gave up');
    log.error({ reason }, 'job failed for good');
    return new UnrecoverableError(reason);
  }
  span.addEvent('retry scheduled', { delay_ms: delayMs });
  log.warn({ reason, delayMs }, 'job failed, will be tried again');
  return new RetryLater(reason, delayMs);
}

/** How long the job lay in the queue. A later start follows a back-off or a redrive, which is no waiting: null. */
function waitOf(job: QueuedJob): number | null {
  return job.attemptsStarted === 1 ? Math.max(0, (job.processedOn ?? 0) - job.timestamp) : null;
}
