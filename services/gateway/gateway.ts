/**
 * The platform's front door: authenticates a tenant by API key, accepts workflow runs into the queue and tells their state.
 *
 * Invariants: nothing under /v1 is answered, nor any body read, without a valid key; a tenant sees its own runs only; 202 means that the
 * run stands in Redis.
 */
import { randomUUID } from 'node:crypto';
import helmet from '@fastify/helmet';
import { trace } from '@opentelemetry/api';
import type { FastifyRequest } from 'fastify';
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
import { documentsRequest, RUN_QUEUE, runId, runRequest, runView, searchRequest } from '../lib/contracts.ts';
import { ATTR_TENANT, openJobQueue } from '../lib/job-queue.ts';
import { describeResponse, type Outbound, type OutboundError, statusOf } from '../lib/outbound.ts';
import { notFound, Problem, parseBody, parseJson } from '../lib/problem.ts';
import { checkRedis, openRedis, redisAccess } from '../lib/redis.ts';
import type { ServiceParts } from '../lib/service.ts';
import { workflowFile } from '../lib/workflow-file.ts';
import { askAi } from './ai.ts';
import { type ApiKeys, apiKeysFile, findTenant } from './api-keys.ts';

export const gatewayConfig = z.strictObject({
  ...serviceKeys,
  redis: redisKey,
  secrets: z.strictObject({ apiKeys: secretRef, redis: secretRef.optional() }),
  workflowsFile: filePath,
  worker: z.strictObject({
    url: httpUrl.default('http://workflow-worker'),
    timeoutMs: z.int().min(1).max(60_000).default(5_000),
  }),
  ai: aiProcessorKey,
});

type GatewayConfig = z.infer<typeof gatewayConfig>;

/** Answers are data: no browser is to render them, frame them, or take them for anything but what they say that they are. */
const EDGE_HEADERS = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
  },
  xFrameOptions: { action: 'deny' },
  strictTransportSecurity: { maxAge: 31_536_000, includeSubDomains: true },
} as const;

declare module 'fastify' {
  interface FastifyRequest {
    tenant: string;
  }
}

export function buildGateway(parts: ServiceParts<GatewayConfig>): void {
  const { config, http, outbound } = parts;
  let keys: ApiKeys = [];
  parts.watchSecret('apiKeys', apiKeysFile, (file) => {
    keys = file.keys;
  });
  const { workflows } = loadConfig(parts.pathOf(config.workflowsFile), workflowFile);
  const redis = openRedis(redisAccess(parts));
  const runs = openJobQueue(RUN_QUEUE, redis, parts.metrics);
  parts.addCheck('redis', () => checkRedis(redis));
  parts.onClose(runs.close);
  parts.onClose(async () => redis.disconnect());

  http.register(helmet, EDGE_HEADERS);
  http.decorateRequest('tenant', '');
  http.register(
    async (api) => {
      api.addHook('onRequest', async (request) => {
        request.tenant = authenticate(request, (key) => findTenant(keys, key));
        trace.getActiveSpan()?.setAttribute(ATTR_TENANT, request.tenant);
      });

      // What a tenant sees is for the tenant, not for a cache on its way.
      api.addHook('onSend', async (_request, reply) => void reply.header('cache-control', 'no-store'));

      api.post<{ Params: { name: string } }>('/workflows/:name/runs', async (request, reply) => {
        const { name } = request.params;
        if (!Object.hasOwn(workflows, name)) throw notFound(`The workflow ${JSON.stringify(name)}`);
        const work = { workflow: name, ...parseBody(runRequest, request.body) };
        const id = `run_${randomUUID()}`;
        await runs.add({ id, tenant: request.tenant, work });
        reply.code(202).header('location', `/v1/runs/${id}`);
        return { runId: id };
      });

      api.get<{ Params: { runId: string } }>('/runs/:runId', async (request) => {
        const id = runId.safeParse(request.params.runId);
        if (!id.success) throw notFound('The run');
        return fetchRun(outbound, config.worker, id.data, request.tenant);
      });

      api.post('/documents', (request) =>
        askAi(
          outbound,
          config.ai,
          request.tenant,
          '/v1/documents',
          parseBody(documentsRequest, request.body),
        ),
      );

      api.post('/search', (request) =>
        askAi(outbound, config.ai, request.tenant, '/v1/search', parseBody(searchRequest, request.body)),
      );
    },
    { prefix: '/v1' },
  );
}

function authenticate(request: FastifyRequest, find: (key: string) => string | null): string {
  const presented = request.headers['x-api-key'];
  const tenant = typeof presented === 'string' ? find(presented) : null;
  if (tenant !== null) return tenant;
  throw new Problem({
    status: 401,
    code: 'unauthenticated',
    detail: presented === undefined ? 'Send an API key in x-api-key.' : 'The API key is not valid.',
    headers: { 'www-authenticate': 'ApiKey realm="tulle"' },
  });
}

async function fetchRun(outbound: Outbound, worker: GatewayConfig['worker'], id: string, tenant: string) {
  const response = await outbound
    .request({
      method: 'GET',
      url: new URL(`/v1/runs/${id}`, worker.url).href,
      route: '/v1/runs/{runId}',
      timeoutMs: worker.timeoutMs,
    })
    .catch((error: OutboundError) => {
      throw workerFailed(statusOf(error), error.message, error);
    });
  if (response.status === 404) throw notFound('The run');
  if (response.status !== 200) throw workerFailed(502, `workflow-worker ${describeResponse(response)}`);
  const run = runView.safeParse(parseJson(response.body));
  if (!run.success) throw workerFailed(502, 'workflow-worker answered in an unknown form', run.error);
  // Not 403: whether another tenant has a run of this id is none of the caller's business.
  if (run.data.tenant !== tenant) throw notFound('The run');
  return run.data;
}

function workerFailed(status: 502 | 504, detail: string, cause?: unknown): Problem {
  return new Problem({ status, code: 'worker_unavailable', detail, cause });
}
