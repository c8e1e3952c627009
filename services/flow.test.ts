import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type OtlpReceiver, startOtlpReceiver } from '../examples/demo/otlp-receiver.ts';
import { parseExposition } from '../mesh/cli/top/exposition.ts';
import type { Span } from '../mesh/cli/trace/span.ts';
import type { MetricDeclaration } from '../sidecar/src/observe/metric.ts';
import { startRedis } from '../test/parts/redis.ts';
import { QUEUE_ATTEMPTS, QUEUE_JOBS, QUEUE_SUBMISSIONS } from './lib/job-metrics.ts';
import { verifyWebhook } from './lib/webhook-signature.ts';
import { OTHER_API_KEY, Platform, SIGNING_SECRET, waitFor } from './testing/platform.ts';
import {
  WEBHOOK_ATTEMPT_DURATION,
  WEBHOOK_ATTEMPTS,
  WEBHOOK_DELIVERIES,
  WEBHOOK_DELIVERY_DURATION,
} from './webhook-dispatcher/metrics.ts';

describe('the whole flow', () => {
  const spans: Span[] = [];
  let collector: OtlpReceiver;
  let platform: Platform;

  beforeAll(async () => {
    collector = await startOtlpReceiver((batch) => spans.push(...batch));
    platform = await Platform.start({ telemetryEndpoint: `http://127.0.0.1:${collector.port}` });
  });
  afterAll(async () => {
    await platform?.stop();
    await collector?.close();
  });

  test('a run is delivered, in one trace and under one request id from end to end', async () => {
    const traceId = randomBytes(16).toString('hex');
    const rootId = randomBytes(8).toString('hex');
    const headers = {
      'x-request-id': 'req-flow-1',
      traceparent: `00-${traceId}-${rootId}-01`,
      tracestate: 'v=1',
    };
    const { runId, requestId } = await platform.startRun('/hooks/ok', headers);
    expect(requestId).toBe('req-flow-1');

    const run = await platform.waitForRun(runId, (it) => it.deliveries[0]?.state === 'delivered');
    expect(run).toMatchObject({ state: 'succeeded', tenant: 'acme', workflow: 'order-placed', attempts: 1 });
    const [webhook] = await platform.received(`${runId}-notify`);
    expect(webhook).toMatchObject({ requestId: 'req-flow-1', status: 204 });
    expect(webhook?.traceparent).toContain(traceId);
    expect(JSON.parse(webhook?.body ?? '')).toMatchObject({
      type: 'order.placed',
      timestamp: run.createdAt,
      data: { runId, input: { orderId: 1 }, results: run.results },
    });

    const inTrace = async () => spans.filter((span) => span.traceId === traceId);
    // gateway: server, producer. worker: consumer, three steps, client. dispatcher: server, producer, consumer, client. receiver: server.
    const trace = await waitFor('the trace', inTrace, (found) => found.length === 12);
    expect(trace.map((span) => `${span.service} ${span.name}`).sort()).toEqual([
      'gateway POST /v1/workflows/:name/runs',
      'gateway send workflow-runs',
      'webhook-dispatcher POST',
      'webhook-dispatcher POST /v1/deliveries',
      'webhook-dispatcher process webhook-deliveries',
      'webhook-dispatcher send webhook-deliveries',
      'webhook-receiver POST /hooks/ok',
      'workflow-worker POST /v1/deliveries',
      'workflow-worker process workflow-runs',
      'workflow-worker step check-input',
      'workflow-worker step fingerprint',
      'workflow-worker step notify',
    ]);
    const ids = new Set([rootId, ...trace.map((span) => span.spanId)]);
    for (const span of trace) {
      expect(ids, `${span.name} has its parent in the trace`).toContain(span.parentId);
      expect(span.attributes.get('tulle.request_id'), span.name).toBe('req-flow-1');
      expect(span.error, span.name).toBe(false);
    }
    for (const service of platform.services.values()) {
      const lines = service.lines.filter((line) => line.request_id === 'req-flow-1');
      expect(lines.length, service.name).toBeGreaterThan(0);
      for (const line of lines) {
        expect(line.trace_id).toBe(traceId);
        expect(ids).toContain(line.span_id);
      }
    }
  });

  test('a failing target is retried, ends as a dead letter, and can be redriven', async () => {
    const { runId, requestId } = await platform.startRun('/hooks/fail');
    const deliveryId = `${runId}-notify`;
    const dispatcher = platform.url('webhook-dispatcher');
    const dead = await platform.waitForRun(runId, (it) => it.deliveries[0]?.state === 'dead');
    expect(dead.state).toBe('succeeded');
    expect(dead.deliveries[0]).toMatchObject({ attempts: 3 });
    expect(dead.deliveries[0]?.reason).toMatch(/answered 500 \(failing_on_purpose\)/);

    const list = await (await fetch(`${dispatcher}/v1/dead-letters`)).json();
    expect(list).toMatchObject({
      total: 1,
      items: [{ deliveryId, tenant: 'acme', state: 'dead', attempts: 3 }],
    });

    const redriven = await fetch(`${dispatcher}/v1/dead-letters/${deliveryId}/redrive`, { method: 'POST' });
    expect(redriven.status).toBe(202);
    const attempts = await waitFor(
      'six attempts',
      () => platform.received(deliveryId),
      (it) => it.length === 6,
    );
    expect(new Set(attempts.map((attempt) => attempt.requestId))).toEqual(new Set([requestId]));
    expect(new Set(attempts.map((attempt) => attempt.traceparent?.split('-')[1])).size).toBe(1);
    expect(new Set(attempts.map((attempt) => attempt.body)).size).toBe(1);

    const traceId = attempts[0]?.traceparent?.split('-')[1];
    const consumers = await waitFor(
      'the failed attempts in the trace',
      async () =>
        spans.filter((it) => it.traceId === traceId && it.name === 'process webhook-deliveries' && it.error),
      (found) => found.length === 6,
    );
    expect(consumers.map((it) => it.attributes.get('tulle.attempt'))).toEqual([1, 2, 3, 1, 2, 3]);
  });

  test('metrics tell what became of runs, deliveries and attempts', async () => {
    const counts = async (service: string) => {
      const response = await fetch(platform.services.get(service)?.metricsUrl ?? '');
      return new Map(
        parseExposition(await response.text()).map(({ name, labels, value }) => [
          `${name} ${labels.get('outcome') ?? labels.get('state') ?? ''}`,
          value,
        ]),
      );
    };
    const before = await counts('webhook-dispatcher');
    const hooks = ['/hooks/ok', '/hooks/flaky/1', '/hooks/fail', 'http://127.0.0.1:9/'];
    const runs = await Promise.all(hooks.map((hook) => platform.startRun(hook)));
    for (const { runId } of runs)
      await platform.waitForRun(runId, (it) => /delivered|dead/.test(it.deliveries[0]?.state ?? ''));
    const after = await counts('webhook-dispatcher');
    const grown = ({ name }: MetricDeclaration, outcome: string, suffix = '') => {
      const key = `${name}${suffix} ${outcome}`;
      return (after.get(key) ?? 0) - (before.get(key) ?? 0);
    };
    // Three attempts each, as the policy has it, but for the one that recovers.
    expect(grown(WEBHOOK_ATTEMPTS, 'delivered')).toBe(2);
    expect(grown(WEBHOOK_ATTEMPTS, 'answered_5xx')).toBe(4);
    expect(grown(WEBHOOK_ATTEMPTS, 'unreachable')).toBe(3);
    expect(grown(WEBHOOK_ATTEMPT_DURATION, 'delivered', '_count')).toBe(2);
    expect(grown(WEBHOOK_DELIVERIES, 'delivered')).toBe(2);
    expect(grown(WEBHOOK_DELIVERIES, 'dead')).toBe(2);
    expect(grown(WEBHOOK_DELIVERY_DURATION, '', '_count')).toBe(2);
    expect(grown(QUEUE_ATTEMPTS, 'completed')).toBe(2);
    expect(grown(QUEUE_ATTEMPTS, 'retried')).toBe(5);
    expect(grown(QUEUE_ATTEMPTS, 'failed')).toBe(2);
    // Whoever uses a queue tells how deep it is, and counts what it did itself.
    const [gateway, worker] = [await counts('gateway'), await counts('workflow-worker')];
    for (const depth of [gateway, worker]) expect(depth.get(`${QUEUE_JOBS.name} waiting`)).toBe(0);
    expect(gateway.get(`${QUEUE_SUBMISSIONS.name} accepted`)).toBeGreaterThanOrEqual(hooks.length);
    expect(gateway.has(`${QUEUE_ATTEMPTS.name} completed`)).toBe(false);
    expect(worker.get(`${QUEUE_ATTEMPTS.name} completed`)).toBeGreaterThanOrEqual(hooks.length);
  });

  test('a delivery that is not dead cannot be redriven', async () => {
    const { runId } = await platform.startRun('/hooks/ok');
    await platform.waitForRun(runId, (it) => it.deliveries[0]?.state === 'delivered');
    const dispatcher = platform.url('webhook-dispatcher');
    const redrive = (id: string) => fetch(`${dispatcher}/v1/dead-letters/${id}/redrive`, { method: 'POST' });
    const refused = await redrive(`${runId}-notify`);
    expect(refused.status).toBe(409);
    expect(await refused.json()).toMatchObject({ code: 'not_dead' });
    expect((await redrive('nothing')).status).toBe(404);
  });

  test('a target that recovers gets the webhook once, under the same id and bytes', async () => {
    const { runId } = await platform.startRun('/hooks/flaky/2');
    const run = await platform.waitForRun(runId, (it) => it.deliveries[0]?.state === 'delivered');
    expect(run.deliveries[0]).toMatchObject({ attempts: 3 });
    const attempts = await platform.received(`${runId}-notify`);
    expect(attempts.map((attempt) => attempt.status)).toEqual([500, 500, 204]);
    expect(new Set(attempts.map((attempt) => attempt.body)).size).toBe(1);
  });

  test('a run whose input lacks a field fails for good and says where', async () => {
    const { runId } = await platform.startRun('/hooks/ok', {}, { other: 1 });
    const run = await platform.waitForRun(runId, (it) => it.state === 'failed');
    expect(run).toMatchObject({
      attempts: 1,
      reason: 'step check-input: the input lacks orderId',
      deliveries: [],
    });
  });

  test('the same delivery sent twice is delivered once', async () => {
    const delivery = {
      deliveryId: 'twice-1',
      tenant: 'acme',
      url: `${platform.url('webhook-receiver')}/hooks/ok`,
      event: { type: 'test.sent', timestamp: new Date(0).toISOString(), data: null },
    };
    const send = () =>
      fetch(`${platform.url('webhook-dispatcher')}/v1/deliveries`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(delivery),
      });
    expect((await send()).status).toBe(202);
    await waitFor(
      'the delivery',
      () => platform.received('twice-1'),
      (it) => it.length === 1,
    );
    expect((await send()).status).toBe(202);
    // A later delivery having arrived shows that the second one was not merely late.
    const { runId } = await platform.startRun('/hooks/ok');
    await platform.waitForRun(runId, (it) => it.deliveries[0]?.state === 'delivered');
    expect(await platform.received('twice-1')).toHaveLength(1);
  });

  test('the receiver refuses a webhook that is not signed', async () => {
    const response = await fetch(`${platform.url('webhook-receiver')}/hooks/ok`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'webhook-id': 'forged' },
      body: '{}',
    });
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ code: 'missing_header' });
    expect(await platform.received('forged')).toEqual([]);
  });

  test('every answer at the edge says that it is data, for nobody to frame or keep', async () => {
    const { runId } = await platform.startRun('/hooks/ok');
    const good = await platform.call(`/v1/runs/${runId}`);
    const refused = await platform.call(`/v1/runs/${runId}`, { key: 'wrong' });
    const unknown = await platform.call('/nothing');
    expect([good.status, refused.status, unknown.status]).toEqual([200, 401, 404]);
    for (const { headers } of [good, refused, unknown]) {
      expect(Object.fromEntries(headers)).toMatchObject({
        'content-security-policy': "default-src 'none';frame-ancestors 'none'",
        'strict-transport-security': 'max-age=31536000; includeSubDomains',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
      });
      expect(headers.has('x-powered-by') || headers.has('server')).toBe(false);
    }
    expect([good, refused].map(({ headers }) => headers.get('cache-control'))).toEqual([
      'no-store',
      'no-store',
    ]);
  });

  describe('the gateway refuses', () => {
    const path = '/v1/workflows/order-placed/runs';
    const hook = 'http://webhook-receiver/hooks/ok';
    const good = { webhookUrl: hook, input: {} };

    test.each([
      ['no key', { headers: { 'x-api-key': '' } }, 401, 'unauthenticated'],
      ['a wrong key', { key: 'wrong' }, 401, 'unauthenticated'],
      ['a very long key', { key: 'x'.repeat(5_000) }, 401, 'unauthenticated'],
      ['a bad body without a key', { key: 'wrong', body: '{' }, 401, 'unauthenticated'],
      ['what is not JSON', { body: '{"input":' }, 400, 'bad_request'],
      ['another media type', { headers: { 'content-type': 'text/plain' } }, 415, 'bad_request'],
      ['a body too large', { body: { ...good, input: { fill: 'x'.repeat(300_000) } } }, 413, 'bad_request'],
      ['an array', { body: [] }, 422, 'invalid_body'],
      ['a missing member', { body: { input: {} } }, 422, 'invalid_body'],
      ['an unknown member', { body: { ...good, webhokUrl: hook } }, 422, 'invalid_body'],
      ['an https URL', { body: { ...good, webhookUrl: 'https://x/' } }, 422, 'invalid_body'],
      ['a URL with a password', { body: { ...good, webhookUrl: 'http://u:p@x/' } }, 422, 'invalid_body'],
      ['deep nesting', { body: `{"webhookUrl":"${hook}","input":${nest(5_000)}}` }, 422, 'invalid_body'],
    ])('%s', async (_what, options, status, code) => {
      const response = await platform.call(path, { body: good, ...options });
      expect(response.status).toBe(status);
      expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      const requestId = response.headers.get('x-request-id');
      expect(await response.json()).toMatchObject({ status, code, requestId });
    });

    test('an unknown workflow, and one named like a member of every object', async () => {
      for (const name of ['nothing', 'constructor']) {
        const response = await platform.call(`/v1/workflows/${name}/runs`, { body: good });
        expect(response.status).toBe(404);
      }
    });

    test('with a pointer to what is wrong', async () => {
      const response = await platform.call(path, { body: { input: {}, webhookUrl: 1, 'a/b': 1 } });
      const { errors } = (await response.json()) as { errors: { pointer: string }[] };
      expect(errors.map((error) => error.pointer).sort()).toEqual(['/a~1b', '/webhookUrl']);
    });

    test('to tell a tenant of another tenant’s run, or of a run that never was', async () => {
      const { runId } = await platform.startRun('/hooks/ok');
      expect((await platform.call(`/v1/runs/${runId}`)).status).toBe(200);
      for (const [id, key] of [
        [runId, OTHER_API_KEY],
        ['run_00000000-0000-0000-0000-000000000000', undefined],
        ['..%2f..%2fhealthz', undefined],
      ] as const) {
        const response = await platform.call(`/v1/runs/${id}`, key ? { key } : {});
        expect(response.status).toBe(404);
        expect(await response.json()).toMatchObject({ code: 'not_found', detail: 'The run does not exist.' });
      }
    });
  });
});

