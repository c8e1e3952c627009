import { afterEach, describe, expect, test } from 'vitest';
import { compileChain } from '../../core/chain.ts';
import { type Arrival, travel } from '../hand-made-exchange.ts';
import { closeLimits, type OpenLimits, openLimits, policyOf } from './rate-limit.fixture.ts';
import { RateLimitFilter } from './rate-limit.ts';

afterEach(closeLimits);

const SECOND_MS = 1_000;
const TENANT = { header: 'X-Tenant', name: 'tenant' };

interface Route extends OpenLimits {
  send(fields?: readonly string[], atMs?: number, more?: Partial<Parameters<typeof travel>[0]>): Arrival;
}

function routeWith(document: Record<string, unknown>, limiter = openLimits()): Route {
  const policy = policyOf(document);
  const chain = compileChain([new RateLimitFilter(policy, limiter.limits.compile(policy))]);
  return {
    ...limiter,
    send: (fields = [], atMs = 1_000, more = {}) =>
      travel({ chain, fields: ['host: a', ...fields], startedMs: atMs, ...more }),
  };
}

const oneLimit = (limit: Record<string, unknown>, policy: Record<string, unknown> = {}) =>
  routeWith({ limits: [{ name: 'a', windows: [{ quota: 2, windowSeconds: 60 }], ...limit }], ...policy });
const statuses = (arrivals: readonly Arrival[]) => arrivals.map(({ exchange }) => exchange.status);
const times = <T>(count: number, action: (i: number) => T) =>
  Array.from({ length: count }, (_, i) => action(i));
const field = ({ returned }: Arrival, name: string) =>
  returned.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2));

describe('a limit', () => {
  test('holds for each key, and gives back what time brings', () => {
    const { send, counts } = oneLimit({ key: [TENANT] });
    expect(statuses(times(3, () => send(['x-tenant: acme'])))).toEqual([200, 200, 429]);
    expect(statuses([send(['X-TENANT: other'])])).toEqual([200]);
    expect(statuses(times(2, () => send(['x-tenant: acme'], 1_000 + 30 * SECOND_MS)))).toEqual([200, 429]);
    expect(counts('a')).toEqual({ 'local allowed': 4, 'local limited': 2 });
  });

  test('of several, all have to admit; one that refuses leaves the others uncharged', () => {
    const { send, counts } = routeWith({
      limits: [
        { name: 'wide', windows: [{ quota: 3, windowSeconds: 60 }] },
        { name: 'narrow', key: [TENANT], windows: [{ quota: 1, windowSeconds: 60 }] },
      ],
    });
    expect(statuses(times(3, () => send(['x-tenant: a'])))).toEqual([200, 429, 429]);
    expect(statuses([send(['x-tenant: b']), send(['x-tenant: c']), send(['x-tenant: d'])])).toEqual([
      200, 200, 429,
    ]);
    expect(counts('wide')).toEqual({ 'local allowed': 3, 'local limited': 1 });
    expect(counts('narrow')).toEqual({ 'local allowed': 3, 'local limited': 2 });
  });

  test('has a burst of its own', () => {
    const { send } = oneLimit({ windows: [{ quota: 60, windowSeconds: 60, burst: 2 }] });
    expect(statuses(times(3, () => send()))).toEqual([200, 200, 429]);
    expect(statuses([send([], 2_000), send([], 2_000)])).toEqual([200, 429]);
  });

  test('takes what a request says it costs, within bounds', () => {
    const { send } = oneLimit({
      windows: [{ quota: 20, windowSeconds: 60 }],
      cost: { header: 'x-units', default: 2, max: 5 },
    });
    // 5 of 9, then 1 of 0, then 2 where nothing can be read.
    const costs = ['x-units: 9', 'x-units: 0', 'x-units: many', 'accept: */*'];
    const left = costs.map((line) => field(send([line]), 'ratelimit')[0]);
    expect(left.map((text) => /r=(\d+)/.exec(text ?? '')?.[1])).toEqual(['15', '14', '12', '10']);
  });

  test('is another for keys with an override, the one that names most parts first, and none for those that are exempt', () => {
    const { send, counts } = oneLimit({
      key: [TENANT, { request: 'method' }],
      overrides: [
        { match: { tenant: 'acme' }, windows: [{ quota: 3, windowSeconds: 60 }] },
        { match: { tenant: 'acme', method: 'POST' }, windows: [{ quota: 1, windowSeconds: 60 }] },
      ],
      exempt: [{ tenant: 'internal' }],
    });
    const post = { requestLine: 'POST / HTTP/1.1' };
    expect(statuses(times(4, () => send(['x-tenant: acme'])))).toEqual([200, 200, 200, 429]);
    expect(statuses(times(2, () => send(['x-tenant: acme'], 1_000, post)))).toEqual([200, 429]);
    expect(statuses(times(5, () => send(['x-tenant: internal'])))).toEqual([200, 200, 200, 200, 200]);
    expect(counts('a')['local exempt']).toBe(5);
  });

  test.each([
    ['share', [200, 200, 429]],
    ['skip', [200, 200, 200]],
  ])('of requests without its key: %s', (absent, expected) => {
    const { send } = oneLimit({ key: [TENANT], absent });
    expect(statuses(times(3, () => send()))).toEqual(expected);
  });
});

