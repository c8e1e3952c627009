import { expect, test } from 'vitest';
import { inboundProfile, type RouteProfile } from '../config/snapshot.ts';
import { compileChain } from '../core/chain.ts';
import { systemClock } from '../core/clock.ts';
import { FAILURES, Failure } from '../core/failure.ts';
import { LineWriter } from '../observe/line-writer.ts';
import { takeSpans } from '../observe/own-span.fixture.ts';
import { keepingOf } from '../observe/retention/keeping.fixture.ts';
import { WORD } from '../observe/span-record.ts';
import { AccessControl } from './access/access-control.ts';
import { spec as accessSpec } from './access/config.ts';
import { AuditLog } from './audit/audit-log.ts';
import { filterContext } from './filter-context.fixture.ts';
import { travel } from './hand-made-exchange.ts';
import { buildFilters } from './index.ts';
import { spec as jwtSpec } from './jwt/config.ts';
import { spec as rateLimitSpec } from './rate-limit/config.ts';

const context = filterContext(
  new AuditLog(
    'off',
    new LineWriter(null, { clock: systemClock, report: () => {} }).addSource(),
    systemClock,
  ),
);
const profile: RouteProfile = { ...inboundProfile('http', 'orders'), trustsPeer: true };
const namesOf = (direction: RouteProfile['direction']) =>
  buildFilters({ ...profile, direction }, context).map(({ name }) => name);

test('a request that can not be read has one id in its answer, the log and its span', () => {
  const keeping = keepingOf(16);
  const chain = compileChain(buildFilters(profile, { ...context, keeping, headSampleRatio: 1 }));
  const { exchange, returned, body } = travel({ chain, requestLine: 'unreadable' });
  const spans: (string | undefined)[][] = [];
  keeping.ring.take(16, (span) =>
    spans.push([span.text(WORD.requestIdBytes), FAILURES[span.word(WORD.failure)]?.name]),
  );
  expect(exchange.requestId).toMatch(/^[0-9a-f-]{36}$/);
  expect(returned).toContain(`x-request-id: ${exchange.requestId}`);
  expect(JSON.parse(body).requestId).toBe(exchange.requestId);
  expect(spans).toEqual([[exchange.requestId, 'malformed_request']]);
});

test('a denial stands in its span, with the policy and the rule', () => {
  const keeping = keepingOf(16);
  const spec = accessSpec.parse({
    rules: [{ name: 'no-admin', action: 'deny', to: { paths: ['/admin/*'] } }],
  });
  const policy = { name: 'orders', namespace: 'prod', targets: [], spec };
  const scope = { port: 80, ownTrustDomain: 'mesh.test', otherwise: 'deny' } as const;
  const access = new AccessControl().compile(policy, scope);
  const filters = buildFilters({ ...profile, access }, { ...context, keeping, headSampleRatio: 1 });
  travel({ chain: compileChain(filters), requestLine: 'GET /admin/users HTTP/1.1' });
  const spans = takeSpans(keeping.ring);
  expect(spans).toHaveLength(1);
  expect(spans[0]?.attributes).toMatchObject({
    'http.response.status_code': 403,
    'tulle.failure.code': 'access_denied',
    'tulle.access.decision': 'deny',
    'tulle.access.policy': 'prod/orders',
    'tulle.access.rule': 'no-admin',
  });
});

test('policies in shadow mode that would have refused are named in the span', () => {
  const keeping = keepingOf(16);
  const limits = [
    { name: 'minute', key: [{ header: 'x-tenant' }], windows: [{ quota: 1, windowSeconds: 60 }] },
  ];
  const rateLimit = {
    ...{ namespace: 'shop', name: 'tenants', targets: [] },
    spec: rateLimitSpec.parse({ mode: 'shadow', limits }),
  };
  const jwt = {
    ...{ namespace: 'shop', name: 'login', targets: [] },
    spec: jwtSpec.parse({
      mode: 'shadow',
      issuers: [
        { name: 'a', issuer: 'https://a.test', audiences: ['b'], jwks: { url: 'https://a.test/keys' } },
      ],
    }),
  };
  const policies = { ...profile.policies, rateLimit, jwt };
  const chain = compileChain(
    buildFilters({ ...profile, policies }, { ...context, keeping, headSampleRatio: 1 }),
  );
  const fields = ['host: a', 'x-tenant: acme', 'authorization: Bearer x'];
  for (let i = 0; i < 2; i++) expect(travel({ chain, fields }).exchange.status).toBe(200);
  const spans = takeSpans(keeping.ring).map(({ attributes }) => attributes['tulle.policy.shadow']);
  const refusedToken = 'jwt shop/login malformed';
  expect(spans).toEqual([refusedToken, `${refusedToken},rate_limit shop/tenants minute`]);
});

test('a policy that refused is named in the span', () => {
  const keeping = keepingOf(16);
  const limits = [{ name: 'minute', windows: [{ quota: 1, windowSeconds: 60 }] }];
  const rateLimit = {
    ...{ namespace: 'shop', name: 'tenants', targets: [] },
    spec: rateLimitSpec.parse({ limits }),
  };
  const policies = { ...profile.policies, rateLimit };
  const chain = compileChain(
    buildFilters({ ...profile, policies }, { ...context, keeping, headSampleRatio: 1 }),
  );
  expect([1, 2].map(() => travel({ chain }).exchange.status)).toEqual([200, 429]);
  const spans = takeSpans(keeping.ring).map(({ attributes }) => attributes['tulle.policy.refusal']);
  expect(spans).toEqual([undefined, 'rate_limit shop/tenants minute']);
});

test('what a request passes, without an access log', () => {
  expect(namesOf('inbound')).toEqual(['trace', 'metrics', 'request-id', 'deadline', 'baggage', 'forwarded']);
  expect(namesOf('outbound')).toEqual(['trace', 'metrics', 'request-id', 'deadline', 'baggage']);
});

test('with its fields switched off a request passes as it came, but for what only mTLS may say', () => {
  const bare = { ...context, headers: { requestId: false, forwarded: false } };
  const filters = buildFilters({ ...profile, trustsPeer: false }, bare);
  expect(filters.map(({ name }) => name)).toEqual([
    'trace',
    'metrics',
    'deadline',
    'baggage',
    'client-cert-guard',
  ]);
  const own = ['host: a', 'x-request-id: mine', 'x-forwarded-for: 192.0.2.1', 'forwarded: for=192.0.2.1'];
  const chain = compileChain(filters);
  const fields = [...own, 'x-forwarded-client-cert: URI=spiffe://a/b'];
  const { forwarded, returned } = travel({ chain, fields });
  expect(forwarded).toEqual(own);
  expect(returned.some((line) => line.startsWith('x-request-id'))).toBe(false);
  const refused = travel({ chain, fields, unavailable: Failure.connectRefused });
  expect(JSON.parse(refused.body)).not.toHaveProperty('requestId');
});
