/**
 * The producing side of a job queue in Redis (BullMQ). The job carries the context of the request that made it.
 *
 * Invariants: a job id is added once, a second add of the same id changes nothing; a queue accepts no more than `queuedJobs` waiting jobs;
 * what Redis keeps of finished jobs is bounded.
 */
import { type Attributes, context, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import {
  ATTR_ERROR_TYPE,
  ATTR_MESSAGING_DESTINATION_NAME,
  ATTR_MESSAGING_MESSAGE_ID,
  ATTR_MESSAGING_OPERATION_NAME,
  ATTR_MESSAGING_OPERATION_TYPE,
  ATTR_MESSAGING_SYSTEM,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
} from '@opentelemetry/semantic-conventions/incubating';
import { type Job, type JobState, Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { countSubmissions, registerDepth, type Submission } from './job-metrics.ts';
import { LIMITS } from './limits.ts';
import type { ServiceMetrics } from './metrics.ts';
import { Problem } from './problem.ts';
import { QueueDepth } from './queue-depth.ts';
import { orUnavailable } from './redis.ts';
import { contextCarrier, injectContext, withSpan } from './request-context.ts';
import { endSpan, startSpan } from './span.ts';

export const ATTR_TENANT = 'tulle.tenant';

/** What stands in Redis for a job, whatever its work. */
export const jobEnvelope = z.strictObject({ context: contextCarrier, tenant: z.string(), work: z.unknown() });

export type JobEnvelope = z.infer<typeof jobEnvelope>;
export type QueuedJob = Job<JobEnvelope>;

export interface NewJob {
  id: string;
  tenant: string;
  work: unknown;
}

export interface JobReading {
  job: QueuedJob;
  state: JobState | 'unknown';
}

export interface JobQueue {
  queue: Queue<JobEnvelope>;
  /** @throws Problem 503 when Redis is away or the queue is full. */
  add: (job: NewJob) => Promise<void>;
  find: (id: string) => Promise<QueuedJob | undefined>;
  /** A job and its state, which belong together although jobs move on while they are read. */
  read: (id: string) => Promise<JobReading | undefined>;
  close: () => Promise<void>;
}

export function openJobQueue(name: string, redis: Redis, metrics: ServiceMetrics): JobQueue {
  const queue = new Queue<JobEnvelope>(name, {
    connection: redis,
    // The service must start, and stay up, while Redis is away; these checks would make that state permanent.
    skipWaitingForReady: true,
    skipVersionCheck: true,
    skipMetasUpdate: true,
    defaultJobOptions: {
      // How often and when is the consumer's policy; the job only sets the ceiling.
      attempts: LIMITS.jobAttempts,
      backoff: { type: 'policy' },
      stackTraceLimit: LIMITS.jobStackFrames,
    },
  });
  // The connection is ours and reports its own outages.
  queue.on('error', () => {});
  registerDepth(metrics, name, new QueueDepth(queue, redis));
  const count = countSubmissions(metrics, name);

  return {
    queue,
    add: (job) => orUnavailable(addJob(queue, redis, job, count)),
    find: (id) => orUnavailable(findJob(queue, id)),
    read: (id) => orUnavailable(readJob(queue, id)),
    close: () => queue.close(),
  };
}

/** The attributes of a span about one job, by the semantic conventions for messaging. */
export function describeJob(
  queueName: string,
  { options }: Redis,
  { id, tenant }: Pick<NewJob, 'id' | 'tenant'>,
  operation: 'send' | 'process',
): Attributes {
  return {
    [ATTR_MESSAGING_SYSTEM]: 'bullmq',
    [ATTR_MESSAGING_DESTINATION_NAME]: queueName,
    [ATTR_MESSAGING_OPERATION_TYPE]: operation,
    [ATTR_MESSAGING_OPERATION_NAME]: operation,
    [ATTR_MESSAGING_MESSAGE_ID]: id,
    ...(options.host ? { [ATTR_SERVER_ADDRESS]: options.host } : {}),
    ...(options.port ? { [ATTR_SERVER_PORT]: options.port } : {}),
    [ATTR_TENANT]: tenant,
  };
}

async function findJob(queue: Queue<JobEnvelope>, id: string): Promise<QueuedJob | undefined> {
  return (await queue.getJob(id)) as QueuedJob | undefined;
}

async function readJob(queue: Queue<JobEnvelope>, id: string): Promise<JobReading | undefined> {
  const job = await findJob(queue, id);
  if (!job) return undefined;
  const state = await job.getState();
  const isFinished = state === 'completed' || state === 'failed';
  // It finished, or was set going again, between the two reads: what was read first is of the past.
  if (isFinished !== Boolean(job.finishedOn)) return { job: (await findJob(queue, id)) ?? job, state };
  return { job, state };
}

async function addJob(
  queue: Queue<JobEnvelope>,
  redis: Redis,
  job: NewJob,
  count: (outcome: Submission) => void,
): Promise<void> {
  const { id, tenant, work } = job;
  const parent = context.active();
  const attributes = describeJob(queue.name, redis, job, 'send');
  const span = startSpan(`send ${queue.name}`, { kind: SpanKind.PRODUCER, attributes }, parent);
  const scope = withSpan(parent, span);
  try {
    const queued = await queue.getJobCountByTypes('waiting', 'delayed');
    if (queued >= LIMITS.queuedJobs) throw queueFull(queue.name);
    await queue.add(queue.name, { context: injectContext(scope), tenant, work }, { jobId: id });
    count('accepted');
  } catch (error) {
    count(error instanceof Problem ? 'full' : 'unavailable');
    span.setAttribute(ATTR_ERROR_TYPE, error instanceof Problem ? error.code : 'queue_unavailable');
    span.setStatus({ code: SpanStatusCode.ERROR, message: describeFailure(error as Error, redis) });
    throw error;
  } finally {
    endSpan(span);
  }
}

/** Of a connection that is gone, its client says what it would have done with the command; what matters is that it is gone. */
function describeFailure({ message }: Error, { status, options: { host, port } }: Redis): string {
  return status === 'ready' ? message : `no connection to Redis at ${host}:${port}`;
}

function queueFull(name: string): Problem {
  return new Problem({
    status: 503,
    code: 'queue_full',
    detail: `${LIMITS.queuedJobs} jobs already wait in ${name}; send the request again later.`,
    headers: { 'retry-after': '5' },
  });
}
