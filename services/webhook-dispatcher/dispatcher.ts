/**
 * Delivers webhooks: accepts them into a durable queue, sends them signed, tries again with back-off, keeps the dead ones for a redrive.
 *
 * Invariants: 202 means that the delivery stands in Redis; a delivery id is accepted once, so that the sender may repeat itself; the dead
 * letters are the queue's failed jobs, so that no delivery can be in both or in neither; their number is bounded, the oldest goes first.
 */
import { z } from 'zod';
import { redisKey, secretRef, serviceKeys } from '../lib/config.ts';
import { DELIVERY_QUEUE, deliveryRequest, deliveryWork } from '../lib/contracts.ts';
import { openJobQueue } from '../lib/job-queue.ts';
import { startJobWorker } from '../lib/job-worker.ts';
import type { Outbound } from '../lib/outbound.ts';
import { notFound, Problem, parseBody } from '../lib/problem.ts';
import { checkRedis, openRedis, redisAccess } from '../lib/redis.ts';
import { retryPolicy } from '../lib/retry.ts';
import type { ServiceParts } from '../lib/service.ts';
import { addDeadLetterRoutes, describeDelivery } from './dead-letters.ts';
import { attemptDelivery } from './delivery.ts';
import { WebhookMetrics } from './metrics.ts';
import { type SigningSecrets, signingSecretsFile } from './signing-secrets.ts';

export const dispatcherConfig = z.strictObject({
  ...serviceKeys,
  redis: redisKey,
  secrets: z.strictObject({ signingSecrets: secretRef, redis: secretRef.optional() }),
  concurrency: z.int().min(1).max(256).default(16),
  attemptTimeoutMs: z.int().min(1).max(60_000).default(8_000),
  retry: retryPolicy.default({ attempts: 10, firstDelayMs: 1_000, maxDelayMs: 3_600_000 }),
  deadLetters: z.int().min(1).max(100_000).default(1_000),
});

type DispatcherConfig = z.infer<typeof dispatcherConfig>;

export function buildDispatcher(parts: ServiceParts<DispatcherConfig>): void {
  const { config, log, http, outbound } = parts;
  let signingSecrets: SigningSecrets = new Map();
  parts.watchSecret('signingSecrets', signingSecretsFile, (secrets) => {
    signingSecrets = secrets;
  });
  const access = redisAccess(parts);
  const redis = openRedis(access);
  const deliveries = openJobQueue(DELIVERY_QUEUE, redis, parts.metrics);
  const metrics = new WebhookMetrics(parts.metrics);
  const send: Outbound['request'] = (request) => metrics.attempt(() => outbound.request(request));
  const worker = startJobWorker({
    queueName: DELIVERY_QUEUE,
    redis: access,
    concurrency: config.concurrency,
    retry: config.retry,
    keptFailures: config.deadLetters,
    workSchema: deliveryWork,
    log,
    metrics: parts.metrics,
    random: Math.random,
    process: (job) => attemptDelivery(send, signingSecrets, job, config.attemptTimeoutMs),
    onEnd: metrics.onEnd,
  });
  parts.addCheck('redis', () => checkRedis(redis));
  parts.onDrain(worker.drain);
  parts.onClose(deliveries.close);
  parts.onClose(async () => redis.disconnect());

  http.post('/v1/deliveries', async (request, reply) => {
    const { deliveryId, tenant, url, event } = parseBody(deliveryRequest, request.body);
    if (!signingSecrets.has(tenant)) throw noSecret(tenant);
    await deliveries.add({ id: deliveryId, tenant, work: { url, body: JSON.stringify(event) } });
    reply.code(202).header('location', `/v1/deliveries/${deliveryId}`);
    return { deliveryId };
  });
  http.get<{ Params: { deliveryId: string } }>('/v1/deliveries/:deliveryId', async (request) => {
    const reading = await deliveries.read(request.params.deliveryId);
    if (!reading) throw notFound('The delivery');
    return describeDelivery(reading);
  });
  addDeadLetterRoutes(http, deliveries);
}

function noSecret(tenant: string): Problem {
  const detail = `The tenant ${tenant} has no signing secret; add one to the dispatcher's \`secrets.signingSecrets\`.`;
  return new Problem({ status: 422, code: 'no_signing_secret', detail });
}
