// Endpoints that fail, are unwell, come and go: through a real sidecar to real services.
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Sidecar } from '../../sidecar/src/app.ts';
import { openAuthority, sidecarConfig, spiffeId, writeIdentity } from './mesh-fixture.ts';
import { ask, configWith, metric, OutboundWorld } from './outbound-fixture.ts';

const OFTEN = { intervalMs: 100, timeoutMs: 200, unhealthyThreshold: 2, healthyThreshold: 2 };
const AT_ONCE = { slowStart: { windowMs: 0 } };

let world: OutboundWorld;

beforeEach(async () => {
  world = await OutboundWorld.open();
});

afterEach(() => world.close());

/** A service that says its name, and by `/healthz` how it is. */
async function startNamed(
  name: string,
): Promise<{ port: number; health: { status: number; asked: number } }> {
  const health = { status: 200, asked: 0 };
  const port = await world.startService((request, response) => {
    if (request.url !== '/healthz') {
      response.end(name);
      return;
    }
    health.asked++;
    response.writeHead(health.status).end();
  });
  return { port, health };
}

const available = (caller: Sidecar, port: number): Promise<number> =>
  metric(caller, 'tulle_endpoint_available', `endpoint="127.0.0.1:${port}"`);

async function answersOf(caller: Sidecar, count = 20): Promise<string[]> {
  const bodies = new Set<string>();
  for (let i = 0; i < count; i++) bodies.add((await ask(caller)).body);
  return [...bodies].sort();
}

describe('health checks', () => {
  test('by HTTP: an endpoint that says it is unwell gets nothing until it is well again', async () => {
    const [one, two] = [await startNamed('one'), await startNamed('two')];
    const caller = await world.startCaller([one.port, two.port], {
      loadBalancer: { algorithm: 'roundRobin', ...AT_ONCE },
      healthCheck: { http: { path: '/healthz' }, ...OFTEN },
    });
    expect(await answersOf(caller)).toEqual(['one', 'two']);
    one.health.status = 500;
    await expect.poll(() => available(caller, one.port)).toBe(0);
    expect(await answersOf(caller)).toEqual(['two']);
    one.health.status = 204;
    await expect.poll(() => available(caller, one.port)).toBe(1);
    expect(await answersOf(caller)).toEqual(['one', 'two']);
    const checks = await metric(caller, 'tulle_health_checks_total', `endpoint="127.0.0.1:${one.port}"`);
    expect(checks).toBeGreaterThanOrEqual(4);
    // Checks are no attempts of callers.
    expect(await metric(caller, 'tulle_endpoint_attempts_total')).toBe(60);
  });

  test('by HTTP, through the sidecar of the endpoint with mTLS', async () => {
    const authority = await openAuthority();
    const orders = await startNamed('orders');
    const callee = await world.start(
      await world.folder.write(
        'callee.yaml',
        sidecarConfig('orders', {
          identity: await writeIdentity(world.folder, authority, { spiffeId: spiffeId('orders') }),
          inbound: [{ name: 'http', listen: '127.0.0.1:0', target: `127.0.0.1:${orders.port}` }],
        }),
      ),
    );
    const port = callee.inboundPorts.http as number;
    const caller = await world.start(
      await world.folder.write(
        'caller.yaml',
        configWith(
          {
            identity: await writeIdentity(world.folder, authority, { spiffeId: spiffeId('caller') }),
            outbound: {
              listen: '127.0.0.1:0',
              services: [{ host: 'orders', identity: spiffeId('orders'), endpoints: [`127.0.0.1:${port}`] }],
            },
          },
          {
            loadBalancer: { panicThreshold: 0 },
            healthCheck: { http: { path: '/healthz', statuses: [200] }, ...OFTEN },
          },
        ),
      ),
    );
    await expect.poll(() => orders.health.asked).toBeGreaterThan(2);
    expect(await available(caller, port)).toBe(1);
    orders.health.status = 204;
    await expect.poll(() => available(caller, port)).toBe(0);
    const refused = await ask(caller);
    expect(refused.status).toBe(503);
    expect(JSON.parse(refused.body)).toMatchObject({
      code: 'circuit_open',
      detail: expect.stringContaining(`127.0.0.1:${port}: unhealthy (status 204)`),
    });
  });

  test('by gRPC: what the health service of a server says holds', async () => {
    let status = 1;
    const server = new grpc.Server();
    const asIs = { serialize: (bytes: Buffer) => bytes, deserialize: (bytes: Buffer) => bytes };
    const asked: string[] = [];
    server.addService(
      {
        check: {
          path: '/grpc.health.v1.Health/Check',
          requestStream: false,
          responseStream: false,
          requestSerialize: asIs.serialize,
          requestDeserialize: asIs.deserialize,
          responseSerialize: asIs.serialize,
          responseDeserialize: asIs.deserialize,
        },
      },
      {
        check: (call: { request: Buffer }, answer: grpc.sendUnaryData<Buffer>) => {
          asked.push(call.request.subarray(2).toString());
          answer(null, Buffer.from([0x08, status]));
        },
      },
    );
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    try {
      const caller = await world.startCaller([port], {
        healthCheck: { grpc: { service: 'shop.Orders' }, ...OFTEN },
      });
      await expect.poll(() => asked.length).toBeGreaterThan(2);
      expect(new Set(asked)).toEqual(new Set(['shop.Orders']));
      expect(await available(caller, port)).toBe(1);
      status = 2;
      await expect.poll(() => available(caller, port)).toBe(0);
      status = 1;
      await expect.poll(() => available(caller, port)).toBe(1);
    } finally {
      server.forceShutdown();
    }
  });

  test('by connection: nobody listens, so all are used all the same, or none', async () => {
    const [one, two] = [await startNamed('one'), await startNamed('two')];
    const caller = await world.startCaller([one.port, two.port, 1], {
      loadBalancer: { algorithm: 'roundRobin', ...AT_ONCE },
      healthCheck: { tcp: {}, ...OFTEN },
    });
    await expect.poll(() => available(caller, 1)).toBe(0);
    expect(await answersOf(caller)).toEqual(['one', 'two']);
    expect(await metric(caller, 'tulle_panic_picks_total')).toBe(0);
    const alone = await world.startCaller([1], { healthCheck: { tcp: {}, ...OFTEN } });
    await expect.poll(() => available(alone, 1)).toBe(0);
    expect(JSON.parse((await ask(alone)).body)).toMatchObject({ code: 'connect_refused' });
    expect(await metric(alone, 'tulle_panic_picks_total')).toBe(1);
  });

  test('in shadow say what they would do', async () => {
    const one = await startNamed('one');
    one.health.status = 500;
    const caller = await world.startCaller([one.port], {
      loadBalancer: { panicThreshold: 0 },
      healthCheck: { mode: 'shadow', http: { path: '/healthz' }, ...OFTEN },
    });
    await expect
      .poll(() => metric(caller, 'tulle_health_checks_total', 'result="failed"'))
      .toBeGreaterThan(3);
    expect(await available(caller, one.port)).toBe(1);
    expect(await answersOf(caller)).toEqual(['one']);
  });
});

