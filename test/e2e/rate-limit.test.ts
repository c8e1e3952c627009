// Real sidecars with a RateLimitPolicy: a limit of their own, and one that two of them share in a real Redis.
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Sidecar, startSidecar } from '../../sidecar/src/app.ts';
import { findSteadyPort } from '../parts/part.ts';
import { type Redis, startRedis } from '../parts/redis.ts';
import {
  createFolder,
  type EchoOrigin,
  type Folder,
  send,
  sidecarConfig,
  startOrigin,
} from './mesh-fixture.ts';

let folder: Folder;
let origin: EchoOrigin;
let redis: Redis;
const sidecars: Sidecar[] = [];

beforeAll(async () => {
  folder = await createFolder();
  origin = await startOrigin();
  redis = await startRedis();
});

afterAll(async () => {
  await Promise.all(sidecars.map((sidecar) => sidecar.drain()));
  await redis.stop();
  origin.close();
  await folder.remove();
});

async function limitedBy(name: string, policyName: string, spec: Record<string, unknown>): Promise<Sidecar> {
  const target = `127.0.0.1:${origin.port}`;
  const config = sidecarConfig('orders', {
    inbound: [{ name: 'http', listen: '127.0.0.1:0', mtls: 'off', target }],
  });
  const policy = JSON.stringify({
    apiVersion: 'mesh.tulle.dev/v1alpha1',
    kind: 'RateLimitPolicy',
    metadata: { name: policyName },
    spec: { targetRefs: [{ kind: 'Service', name: 'orders' }], ...spec },
  });
  const configPath = await folder.write(`${name}.yaml`, `${config}\n---\n${policy}\n`);
  const sidecar = await startSidecar({ configPath });
  sidecars.push(sidecar);
  return sidecar;
}

const get = (sidecar: Sidecar, tenant: string, method = 'GET') =>
  send(sidecar.inboundPorts.http as number, '/', { method, headers: { 'x-tenant': tenant } });

async function metricsOf(sidecar: Sidecar): Promise<string> {
  return (await fetch(`http://127.0.0.1:${sidecar.adminPort}/metrics`)).text();
}

describe('a limit of the sidecar itself', () => {
  it('refuses with 429, tells when to come back, and shows what it did', async () => {
    const sidecar = await limitedBy('local', 'local', {
      limits: [
        { name: 'per-tenant', key: [{ header: 'x-tenant' }], windows: [{ quota: 2, windowSeconds: 600 }] },
      ],
    });
    const answers = [await get(sidecar, 'acme'), await get(sidecar, 'acme'), await get(sidecar, 'acme')];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(answers[0]?.headers['ratelimit-policy']).toBe('"per-tenant";q=2;w=600');
    expect(answers[0]?.headers.ratelimit).toBe('"per-tenant";r=1;t=300');
    expect(Number(answers[2]?.headers['retry-after'])).toBeGreaterThan(0);
    expect(JSON.parse(answers[2]?.body ?? '')).toMatchObject({ code: 'rate_limited', source: 'policy' });
    expect((await get(sidecar, 'other')).status).toBe(200);
    const metrics = await metricsOf(sidecar);
    expect(metrics).toMatch(
      /^tulle_rate_limit_decisions_total\{.*policy="e2e\/local",limit="per-tenant",mode="enforce",source="local",decision="limited".*\} 1$/m,
    );
    expect(metrics).toMatch(/^tulle_rate_limit_keys\{.*limit="per-tenant".*\} 2$/m);
    expect(metrics).toMatch(/^tulle_requests_total\{.*failure="rate_limited",source="policy".*\} 1$/m);
  });
});

describe('a limit that sidecars share', () => {
  it('counts what both let through, bodies and all, and spares Redis what was refused already', async () => {
    const spec = {
      limits: [
        {
          name: 'shared',
          scope: 'global',
          key: [{ header: 'x-tenant' }],
          windows: [{ quota: 6, windowSeconds: 600 }],
        },
      ],
      redis: {
        endpoints: [new URL(redis.url).host],
        keyPrefix: `e2e-${process.pid}:`,
        deadlineMs: 1_000,
      },
      onFailure: 'deny',
    };
    const pair = await Promise.all([limitedBy('one', 'shared', spec), limitedBy('two', 'shared', spec)]);
    for (const sidecar of pair) while ((await get(sidecar, 'warm')).status === 503) {}
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) {
      const both = await Promise.all(
        pair.map((sidecar) =>
          send(sidecar.inboundPorts.http as number, '/', {
            method: 'POST',
            headers: { 'x-tenant': 'acme' },
            body: 'x'.repeat(100_000),
          }),
        ),
      );
      for (const { status: code, body } of both) {
        statuses.push(code);
        if (code === 200) expect(body).toHaveLength(100_000);
      }
    }
    expect(statuses.filter((status) => status === 200)).toHaveLength(6);
    expect(statuses.filter((status) => status === 429)).toHaveLength(4);
    const counts = (await Promise.all(pair.map(metricsOf))).map((text) => ({
      asked: decisions(text, 'redis', 'limited'),
      spared: decisions(text, 'precheck', 'limited'),
    }));
    for (const { asked, spared } of counts) expect([asked, spared]).toEqual([1, 1]);
  });

  it('is RESOURCE_EXHAUSTED to a gRPC client, with the time at which its library may try again', async () => {
    const sidecar = await limitedBy('grpc', 'grpc', {
      limits: [{ name: 'calls', scope: 'global', windows: [{ quota: 1, windowSeconds: 600 }] }],
      redis: {
        endpoints: [new URL(redis.url).host],
        keyPrefix: `e2e-grpc-${process.pid}:`,
        deadlineMs: 1_000,
      },
      onFailure: 'deny',
    });
    const client = new Client(`127.0.0.1:${sidecar.inboundPorts.http}`, credentials.createInsecure());
    const call = () =>
      new Promise<ServiceError | null>((resolve) => {
        const empty = () => Buffer.alloc(0);
        client.makeUnaryRequest('/demo.Echo/Say', empty, empty, null, (error) => resolve(error));
      });
    let refused = await call();
    // The origin speaks no gRPC, and before the store is there calls are UNAVAILABLE: neither is what this is about.
    while (refused?.code !== status.RESOURCE_EXHAUSTED) refused = await call();
    client.close();
    expect(refused.details).toContain('rate_limited');
    const [pushbackMs] = refused.metadata.get('grpc-retry-pushback-ms');
    expect(Number(pushbackMs)).toBeGreaterThan(500_000);
  });
});