test('a run waits for a dispatcher that is away, and reads as such', async () => {
  const platform = await Platform.start({
    withoutDispatcher: true,
    worker: { retry: { attempts: 50, firstDelayMs: 20, maxDelayMs: 100 } },
  });
  try {
    const { runId } = await platform.startRun('/hooks/ok');
    const waiting = await platform.waitForRun(runId, (it) => it.attempts >= 2);
    expect(['queued', 'running']).toContain(waiting.state);
    expect(waiting.reason).toMatch(/^step notify: 127\.0\.0\.1:\d+ is unreachable: ECONNREFUSED/);

    const dispatcher = await platform.startDispatcher();
    const run = await platform.waitForRun(runId, (it) => it.deliveries[0]?.state === 'delivered');
    expect(run.attempts).toBeGreaterThan(2);
    expect(await platform.received(`${runId}-notify`)).toHaveLength(1);

    expect(await dispatcher.stop()).toBe(0);
    expect((await platform.readRun(runId)).deliveries[0]).toMatchObject({ state: 'unknown' });
  } finally {
    await platform.stop();
  }
});

test.skipIf(process.env.REDIS_URL)('Redis that hangs, comes back, and goes', async () => {
  const redis = await startRedis();
  const platform = await Platform.start({ redis });
  const health = async (name: string, path: string) => (await fetch(platform.url(name) + path)).status;
  try {
    process.kill(redis.pid as number, 'SIGSTOP');
    const body = { webhookUrl: 'http://webhook-receiver/hooks/ok', input: {} };
    const refused = await platform.call('/v1/workflows/order-placed/runs', { body });
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.json()).toMatchObject({ code: 'queue_unavailable' });
    const names = ['gateway', 'workflow-worker', 'webhook-dispatcher'];
    const healthOfAll = (path: string) => Promise.all(names.map((name) => health(name, path)));
    expect(await healthOfAll('/healthz/ready')).toEqual([503, 503, 503]);
    expect(await healthOfAll('/healthz/live')).toEqual([200, 200, 200]);

    process.kill(redis.pid as number, 'SIGCONT');
    await waitFor(
      'readiness',
      () => health('gateway', '/healthz/ready'),
      (status) => status === 200,
    );
    const { runId } = await platform.startRun('/hooks/ok');
    await platform.waitForRun(runId, (it) => it.deliveries[0]?.state === 'delivered');

    await redis.stop();
    const gone = await platform.call(`/v1/runs/${runId}`);
    expect(gone.status).toBe(502);
    expect(await gone.json()).toMatchObject({
      code: 'worker_unavailable',
      detail: 'workflow-worker answered 503 (queue_unavailable)',
    });
    // No work is in flight, so a drain needs no Redis: far from the deadline, and so exit code 0.
    const exits = await Promise.all([...platform.services.values()].map((service) => service.stop()));
    expect(exits).toEqual([0, 0, 0, 0]);
  } finally {
    await platform.stop();
  }
});

