// What a TrafficPolicy does, through a real sidecar to real services.
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Sidecar, startSidecar } from '../../sidecar/src/app.ts';
import { createFolder, type Folder, sidecarConfig } from './mesh-fixture.ts';

let folder: Folder;
let services: http.Server[] = [];
let sidecar: Sidecar | null = null;

beforeEach(async () => {
  folder = await createFolder();
});

afterEach(async () => {
  await sidecar?.drain();
  sidecar = null;
  for (const service of services) {
    service.closeAllConnections();
    service.close();
  }
  services = [];
  await folder.remove();
});

async function startService(answer: http.RequestListener): Promise<number> {
  const service = http.createServer(answer);
  services.push(service);
  service.listen(0, '127.0.0.1');
  await once(service, 'listening');
  return (service.address() as AddressInfo).port;
}

/** Settles with what the sidecar's outbound listener is to be asked. */
async function startOutbound(ports: number[], policy: Record<string, unknown>): Promise<Sidecar> {
  const config = sidecarConfig('caller', {
    outbound: {
      listen: '127.0.0.1:0',
      services: [{ host: 'orders', mtls: 'off', endpoints: ports.map((port) => `127.0.0.1:${port}`) }],
    },
  });
  const document = {
    apiVersion: 'mesh.tulle.dev/v1alpha1',
    kind: 'TrafficPolicy',
    metadata: { name: 'orders' },
    spec: { targetRefs: [{ kind: 'Service', name: 'orders' }], ...policy },
  };
  const configPath = await folder.write('sidecar.yaml', `${config}\n---\n${JSON.stringify(document)}\n`);
  sidecar = await startSidecar({ configPath });
  return sidecar;
}

interface Answer {
  status: number;
  body: string;
}

function ask({ outboundPort }: Sidecar, options: http.RequestOptions = {}, body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        host: '127.0.0.1',
        port: outboundPort as number,
        headers: { host: 'orders' },
        agent: false,
        ...options,
      },
      async (response) => {
        let text = '';
        for await (const part of response) text += part;
        resolve({ status: response.statusCode ?? 0, body: text });
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

async function metric({ adminPort }: Sidecar, name: string, ...labels: string[]): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

describe('retries', () => {
  test('hide a failing endpoint from callers, and the bodies of their requests arrive whole', async () => {
    const failing = await startService((_request, response) => response.writeHead(503).end('no'));
    const working = await startService(async (request, response) => {
      let text = '';
      for await (const part of request) text += part;
      response.end(text);
    });
    const caller = await startOutbound([failing, working], {
      loadBalancer: { algorithm: 'roundRobin' },
      retry: { backoff: { baseMs: 1, maxMs: 5 }, budget: { percent: 100 } },
    });
    const body = 'x'.repeat(40_000);
    for (let i = 0; i < 10; i++) {
      expect(await ask(caller, { method: 'PUT' }, body)).toEqual({ status: 200, body });
    }
    const attempts = await metric(caller, 'tulle_attempts_total', 'route="orders"');
    const retries = await metric(caller, 'tulle_retries_total', 'reason="status"', 'mode="enforce"');
    expect(retries).toBeGreaterThan(0);
    expect(attempts).toBe(10 + retries);
  });

  test('execute a POST at most once, unless it has a key', async () => {
    let executed = 0;
    const failing = await startService((_request, response) => {
      executed++;
      response.writeHead(503).end();
    });
    const caller = await startOutbound([failing], { retry: { attempts: 3, backoff: { baseMs: 0 } } });
    expect((await ask(caller, { method: 'POST' }, 'x')).status).toBe(503);
    expect(executed).toBe(1);
    const headers = { host: 'orders', 'idempotency-key': 'k' };
    expect((await ask(caller, { method: 'POST', headers }, 'x')).status).toBe(503);
    expect(executed).toBe(1 + 3);
  });

  test('stay within their budget when everything fails', async () => {
    let executed = 0;
    const failing = await startService((_request, response) => {
      executed++;
      response.writeHead(503).end();
    });
    const caller = await startOutbound([failing], {
      retry: { attempts: 5, backoff: { baseMs: 0 }, budget: { percent: 20, minPerSecond: 0 } },
    });
    for (let i = 0; i < 200; i++) await ask(caller);
    expect(executed).toBeGreaterThan(200);
    expect(executed).toBeLessThanOrEqual(240);
  });
});

test('an attempt has a time, and the exchange has one', async () => {
  const silent = await startService(() => {});
  const caller = await startOutbound([silent], { timeouts: { attemptMs: 100 } });
  const late = await ask(caller);
  expect(late.status).toBe(504);
  expect(JSON.parse(late.body)).toMatchObject({ code: 'upstream_timeout' });
  await caller.drain();
  const other = await startOutbound([silent], { timeouts: { requestMs: 150 }, retry: { attempts: 9 } });
  expect(JSON.parse((await ask(other)).body)).toMatchObject({ code: 'deadline_exceeded' });
});

test('callers of a service that has all it can bear are answered at once', async () => {
  const held: http.ServerResponse[] = [];
  const slow = await startService((_request, response) => void held.push(response));
  const caller = await startOutbound([slow], {
    concurrency: { limit: 2, queue: { size: 1, timeoutMs: 60_000 } },
  });
  const first = [ask(caller), ask(caller)];
  await expect.poll(() => held.length).toBe(2);
  const waiting = ask(caller);
  await expect.poll(() => metric(caller, 'tulle_concurrency_queued')).toBe(1);
  // It takes the place of the one that waits, which has waited longer.
  const newest = ask(caller);
  const turnedAway = await waiting;
  expect(turnedAway.status).toBe(503);
  expect(JSON.parse(turnedAway.body)).toMatchObject({ code: 'overloaded' });
  held[0]?.end('done');
  await expect.poll(() => held.length).toBe(3);
  for (const response of held.slice(1)) response.end('done');
  expect((await Promise.all([...first, newest])).map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(await metric(caller, 'tulle_concurrency_in_flight')).toBe(0);
  expect(await metric(caller, 'tulle_shed_total', 'mode="enforce"')).toBe(1);
});

test('a slow endpoint is hedged: callers get the answer of the other', async () => {
  let isSlow = false;
  const maybeSlow = await startService((_request, response) => {
    if (isSlow) setTimeout(() => response.end('slow'), 2_000).unref();
    else response.end('fast');
  });
  const fast = await startService((_request, response) => response.end('fast'));
  const caller = await startOutbound([maybeSlow, fast], {
    loadBalancer: { algorithm: 'roundRobin' },
    hedge: { minDelayMs: 20, budget: { percent: 100 } },
  });
  for (let i = 0; i < 120; i++) await ask(caller);
  isSlow = true;
  const answers = await Promise.all(Array.from({ length: 10 }, () => ask(caller)));
  expect(answers.map(({ body }) => body)).toEqual(Array(10).fill('fast'));
  expect(await metric(caller, 'tulle_hedges_total', 'result="won"')).toBeGreaterThan(0);
});
