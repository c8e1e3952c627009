/**
 * Takes workflow runs from the queue, runs them, and answers for their state.
 *
 * Invariants: the state of a run is what the queue says of its job, there is no second copy that could differ; a run that failed for a
 * passing reason is tried again with back-off, and fails for good only by its policy.
 */
import { z } from 'zod';
import {
  aiProcessorKey,
  filePath,
  httpUrl,
  loadConfig,
  redisKey,
  secretRef,
  serviceKeys,
} from '../lib/config.ts';
import { RUN_QUEUE, type RunView, runWork } from '../lib/contracts.ts';
import { type JobReading, openJobQueue } from '../lib/job-queue.ts';
import { startJobWorker } from '../lib/job-worker.ts';
import { LIMITS } from '../lib/limits.ts';
import { notFound } from '../lib/problem.ts';
import { checkRedis, openRedis, redisAccess } from '../lib/redis.ts';
import { retryPolicy } from '../lib/retry.ts';
import type { ServiceParts } from '../lib/service.ts';
import { workflowFile } from '../lib/workflow-file.ts';
import { readDelivery, sendDelivery } from './deliveries.ts';
import { keepDocument, searchDocuments } from './documents.ts';
import { type Actions, type RunOutcome, runWorkflow } from './workflow.ts';

export const workerConfig = z.strictObject({
  ...serviceKeys,
  redis: redisKey,
  secrets: z.strictObject({ redis: secretRef.optional() }).prefault({}),
  workflowsFile: filePath,
  concurrency: z.int().min(1).max(256).default(8),
  retry: retryPolicy.default({ attempts: 8, firstDelayMs: 500, maxDelayMs: 60_000 }),
  dispatcher: z.strictObject({
    url: httpUrl.default('http://webhook-dispatcher'),
    timeoutMs: z.int().min(1).max(60_000).default(5_000),
  }),
  ai: aiProcessorKey,
});

type WorkerConfig = z.infer<typeof workerConfig>;

export function buildWorker(parts: ServiceParts<WorkerConfig>): void {
  const { config, log, http, outbound } = parts;
  const { workflows } = loadConfig(parts.pathOf(config.workflowsFile), workflowFile);
  const access = redisAccess(parts);
  const redis = openRedis(access);
  const runs = openJobQueue(RUN_QUEUE, redis, parts.metrics);
  const actions: Actions = {
    deliver: (delivery) => sendDelivery(outbound, config.dispatcher, delivery),
    keepDocument: (tenant, id, text) => keepDocument(outbound, config.ai, tenant, { id, text }),
    search: (tenant, query, limit) => searchDocuments(outbound, config.ai, tenant, { query, limit }),
  };
  const worker = startJobWorker({
    queueName: RUN_QUEUE,
    redis: access,
    concurrency: config.concurrency,
    retry: config.retry,
    keptFailures: LIMITS.finishedJobs,
    workSchema: runWork,
    log,
    metrics: parts.metrics,
    random: Math.random,
    process: (job) => runWorkflow(workflows, job, actions),
  });
  parts.addCheck('redis', () => checkRedis(redis));
  parts.onDrain(worker.drain);
  parts.onClose(runs.close);
  parts.onClose(async () => redis.disconnect());

  http.get<{ Params: { runId: string } }>('/v1/runs/:runId', async (request) => {
    const reading = await runs.read(request.params.runId);
    if (!reading) throw notFound('The run');
    const outcome = reading.job.returnvalue as RunOutcome | null;
    const deliveries = await Promise.all(
      (outcome?.deliveryIds ?? []).map((id) => readDelivery(outbound, config.dispatcher, id)),
    );
    return describeRun(reading, outcome, deliveries);
  });
}

function describeRun(
  { job, state }: JobReading,
  outcome: RunOutcome | null,
  deliveries: RunView['deliveries'],
): RunView {
  const run: RunView = {
    runId: job.id as string,
    tenant: job.data.tenant,
    workflow: (job.data.work as { workflow: string }).workflow,
    state: stateOf(state),
    attempts: job.attemptsMade,
    createdAt: new Date(job.timestamp).toISOString(),
    deliveries,
  };
  // Between two attempts it says why the last one failed; what went well in the end has no reason.
  if (job.failedReason && state !== 'completed') run.reason = job.failedReason;
  if (job.finishedOn) run.finishedAt = new Date(job.finishedOn).toISOString();
  if (outcome) run.results = outcome.results;
  return run;
}

function stateOf(state: JobReading['state']): RunView['state'] {
  if (state === 'active') return 'running';
  if (state === 'completed') return 'succeeded';
  return state === 'failed' ? 'failed' : 'queued';
}