describe('outliers', () => {
  test('an endpoint that fails is left out, and comes back when it is well', async () => {
    let broken = true;
    const failing = await world.startService((_request, response) => {
      response.writeHead(broken ? 503 : 200).end('failing');
    });
    const { port: working } = await startNamed('working');
    const caller = await world.startCaller([failing, working], {
      loadBalancer: { algorithm: 'roundRobin', ...AT_ONCE },
      outlierDetection: { consecutive: { gatewayFailures: 3 }, ejection: { baseMs: 300, jitter: 0 } },
    });
    const statuses: number[] = [];
    for (let i = 0; i < 30; i++) statuses.push((await ask(caller)).status);
    expect(statuses.filter((status) => status === 503)).toHaveLength(3);
    expect(await available(caller, failing)).toBe(0);
    const enforced = ['upstream="orders"', 'reason="consecutive_gateway_failures"', 'action="enforced"'];
    expect(await metric(caller, 'tulle_endpoint_ejections_total', ...enforced)).toBe(1);
    broken = false;
    await expect
      .poll(async () => {
        await ask(caller);
        return available(caller, failing);
      })
      .toBe(1);
    expect(await answersOf(caller)).toEqual(['failing', 'working']);
  });

  test('when none is left, callers are answered at once, with the reason', async () => {
    const caller = await world.startCaller([1], {
      loadBalancer: { panicThreshold: 0 },
      outlierDetection: { ejection: { maxShare: 1, baseMs: 60_000 } },
    });
    for (let i = 0; i < 3; i++) {
      expect(JSON.parse((await ask(caller)).body)).toMatchObject({ code: 'connect_refused' });
    }
    const refused = await ask(caller);
    expect(refused.status).toBe(503);
    expect(JSON.parse(refused.body)).toMatchObject({
      code: 'circuit_open',
      detail: expect.stringContaining('127.0.0.1:1: ejected for consecutive_connect_failures'),
    });
    expect(await metric(caller, 'tulle_requests_total', 'failure="circuit_open"', 'source="policy"')).toBe(1);
  });
});

