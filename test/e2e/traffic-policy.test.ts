// What a TrafficPolicy does, through a real sidecar to real services.
import type http from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ask, metric, OutboundWorld } from './outbound-fixture.ts';

let world: OutboundWorld;

beforeEach(async () => {
  world = await OutboundWorld.open();
});

afterEach(() => world.close());

describe('retries', () => {
  test('hide a failing endpoint from callers, and the bodies of their requests arrive whole', async () => {
    const failing = await world.startService((_request, response) => response.writeHead(503).end('no'));
    const working = await world.startService(async (request, response) => {
      let text = '';
      for await (const part of request) text += part;
      response.end(text);
    });
    const caller = await world.startCaller([failing, working], {
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
    const failing = await world.startService((_request, response) => {
      executed++;
      response.writeHead(503).end();
    });
    const caller = await world.startCaller([failing], { retry: { attempts: 3, backoff: { baseMs: 0 } } });
    expect((await ask(caller, { method: 'POST' }, 'x')).status).toBe(503);
    expect(executed).toBe(1);
    const headers = { host: 'orders', 'idempotency-key': 'k' };
    expect((await ask(caller, { method: 'POST', headers }, 'x')).status).toBe(503);
    expect(executed).toBe(1 + 3);
  });

  test('stay within their budget when everything fails', async () => {
    let executed = 0;
    const failing = await world.startService((_request, response) => {
      executed++;
      response.writeHead(503).end();
    });
    const caller = await world.startCaller([failing], {
      retry: { attempts: 5, backoff: { baseMs: 0 }, budget: { percent: 20, minPerSecond: 0 } },
    });
    for (let i = 0; i < 200; i++) await ask(caller);
    expect(executed).toBeGreaterThan(200);
    expect(executed).toBeLessThanOrEqual(240);
  });
});

test('an attempt has a time, and the exchange has one', async () => {
  const silent = await world.startService(() => {});
  const caller = await world.startCaller([silent], { timeouts: { attemptMs: 100 } });
  const late = await ask(caller);
  expect(late.status).toBe(504);
  expect(JSON.parse(late.body)).toMatchObject({ code: 'upstream_timeout' });
  const other = await world.startCaller([silent], { timeouts: { requestMs: 150 }, retry: { attempts: 9 } });
  expect(JSON.parse((await ask(other)).body)).toMatchObject({ code: 'deadline_exceeded' });
});

test('callers of a service that has all it can bear are answered at once', async () => {
  const held: http.ServerResponse[] = [];
  const slow = await world.startService((_request, response) => void held.push(response));
  const caller = await world.startCaller([slow], {
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
  const maybeSlow = await world.startService((_request, response) => {
    if (isSlow) setTimeout(() => response.end('slow'), 2_000).unref();
    else response.end('fast');
  });
  const fast = await world.startService((_request, response) => response.end('fast'));
  const caller = await world.startCaller([maybeSlow, fast], {
    loadBalancer: { algorithm: 'roundRobin' },
    hedge: { minDelayMs: 20, budget: { percent: 100 } },
  });
  for (let i = 0; i < 120; i++) await ask(caller);
  isSlow = true;
  const answers = await Promise.all(Array.from({ length: 10 }, () => ask(caller)));
  expect(answers.map(({ body }) => body)).toEqual(Array(10).fill('fast'));
  expect(await metric(caller, 'tulle_hedges_total', 'result="won"')).toBeGreaterThan(0);
});
