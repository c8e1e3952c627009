// `npm run bench:limits`: what a rate limit, an access policy or a known token costs a request that passes it, without sockets, in nanoseconds. For comparing two
// commits on one machine.
import { hash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../sidecar/src/core/clock.ts';
import { Deadlines } from '../../sidecar/src/core/deadlines.ts';
import { CONTINUE } from '../../sidecar/src/core/filter.ts';
import { setStage } from '../../sidecar/src/core/hand-led-exchange.ts';
import { AccessFilter } from '../../sidecar/src/filters/access/access.ts';
import { AccessControl } from '../../sidecar/src/filters/access/access-control.ts';
import { spec as accessSpec } from '../../sidecar/src/filters/access/config.ts';
import { spec as jwtSpec } from '../../sidecar/src/filters/jwt/config.ts';
import { openJwt, TestIssuer } from '../../sidecar/src/filters/jwt/jwt.fixture.ts';
import { JwtFilter } from '../../sidecar/src/filters/jwt/jwt.ts';
import { spec } from '../../sidecar/src/filters/rate-limit/config.ts';
import { RateLimitFilter } from '../../sidecar/src/filters/rate-limit/rate-limit.ts';
import { RateLimits } from '../../sidecar/src/filters/rate-limit/rate-limits.ts';
import { ResponseHead } from '../../sidecar/src/protocol/head.ts';
import { report } from './stopwatch.ts';

/** Callers that take turns; all have state of their own. */
const CALLERS = 1_024;
/** Virtual, so that nobody runs out of units however fast the machine is. */
const STEP_MS = 0.01;

const time = {
  nowMs: 1,
  deadlines: new Deadlines(systemClock),
  after: () => {
    throw new Error('a local limit needs no timer');
  },
  handle: (action: () => void) => action(),
};
const exchanges = Array.from({ length: CALLERS }, (_, i) => {
  const fields = [
    'user-agent: bench/1.0 (x86_64-pc-linux-gnu)',
    'accept: application/json, text/plain;q=0.9, */*;q=0.5',
    'x-request-id: 0b7c1a52-5f3c-4c8e-9b3b-2f1d8f6f7a10',
    `x-tenant: tenant-${i}`,
  ];
  return setStage([], { fields, time }).exchange;
});
/** What an API asks for, by the same peer, with an id that differs. */
const callers = Array.from(
  { length: CALLERS },
  (_, i) =>
    setStage([], {
      requestLine: `GET /v1/orders/${1_000_000 + i}/lines?limit=20 HTTP/1.1`,
      fields: ['user-agent: bench/1.0 (x86_64-pc-linux-gnu)', 'accept: application/json', `x-tenant: t-${i}`],
      peerIdentity: 'spiffe://bench.test/ns/shop/sa/api',
      time,
    }).exchange,
);
const response = new ResponseHead();
const tenant = { header: 'x-tenant', name: 'tenant' };
const second = { quota: 100_000, windowSeconds: 1 };
const minute = { quota: 6_000_000, windowSeconds: 60 };
const override = { match: { tenant: 'somebody' }, windows: [second] };
const QUIET = { rateLimit: 'off' };

reportLimit('one limit for all', { windows: [second], key: [] }, QUIET);
reportLimit('per tenant', { windows: [second], key: [tenant] }, QUIET);
reportLimit('per tenant, two windows', { windows: [second, minute], key: [tenant] }, QUIET);
reportLimit('per tenant and path', { windows: [second], key: [tenant, { request: 'path' }] }, QUIET);
reportLimit('per tenant, with overrides', { windows: [second], key: [tenant], overrides: [override] }, QUIET);
reportLimit('per tenant, told in the response', { windows: [second], key: [tenant] }, {});

process.stdout.write('access: the rule that applies is the last one\n');
for (const count of [1, 50]) {
  const others = Array.from({ length: count - 1 }, (_, i) => i);
  const allow = { action: 'allow', to: { methods: ['GET'], paths: ['/v1/orders/*'] } };
  const identities = ['spiffe://bench.test/ns/shop/sa/api'];
  reportAccess(`${count} rules, for other peers`, [
    ...others.map((i) => ({
      name: `r-${i}`,
      ...{ ...allow, from: { identities: [`spiffe://bench.test/ns/shop/sa/other-${i}`] } },
    })),
    { name: 'last', ...allow, from: { identities } },
  ]);
  reportAccess(`${count} rules, for other paths`, [
    ...others.map((i) => ({
      name: `r-${i}`,
      ...{ action: 'allow', from: { identities }, to: { methods: ['GET'], paths: [`/v1/other-${i}/*`] } },
    })),
    { name: 'last', ...allow, from: { identities } },
  ]);
  reportAccess(`${count} rules, deny rules for other paths`, [
    ...others.map((i) => ({ name: `r-${i}`, action: 'deny', to: { paths: [`/v1/other-${i}/*`] } })),
    { name: 'last', ...allow, from: { identities } },
  ]);
}

process.stdout.write('jwt: tokens that were verified before\n');
await reportTokens(1);
await reportTokens(CALLERS);

/** Each caller with one of so many tokens. */
async function reportTokens(count: number): Promise<void> {
  const issuer = await TestIssuer.open();
  const tokens = await Promise.all(
    Array.from({ length: count }, (_, i) => issuer.token({ sub: `user-${i}`, roles: ['reader', 'writer'] })),
  );
  const folder = await mkdtemp(join(tmpdir(), 'tulle-bench-'));
  const file = join(folder, 'jwks.json');
  await writeFile(file, JSON.stringify(issuer.keySet));
  const policies = openJwt();
  const trusted = { name: 'login', issuer: issuer.name, audiences: ['orders'], jwks: { file } };
  const policy = {
    ...{ name: 'bench', namespace: 'bench', targets: [] },
    spec: jwtSpec.parse({ issuers: [trusted] }),
  };
  const verifier = policies.verifierOf(policy);
  for (const token of tokens) {
    const digest = hash('sha256', token, 'base64');
    await new Promise<unknown>((resolve) => verifier.verify(digest, token, { onOutcome: resolve }));
  }
  const filter = new JwtFilter(policy, verifier);
  const bearers = tokens.map(
    (token) => setStage([], { fields: [`authorization: Bearer ${token}`], time }).exchange,
  );
  let next = 0;
  report(`${count} tokens of ${tokens[0]?.length} bytes`, () => {
    return filter.onRequestHead(bearers[next++ % count] as (typeof bearers)[number]) === CONTINUE;
  });
  policies.close();
  await rm(folder, { recursive: true });
}

function reportAccess(name: string, rules: readonly object[]): void {
  const policy = { name: 'bench', namespace: 'bench', targets: [], spec: accessSpec.parse({ rules }) };
  const scope = { port: 8080, ownTrustDomain: 'bench.test', otherwise: 'deny' } as const;
  const access = new AccessControl().compile(policy, scope);
  if (access === null) throw new Error('nothing is guarded');
  const filter = new AccessFilter(access.requests);
  let next = 0;
  report(name, () => {
    return filter.onRequestHead(callers[next++ % CALLERS] as (typeof callers)[number]) === CONTINUE;
  });
}

function reportLimit(name: string, limit: Record<string, unknown>, fields: Record<string, unknown>): void {
  const limits = new RateLimits({ clock: systemClock, random: Math.random, report: () => {} });
  const policy = {
    namespace: 'bench',
    name: 'bench',
    spec: spec.parse({ limits: [{ name: 'a', ...limit }], fields }),
  };
  const filter = new RateLimitFilter(policy, limits.compile(policy));
  const tells = policy.spec.fields.rateLimit === 'on';
  let next = 0;
  report(name, () => {
    const exchange = exchanges[next++ % CALLERS] as (typeof exchanges)[number];
    time.nowMs += STEP_MS;
    if (filter.onRequestHead(exchange) !== CONTINUE) return false;
    if (!tells) return true;
    response.reset();
    exchange.response = response;
    filter.onResponseHead(exchange);
    return response.rows === 2;
  });
}