describe('who gets a request', () => {
  const zoned = (
    ports: readonly number[],
    zones: readonly string[],
    policy: Record<string, unknown>,
  ): string => {
    const endpoints = ports.map((port, i) => ({ address: `127.0.0.1:${port}`, zone: zones[i] }));
    const services = [{ host: 'orders', mtls: 'off', endpoints }];
    return configWith({ zone: 'east', outbound: { listen: '127.0.0.1:0', services } }, policy);
  };

  test('the own zone, and another when that is unwell', async () => {
    const [near, far] = [await startNamed('near'), await startNamed('far')];
    const config = zoned([near.port, far.port], ['east', 'west'], {
      healthCheck: { http: { path: '/healthz' }, ...OFTEN },
    });
    const caller = await world.start(await world.folder.write('zoned.yaml', config));
    expect(await answersOf(caller)).toEqual(['near']);
    near.health.status = 503;
    await expect.poll(() => available(caller, near.port)).toBe(0);
    expect(await answersOf(caller)).toEqual(['far']);
  });

  test.each(['ringHash', 'maglev'])('by %s: the same endpoint for the same session', async (algorithm) => {
    const named = await Promise.all(['a', 'b', 'c'].map(startNamed));
    const caller = await world.startCaller(
      named.map(({ port }) => port),
      { loadBalancer: { algorithm, hash: { cookie: 'sid' } } },
    );
    const owners = new Map<number, Set<string>>();
    for (let i = 0; i < 60; i++) {
      const { body } = await ask(caller, { headers: { host: 'orders', cookie: `x=1; sid=${i % 12}` } });
      owners.set(i % 12, (owners.get(i % 12) ?? new Set()).add(body));
    }
    expect([...owners.values()].map(({ size }) => size)).toEqual(Array(12).fill(1));
    expect(new Set([...owners.values()].flatMap((each) => [...each])).size).toBeGreaterThan(1);
  });

  test('not by how slowly the caller sends', async () => {
    const port = await world.startService((request, response) => {
      request.resume().on('end', () => response.end());
    });
    const caller = await world.startCaller([port], {});
    const request = http.request({
      host: '127.0.0.1',
      port: caller.outboundPort as number,
      method: 'POST',
      headers: { host: 'orders', 'content-length': 2 },
    });
    const answered = new Promise((resolve) => {
      request.on('response', (response) => response.resume().on('end', resolve));
    });
    request.write('a');
    await sleep(1_000);
    request.end('b');
    await answered;
    const latencySeconds = await metric(caller, 'tulle_endpoint_latency_seconds', 'upstream="orders"');
    expect(latencySeconds).toBeGreaterThan(0);
    expect(latencySeconds).toBeLessThan(0.9);
  });
});

test('endpoints change under load without a lost request', async () => {
  const ports = await Promise.all(['a', 'b', 'c', 'd'].map(async (name) => (await startNamed(name)).port));
  const slow = await world.startService(
    (_request, response) => void setTimeout(() => response.end('slow'), 150),
  );
  const caller = await world.startCaller([...ports, slow], {});
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  let stopped = false;
  const statuses = new Map<number, number>();
  const callers = Array.from({ length: 8 }, async () => {
    while (!stopped) {
      const { status } = await ask(caller, { agent });
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  });
  for (const some of [
    ports.slice(0, 2),
    ports.slice(2),
    [slow],
    ports,
    [slow, ...ports.slice(1)],
    ports.slice(3),
  ]) {
    const before = [...statuses.values()].reduce((sum, count) => sum + count, 0);
    await world.writeConfig(some, {});
    await caller.reload();
    await expect
      .poll(() => [...statuses.values()].reduce((sum, count) => sum + count, 0))
      .toBeGreaterThan(before + 16);
  }
  stopped = true;
  await Promise.all(callers);
  agent.destroy();
  expect([...statuses.keys()]).toEqual([200]);
  expect(await metric(caller, 'tulle_endpoint_active_attempts')).toBe(0);
});
