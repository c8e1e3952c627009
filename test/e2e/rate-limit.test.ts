// Real sidecars with a RateLimitPolicy: a limit of their own, and one that two of them share in a real Redis.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Sidecar, startSidecar } from '../../sidecar/src/app.ts';
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
      /^tulle_rate_limit_decisions_total\{policy="e2e\/local",limit="per-tenant",mode="enforce",source="local",decision="limited",.*\} 1$/m,
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
      for (const { status, body } of both) {
        statuses.push(status);
        if (status === 200) expect(body).toHaveLength(100_000);
      }
    }
    expect(statuses.filter((status) => status === 200)).toHaveLength(6);
    expect(statuses.filter((status) => status === 429)).toHaveLength(4);
    const counts = (await Promise.all(pair.map(metricsOf))).map((text) => ({
      asked: count(text, 'redis', 'limited'),
      spared: count(text, 'precheck', 'limited'),
    }));
    for (const { asked, spared } of counts) expect([asked, spared]).toEqual([1, 1]);
  });

  function count(text: string, source: string, decision: string): number {
    const line = new RegExp(
      `^tulle_rate_limit_decisions_total\\{.*source="${source}",decision="${decision}".*\\} (\\d+)$`,
      'm',
    );
    return Number(line.exec(text)?.[1] ?? 0);
  }
});