describe.skipIf(process.env.REDIS_URL)('a Redis that stands still, dies and comes back under load', () => {
  it('costs requests their deadline at most, and only the first of them', async () => {
    const port = await findSteadyPort();
    let server = await startRedis({ port });
    try {
      const sidecar = await limitedBy('faults', 'faults', {
        limits: [{ name: 'shared', scope: 'global', windows: [{ quota: 100_000, windowSeconds: 1 }] }],
        redis: { endpoints: [`127.0.0.1:${port}`], deadlineMs: DEADLINE_MS },
        onFailure: 'allow',
      });
      const isUp = async () => /^tulle_rate_limit_redis_up\{.*\} 1$/m.test(await metricsOf(sidecar));
      while (!(await isUp())) await sleep(10);
      const load = startLoad(sidecar);
      await load.answered(300);

      process.kill(server.pid as number, 'SIGSTOP');
      const stoppedAt = load.count();
      await load.answered(600);
      // Whoever was waiting when the circuit opened, and hardly anybody after that.
      const waited = await failuresOf(sidecar, 'deadline');
      expect(waited).toBeGreaterThan(0);
      expect(waited).toBeLessThanOrEqual(CALLERS * 2);
      expect(load.count() - stoppedAt).toBeGreaterThanOrEqual(600);
      process.kill(server.pid as number, 'SIGCONT');
      while (!(await isUp())) await sleep(10);

      await load.answered(300);
      process.kill(server.pid as number, 'SIGKILL');
      await load.answered(600);
      await server.stop();
      server = await startRedis({ port });
      while (!(await isUp())) await sleep(10);
      const askedBefore = decisions(await metricsOf(sidecar), 'redis', 'allowed');
      await load.answered(300);
      expect(decisions(await metricsOf(sidecar), 'redis', 'allowed')).toBeGreaterThan(askedBefore);
      expect(await load.stop()).toEqual({ 200: load.count() });
      expect(load.slowestMs()).toBeLessThan(DEADLINE_MS + GENEROUS_MS);
    } finally {
      await server.stop();
    }
  });
});

const CALLERS = 20;
const DEADLINE_MS = 30;
/** What a loaded machine may add; a request that waited for the store to come back would take much longer. */
const GENEROUS_MS = 5_000;

function startLoad(sidecar: Sidecar) {
  const agent = new http.Agent({ keepAlive: true });
  const statuses: Record<number, number> = {};
  let sending = true;
  let count = 0;
  let slowestMs = 0;
  const call = async () => {
    while (sending) {
      const startedMs = performance.now();
      const { status } = await send(sidecar.inboundPorts.http as number, '/', { agent });
      slowestMs = Math.max(slowestMs, performance.now() - startedMs);
      statuses[status] = (statuses[status] ?? 0) + 1;
      count++;
    }
  };
  const callers = Array.from({ length: CALLERS }, call);
  return {
    count: () => count,
    slowestMs: () => slowestMs,
    /** So many more. */
    async answered(more: number) {
      const until = count + more;
      while (count < until) await sleep(5);
    },
    async stop() {
      sending = false;
      await Promise.all(callers);
      agent.destroy();
      return statuses;
    },
  };
}

async function failuresOf(sidecar: Sidecar, reason: string): Promise<number> {
  const line = new RegExp(`^tulle_rate_limit_redis_failures_total\\{.*reason="${reason}".*\\} (\\d+)$`, 'm');
  return Number(line.exec(await metricsOf(sidecar))?.[1]);
}

function decisions(text: string, source: string, decision: string): number {
  const line = new RegExp(
    `^tulle_rate_limit_decisions_total\\{.*source="${source}",decision="${decision}".*\\} (\\d+)$`,
    'm',
  );
  return Number(line.exec(text)?.[1] ?? 0);
}