describe('a key', () => {
  const same = (
    key: Record<string, unknown>[],
    one: Parameters<Route['send']>,
    other: Parameters<Route['send']>,
  ) => {
    const { send } = oneLimit({ key, windows: [{ quota: 1, windowSeconds: 60 }] });
    send(...one);
    return send(...other).exchange.status === 429;
  };
  const get = (line: string) => ({ requestLine: `GET ${line} HTTP/1.1` });
  const token = (claims: object) =>
    `authorization: Bearer e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;
  const claim = [{ claim: 'sub', trustUnverified: true }];

  test('may be path, route, method, peer or address', () => {
    const path = [{ request: 'path' }];
    expect(same(path, [[], 1, get('/a?x=1')], [[], 1, get('/a?y=2')])).toBe(true);
    expect(same(path, [[], 1, get('/a')], [[], 1, get('/b')])).toBe(false);
    expect(same([{ request: 'route' }], [[], 1, get('/a')], [[], 1, get('/b')])).toBe(true);
    expect(same([{ request: 'method' }], [[], 1, {}], [[], 1, { requestLine: 'PUT / HTTP/1.1' }])).toBe(
      false,
    );
    expect(same([{ request: 'peer' }], [[], 1, { peerIdentity: 'spiffe://a/b' }], [[], 1, {}])).toBe(false);
    expect(same([{ request: 'address' }], [[], 1, {}], [[], 1, { peerAddress: '10.0.0.7' }])).toBe(false);
  });

  test('may be a claim; what can not be read counts as absent', () => {
    expect(same(claim, [[token({ sub: 'ann' })]], [[token({ sub: 'ann', iat: 1 })]])).toBe(true);
    expect(same(claim, [[token({ sub: 'ann' })]], [[token({ sub: 'bob' })]])).toBe(false);
    expect(same(claim, [[token({ sub: 7 })]], [[token({ sub: '7' })]])).toBe(true);
    for (const bad of [
      'authorization: Bearer x',
      'authorization: Bearer e30.bm90IGpzb24.x',
      token([1]),
      token({}),
    ])
      expect(same(claim, [[]], [[bad]]), bad).toBe(true);
  });

  test('made of several values is no other one, however the values are cut', () => {
    const two = [{ header: 'x-a' }, { header: 'x-b' }];
    expect(same(two, [['x-a: 1', 'x-b: 23']], [['x-a: 12', 'x-b: 3']])).toBe(false);
    expect(same(two, [['x-a: 1', 'x-b: 2']], [['x-b: 2', 'x-a: 1']])).toBe(true);
  });

  test('takes every line of a field that repeats, so that a second one hides nothing', () => {
    const once = [['x-tenant: a', 'x-tenant: b']] as const;
    expect(same([TENANT], [...once], [['x-tenant: a, b']])).toBe(true);
    expect(same([TENANT], [...once], [['x-tenant: a']])).toBe(false);
  });

  test('that is long counts in full, though it is kept as a hash', () => {
    const long = (end: string) => [[`x-tenant: ${'x'.repeat(2_000)}${end}`]] as Parameters<Route['send']>;
    expect(same([TENANT], long('a'), long('a'))).toBe(true);
    expect(same([TENANT], long('a'), long('b'))).toBe(false);
  });
});

describe('a response', () => {
  test('tells of all windows what is left, in the words of the draft', () => {
    const { send } = oneLimit({
      windows: [
        { quota: 2, windowSeconds: 1 },
        { quota: 60, windowSeconds: 60, burst: 10 },
      ],
    });
    const first = send();
    expect(field(first, 'ratelimit-policy')).toEqual(['"a-1s";q=2;w=1, "a-60s";q=60;w=60;tulle-burst=10']);
    expect(field(first, 'ratelimit')).toEqual(['"a-1s";r=1;t=1, "a-60s";r=9;t=9']);
    expect(field(send(), 'ratelimit')).toEqual(['"a-1s";r=0;t=1, "a-60s";r=8;t=8']);
  });

  test('to a request over its limit is 429 with Retry-After, never earlier than the windows it names', () => {
    const { send } = oneLimit({ key: [TENANT] });
    times(2, () => send(['x-tenant: acme']));
    const refused = send(['x-tenant: acme'], 1_000 + 10.2 * SECOND_MS);
    expect(refused.forwarded).toBeNull();
    expect(field(refused, 'retry-after')).toEqual(['20']);
    expect(field(refused, 'ratelimit')).toEqual(['"a";r=0;t=20']);
    expect(JSON.parse(refused.body)).toMatchObject({
      status: 429,
      code: 'rate_limited',
      source: 'policy',
      detail: expect.stringContaining('(demo/tenants/a: 2 in 60 s)'),
    });
    expect(statuses([send(['x-tenant: acme'], 1_000 + 30.2 * SECOND_MS)])).toEqual([200]);
  });

  test('to a gRPC call over its limit is RESOURCE_EXHAUSTED, with the time at which to try again', () => {
    const { send } = oneLimit({ key: [TENANT] });
    const call = ['x-tenant: acme', 'content-type: application/grpc'];
    times(2, () => send(call));
    const refused = send(call);
    expect(refused.exchange.grpcStatus).toBe(8);
    expect(field(refused, 'grpc-status')).toEqual(['8']);
    expect(field(refused, 'grpc-retry-pushback-ms')).toEqual(['30000']);
  });

  test('keeps what the service itself says of its limits', () => {
    const { send } = oneLimit({}, { fields: { xRateLimit: 'on' } });
    const answerFields = ['RateLimit: "own";r=1', 'X-RateLimit-Limit: 7'];
    const answer = send([], 1_000, { answerFields });
    expect(answer.returned).toContain('RateLimit: "own";r=1');
    expect(field(answer, 'ratelimit')).toHaveLength(1);
    expect(field(answer, 'x-ratelimit-limit')).toEqual([]);
  });

  test('has the older fields, for the window with least left, or none at all, if the policy says so', () => {
    const windows = [
      { quota: 5, windowSeconds: 1 },
      { quota: 3, windowSeconds: 60 },
    ];
    const older = oneLimit({ windows }, { fields: { rateLimit: 'off', xRateLimit: 'on' } }).send();
    expect(older.returned.filter((line) => line.includes('ratelimit'))).toEqual([
      'x-ratelimit-limit: 3',
      'x-ratelimit-remaining: 2',
      'x-ratelimit-reset: 20',
    ]);
    const silent = oneLimit({}, { fields: { rateLimit: 'off' } });
    const answers = times(3, () => silent.send());
    expect(
      answers.flatMap(({ returned }) => returned).filter((line) => line.startsWith('ratelimit')),
    ).toHaveLength(0);
    expect(field(answers[2] as Arrival, 'retry-after')).toEqual(['30']);
  });
});

describe('in shadow mode', () => {
  test('decisions are made, counted and noted for the log, and nothing else happens', () => {
    const { send, counts } = oneLimit({}, { mode: 'shadow' });
    const answers = times(3, () => send());
    expect(statuses(answers)).toEqual([200, 200, 200]);
    expect(answers.flatMap(({ returned }) => returned).filter((line) => line.includes('ratelimit'))).toEqual(
      [],
    );
    expect(answers.map(({ exchange }) => exchange.shadow)).toEqual(['', '', 'rate_limit demo/tenants a']);
    expect(counts('a', 'shadow')).toEqual({ 'local allowed': 2, 'local limited': 1 });
    expect(counts('a', 'enforce')).toEqual({});
  });
});

describe('the state of a limit', () => {
  const document = { limits: [{ name: 'a', windows: [{ quota: 2, windowSeconds: 60 }] }] };

  test('outlives a config that keeps it, and is shared by the routes of its policy', () => {
    const limiter = openLimits();
    const before = routeWith(document, limiter);
    times(2, () => before.send());
    const changed = { limits: [{ ...document.limits[0], exempt: [], absent: 'skip' }], onFailure: 'deny' };
    limiter.limits.retain([policyOf(changed)]);
    expect(statuses([routeWith(changed, limiter).send()])).toEqual([429]);
  });

  test('ends with a config that does not have it, its counters go on', () => {
    const limiter = openLimits();
    times(3, () => routeWith(document, limiter).send());
    limiter.limits.retain([]);
    expect([...limiter.limits.tables()]).toEqual([]);
    expect(statuses([routeWith(document, limiter).send()])).toEqual([200]);
    expect(limiter.counts('a')).toEqual({ 'local allowed': 3, 'local limited': 1 });
  });
});
