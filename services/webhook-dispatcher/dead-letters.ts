/**
 * Deliveries that were given up: list them, look at one, send one again.
 *
 * Invariant: a redrive moves the delivery back into the queue in one step in Redis, with a fresh count of attempts and the context of the
 * request that first made it, so that its trace goes on; the request for the redrive links to it.
 */
import { trace } from '@opentelemetry/api';
import { ErrorCode } from 'bullmq';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { DeliveryView, DeliveryWork } from '../lib/contracts.ts';
import type { JobQueue, JobReading, QueuedJob } from '../lib/job-queue.ts';
import { LIMITS } from '../lib/limits.ts';
import { notFound, Problem } from '../lib/problem.ts';
import { orUnavailable } from '../lib/redis.ts';
import { extractContext, linksTo } from '../lib/request-context.ts';

const pageQuery = z.strictObject({
  offset: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(LIMITS.deadLettersPerPage).default(LIMITS.deadLettersPerPage),
});

const STATES: Record<string, DeliveryView['state']> = {
  active: 'delivering',
  delayed: 'retrying',
  completed: 'delivered',
  failed: 'dead',
};

export function addDeadLetterRoutes(http: FastifyInstance, deliveries: JobQueue): void {
  http.get('/v1/dead-letters', async (request) => {
    const page = pageQuery.safeParse(request.query);
    if (!page.success) throw invalidPage();
    const { offset, limit } = page.data;
    const [total, jobs] = await orUnavailable(
      Promise.all([
        deliveries.queue.getFailedCount(),
        deliveries.queue.getFailed(offset, offset + limit - 1),
      ]),
    );
    return { total, items: (jobs as QueuedJob[]).map((job) => describeDelivery({ job, state: 'failed' })) };
  });

  http.post<{ Params: { deliveryId: string } }>(
    '/v1/dead-letters/:deliveryId/redrive',
    async (request, reply) => {
      const { deliveryId } = request.params;
      const job = await deliveries.find(deliveryId);
      if (!job) throw notFound('The delivery');
      await orUnavailable(redrive(job));
      const span = trace.getActiveSpan();
      for (const link of linksTo(extractContext(job.data.context))) span?.addLink(link);
      reply.code(202).header('location', `/v1/deliveries/${deliveryId}`);
      return { deliveryId };
    },
  );
}

export function describeDelivery({ job, state }: JobReading): DeliveryView {
  const view: DeliveryView = {
    deliveryId: job.id as string,
    tenant: job.data.tenant,
    url: (job.data.work as DeliveryWork).url,
    state: STATES[state] ?? 'queued',
    attempts: job.attemptsMade,
    createdAt: new Date(job.timestamp).toISOString(),
  };
  if (job.failedReason && state !== 'completed') view.reason = job.failedReason;
  if (job.finishedOn) view.finishedAt = new Date(job.finishedOn).toISOString();
  return view;
}

async function redrive(job: QueuedJob): Promise<void> {
  try {
    await job.retry('failed', { resetAttemptsMade: true });
  } catch (error) {
    if ((error as { code?: number }).code !== ErrorCode.JobNotInState) throw error;
    throw new Problem({
      status: 409,
      code: 'not_dead',
      detail: 'The delivery is not a dead letter: it waits, is being sent or was delivered.',
    });
  }
}

function invalidPage(): Problem {
  const detail = `offset must be 0 or more, limit 1 to ${LIMITS.deadLettersPerPage}; there are no other parameters.`;
  return new Problem({ status: 400, code: 'invalid_query', detail });
}
