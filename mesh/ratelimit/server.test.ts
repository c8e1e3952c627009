import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import { findFreePort } from '../../test/parts/part.ts';
import { startRedis } from '../../test/parts/redis.ts';
import { OK, OVER_LIMIT, type RateLimitResponse } from './messages.ts';
import { descriptor, type RunningService, startService } from './service.fixture.ts';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function serve(policies: Record<string, Record<string, unknown>>): Promise<RunningService> {
  const service = await startService(policies);
  stops.push(service.stop);
  return service;
}

const TENANT = { header: 'x-tenant', name: 'tenant' };
const limit = (more: Record<string, unknown> = {}) => ({
  name: 'per-tenant',
  key: [TENANT],
  windows: [{ quota: 2, windowSeconds: 60 }],
  ...more,
});
const acme = (more: object = {}) => ({
  domain: 'demo/a',
  descriptors: [descriptor({ tenant: 'acme' }, more)],
});
const codes = (responses: readonly RateLimitResponse[]) => responses.map(({ overall_code }) => overall_code);

async function askTimes(
  service: RunningService,
  count: number,
  request: object,
): Promise<RateLimitResponse[]> {
  const responses: RateLimitResponse[] = [];
  for (let i = 0; i < count; i++) responses.push(await service.ask(request));
  return responses;
}

describe('the service', () => {
  test('limits a descriptor by the limit whose key it has, and says where that stands', async () => {
    const service = await serve({ a: { limits: [limit()] } });
    const responses = await askTimes(service, 3, acme());
    expect(codes(responses)).toEqual([OK, OK, OVER_LIMIT]);
    expect(responses[0]?.statuses).toMatchObject([
      { code: OK, current_limit: { requests_per_unit: 2, unit: 2, name: 'per-tenant' }, limit_remaining: 1 },
    ]);
    expect(responses[0]?.statuses[0]?.duration_until_reset?.seconds).toBe(30);
    expect(responses[2]?.statuses).toMatchObject([{ code: OVER_LIMIT, limit_remaining: 0 }]);
    const [header] = responses[2]?.response_headers_to_add ?? [];
    expect(header?.key).toBe('retry-after');
    expect(Number(header?.value)).toBeGreaterThan(0);
  });

  test('is over the limit when one descriptor is, and tells which', async () => {
    const service = await serve({ a: { limits: [limit()] } });
    await askTimes(service, 2, acme());
    const response = await service.ask({
      domain: 'demo/a',
      descriptors: [
        descriptor({ tenant: 'other' }),
        descriptor({ tenant: 'acme' }),
        descriptor({ plan: 'free' }),
        descriptor({ tenant: 'acme', plan: 'free' }),
      ],
    });
    expect(response.overall_code).toBe(OVER_LIMIT);
    expect(response.statuses.map(({ code }) => code)).toEqual([OK, OVER_LIMIT, OK, OK]);
  });

  test('takes parts in any order, hits of request and descriptor, overrides and exemptions', async () => {
    const service = await serve({
      a: {
        limits: [
          limit({
            key: [TENANT, { request: 'path' }],
            windows: [{ quota: 10, windowSeconds: 60 }],
            overrides: [{ match: { tenant: 'big' }, windows: [{ quota: 100, windowSeconds: 60 }] }],
            exempt: [{ tenant: 'internal' }],
          }),
        ],
      },
    });
    const left = async (entries: Record<string, string>, hits: number, more: object = {}) => {
      const descriptors = [descriptor(entries, more)];
      const response = await service.ask({ domain: 'demo/a', descriptors, hits_addend: hits });
      return response.statuses[0]?.current_limit === null ? null : response.statuses[0]?.limit_remaining;
    };
    expect(await left({ tenant: 'acme', path: '/a' }, 0)).toBe(9);
    expect(await left({ path: '/a', tenant: 'acme' }, 3)).toBe(6);
    expect(await left({ tenant: 'acme', path: '/a' }, 3, { hits_addend: { value: 5 } })).toBe(1);
    expect(await left({ tenant: 'big', path: '/a' }, 1)).toBe(99);
    expect(await left({ tenant: 'internal', path: '/a' }, 1)).toBeNull();
  });

  test('limits nothing for a domain without a policy, and reports it once', async () => {
    const service = await serve({ a: { limits: [limit()] } });
    const responses = await askTimes(service, 5, { ...acme(), domain: 'demo/b' });
    expect(codes(responses)).toEqual([OK, OK, OK, OK, OK]);
    expect(service.reported).toEqual(['unknown_domain demo/b']);
  });

  test('in shadow mode counts and refuses nothing', async () => {
    const service = await serve({ a: { mode: 'shadow', limits: [limit()] } });
    expect(codes(await askTimes(service, 3, acme()))).toEqual([OK, OK, OK]);
    const [series] = service.limits.limits();
    expect([...(series?.readings() ?? [])]).toMatchObject([
      { mode: 'shadow', decision: 'allowed', count: 2 },
      { mode: 'shadow', decision: 'limited', count: 1 },
    ]);
  });

  test('refuses to give hits back', async () => {
    const service = await serve({ a: { limits: [limit()] } });
    await expect(service.ask(acme({ is_negative_hits: true }))).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
  });
});

describe('over a shared store', () => {
  test('two services count together, and do not ask twice for what was refused', async () => {
    const redis = await startRedis();
    stops.push(redis.stop);
    const policy = {
      limits: [limit({ scope: 'global' })],
      redis: { endpoints: [new URL(redis.url).host], keyPrefix: `rls-${process.pid}:`, deadlineMs: 1_000 },
    };
    const services = await Promise.all([serve({ a: policy }), serve({ a: policy })]);
    for (const { limits } of services) while (![...limits.stores()][0]?.up) await sleep(5);
    const responses: RateLimitResponse[] = [];
    for (let i = 0; i < 4; i++) for (const service of services) responses.push(await service.ask(acme()));
    expect(codes(responses)).toEqual([OK, OK, ...Array(6).fill(OVER_LIMIT)]);
    for (const { limits } of services) {
      const [series] = limits.limits();
      expect([...(series?.readings() ?? [])]).toMatchObject([
        { source: 'redis', decision: 'allowed', count: 1 },
        { source: 'redis', decision: 'limited', count: 1 },
        { source: 'precheck', decision: 'limited', count: 2 },
      ]);
    }
  });

  test.each([
    ['allow', [OK, OK, OK]],
    ['deny', [OVER_LIMIT, OVER_LIMIT, OVER_LIMIT]],
    ['local', [OK, OK, OVER_LIMIT]],
  ])('that is not there does what `onFailure: %s` says', async (onFailure, expected) => {
    const redis = { endpoints: [`127.0.0.1:${await findFreePort()}`] };
    const service = await serve({ a: { limits: [limit({ scope: 'global' })], redis, onFailure } });
    expect(codes(await askTimes(service, 3, acme()))).toEqual(expected);
  });
});