describe('drain', () => {
  let target: Server;
  let platform: Platform;
  let release: () => void;
  const arrivals: string[] = [];

  beforeAll(async () => {
    target = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        const secret = Buffer.from(SIGNING_SECRET.slice('whsec_'.length), 'base64');
        arrivals.push(verifyWebhook([secret], request.headers, body, Date.now()));
        release = () => response.writeHead(204).end();
      });
    });
    await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
    platform = await Platform.start();
  });
  afterAll(async () => {
    await platform?.stop();
    target.closeAllConnections();
    target.close();
  });

  const beginDelivery = async () => {
    arrivals.length = 0;
    const port = (target.address() as AddressInfo).port;
    const { runId } = await platform.startRun(`http://127.0.0.1:${port}/slow`);
    await waitFor(
      'the delivery in flight',
      async () => arrivals,
      (it) => it.length === 1,
    );
    return runId;
  };

  test('completes the delivery in flight, takes no other, and exits with 0', async () => {
    const runId = await beginDelivery();
    const dispatcher = platform.url('webhook-dispatcher');
    const exit = platform.services.get('webhook-dispatcher')?.stop();
    await waitFor(
      'the drain',
      async () => (await fetch(`${dispatcher}/healthz/ready`)).json(),
      (it) => (it as { status: string }).status === 'draining',
    );
    const refused = await fetch(`${dispatcher}/v1/dead-letters`);
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ code: 'draining' });
    expect((await fetch(`${dispatcher}/healthz/live`)).status).toBe(200);

    release();
    expect(await exit).toBe(0);
    await platform.startDispatcher();
    const run = await platform.waitForRun(runId, (it) => it.deliveries[0]?.state === 'delivered');
    expect(run.deliveries[0]).toMatchObject({ attempts: 1 });
    expect(arrivals).toEqual(['valid']);
  });

  test('ends at its deadline, with exit code 1, when a target never answers', async () => {
    await platform.services.get('webhook-dispatcher')?.stop();
    const dispatcher = await platform.startDispatcher({ drainMs: 200, attemptTimeoutMs: 60_000 });
    await beginDelivery();
    expect(await dispatcher.stop()).toBe(1);
    release();
  });
});

function nest(depth: number): string {
  return '{"a":'.repeat(depth) + 1 + '}'.repeat(depth);
}
