import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Policy } from '../../config/resources.ts';
import { inboundProfile, type RouteProfile } from '../../config/snapshot.ts';
import { compileChain } from '../../core/chain.ts';
import { systemClock } from '../../core/clock.ts';
import { Failure } from '../../core/failure.ts';
import { AccessLog, lineOrigin } from '../../observe/access-log.ts';
import { OBSERVE_LIMITS } from '../../observe/limits.ts';
import { LinePlaces } from '../../observe/line-writer.ts';
import { keepingOf } from '../../observe/retention/keeping.fixture.ts';
import { AccessControl } from '../access/access-control.ts';
import { spec as accessSpec } from '../access/config.ts';
import { spec as faultSpec } from '../fault/config.ts';
import { filterContext } from '../filter-context.fixture.ts';
import { type Journey, travel } from '../hand-made-exchange.ts';
import { buildFilters, type FilterContext } from '../index.ts';
import { spec as jwtSpec } from '../jwt/config.ts';
import { TestIssuer } from '../jwt/jwt.fixture.ts';
import { spec as rateLimitSpec } from '../rate-limit/config.ts';
import { spec as wafSpec } from '../waf/config.ts';
import { AuditLog } from './audit-log.ts';
import type { AuditedDecisions } from './config.ts';

const PEER = 'spiffe://mesh.test/ns/shop/sa/web';
const TRACE = 'a'.repeat(32);
const SECRET = 'hunter2';
const NAMED = { namespace: 'shop', targets: [] };
type Mode = 'enforce' | 'shadow';
type Line = Record<string, unknown>;

let folder: string;
let places: LinePlaces;
let path: string;
let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await TestIssuer.open();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'audit-'));
  path = join(folder, 'audit.log');
  places = new LinePlaces({ clock: systemClock, report: () => {} });
});
afterEach(async () => {
  await places.close();
  rmSync(folder, { recursive: true });
});

function openAudit(decisions: AuditedDecisions): AuditLog {
  return new AuditLog(decisions, places.at(path).addSource(), systemClock);
}

function contextOf(audit: AuditLog): FilterContext {
  return { ...filterContext(audit), keeping: keepingOf(16) };
}

/** A route with one policy, and how it is asked so that it lets pass, and so that it does not. */
interface Subject {
  readonly profile: Partial<RouteProfile>;
  readonly good: readonly string[] | null;
  readonly bad: readonly string[];
  readonly badTarget?: string;
  /** The policy has the first one only. */
  readonly times?: number;
}

const policiesOf = (policies: object) => ({
  policies: { ...inboundProfile('http', 'orders').policies, ...policies },
});

const SUBJECTS: Record<string, (mode: Mode) => Subject> = {
  access(mode) {
    const rules = [
      { name: 'no-admin', action: 'deny', to: { paths: ['/admin'] } },
      { name: 'rest', action: 'allow' },
    ];
    const spec = accessSpec.parse({ mode, rules });
    const scope = { port: 80, ownTrustDomain: 'mesh.test', otherwise: 'allow' } as const;
    const access = new AccessControl().compile({ ...NAMED, name: 'callers', spec }, scope);
    return { profile: { access }, good: [], bad: [], badTarget: `/admin?password=${SECRET}` };
  },
  jwt(mode) {
    const keys = join(folder, 'keys.json');
    writeFileSync(keys, JSON.stringify(issuer.keySet));
    const issuers = [{ name: 'login', issuer: issuer.name, audiences: ['orders'], jwks: { file: keys } }];
    const jwt = { ...NAMED, name: 'tokens', spec: jwtSpec.parse({ mode, issuers }) };
    return { profile: policiesOf({ jwt }), good: null, bad: [`authorization: Bearer ${SECRET}`] };
  },
  rate_limit(mode) {
    const limits = [
      { name: 'minute', key: [{ header: 'x-tenant' }], windows: [{ quota: 1, windowSeconds: 60 }] },
    ];
    const rateLimit = { ...NAMED, name: 'tenants', spec: rateLimitSpec.parse({ mode, limits }) };
    const tenant = ['x-tenant: acme'];
    return { profile: policiesOf({ rateLimit }), good: tenant, bad: tenant, times: 2 };
  },
  waf(mode) {
    const waf = { ...NAMED, name: 'firewall', spec: wafSpec.parse({ mode }) };
    const attack = `/?q=${encodeURIComponent(`1' UNION SELECT ${SECRET} FROM users--`)}`;
    return { profile: policiesOf({ waf }), good: [], bad: [], badTarget: attack };
  },
  fault(mode) {
    const fault = { ...NAMED, name: 'chaos', spec: faultSpec.parse({ mode, abort: {} }) };
    return { profile: policiesOf({ fault }), good: null, bad: [] };
  },
};

const EXPECTED: Record<string, Line> = {
  access: { policy: 'shop/callers', policy_rule: 'no-admin', failure: 'access_denied' },
  jwt: { policy: 'shop/tokens', policy_rule: 'malformed', failure: 'invalid_token' },
  rate_limit: { policy: 'shop/tenants', policy_rule: 'minute', failure: 'rate_limited' },
  waf: { policy: 'shop/firewall', policy_rule: 'sqli-union', failure: 'waf_blocked' },
  fault: { policy: 'shop/chaos', policy_rule: 'abort', failure: 'fault_abort' },
};

function chainOf({ profile }: Subject, audit: AuditLog) {
  return compileChain(
    buildFilters({ ...inboundProfile('http', 'orders'), trustsPeer: true, ...profile }, contextOf(audit)),
  );
}

const journey = (target: string, fields: readonly string[]): Omit<Journey, 'chain'> => ({
  requestLine: `POST ${target} HTTP/1.1`,
  fields: [
    ...['host: shop.test:8080', 'x-request-id: r-1', `traceparent: 00-${TRACE}-${'b'.repeat(16)}-00`],
    ...[`cookie: session=${SECRET}`, ...fields],
  ],
  peerIdentity: PEER,
  startedMs: systemClock.monotonicMs(),
});

async function linesOf(): Promise<Line[]> {
  await places.close();
  const text = readFileSync(path, 'utf8');
  expect(text).not.toContain(SECRET);
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

describe.each(Object.keys(SUBJECTS))('%s', (kind) => {
  test.each([
    ['enforce', 'deny'],
    ['shadow', 'shadow_deny'],
  ] as const)(
    'in mode %s a refusal is one line, with who, what, which policy and why',
    async (mode, decision) => {
      const subject = (SUBJECTS[kind] as (mode: Mode) => Subject)(mode);
      const chain = chainOf(subject, openAudit('refused'));
      const before = Date.now();
      for (let i = 0; i < (subject.times ?? 1); i++)
        travel({ chain, ...journey(subject.badTarget ?? '/', subject.bad) });
      const lines = await linesOf();
      expect(lines).toHaveLength(1);
      const { time, span_id, failure_detail, ...rest } = lines[0] as Line;
      expect(Date.parse(String(time))).toBeGreaterThanOrEqual(before - 1);
      expect(span_id).toMatch(/^[0-9a-f]{16}$/);
      if (mode === 'shadow') expect(failure_detail).toBeUndefined();
      expect(rest).toEqual({
        ...{ direction: 'inbound', service: 'orders', route: 'http', log: 'audit', kind, decision },
        ...EXPECTED[kind],
        ...{ method: 'POST', host: 'shop.test:8080', request_id: 'r-1', trace_id: TRACE },
        ...{ peer: '10.0.0.9', peer_identity: PEER },
      });
    },
  );

  test('off writes nothing, and what was let through is written with all alone', async () => {
    const subject = (SUBJECTS[kind] as (mode: Mode) => Subject)('enforce');
    travel({ chain: chainOf(subject, openAudit('off')), ...journey(subject.badTarget ?? '/', subject.bad) });
    if (subject.good !== null) {
      for (const decisions of ['refused', 'all'] as const)
        travel({ chain: chainOf(subject, openAudit(decisions)), ...journey('/', subject.good) });
    }
    expect(await linesOf()).toMatchObject(
      subject.good === null
        ? []
        : [{ kind, decision: 'allow', failure: 'none', policy: EXPECTED[kind]?.policy }],
    );
  });
});

test('a verified token says who: issuer and subject, and nothing else of it', async () => {
  const audit = openAudit('all');
  const subject = (SUBJECTS.jwt as (mode: Mode) => Subject)('enforce');
  const context = contextOf(audit);
  const chain = compileChain(
    buildFilters({ ...inboundProfile('http', 'orders'), ...subject.profile }, context),
  );
  const sub = `${'ann"\u0001\u2028'.repeat(100)}`;
  const token = await issuer.token({ sub, password: SECRET });
  const fields = [`authorization: Bearer ${token}`];
  const first = travel({ chain, ...journey('/', fields) });
  await expect.poll(() => first.exchange.status).toBe(200);
  const [line] = await linesOf();
  expect(line).toMatchObject({ kind: 'jwt', decision: 'allow', policy_rule: 'login', token_issuer: 'login' });
  expect(line?.subject).toBe(sub.slice(0, OBSERVE_LIMITS.auditSubjectChars));
  context.jwt.close();
});

test('all policies of one request have their say, in their order, and one that delays says that', async () => {
  const spec = (mode: Mode) => faultSpec.parse({ mode, delay: { delayMs: 1 }, abort: {} });
  const fault = { ...NAMED, name: 'chaos', spec: spec('shadow') };
  const waf = SUBJECTS.waf?.('shadow').profile.policies?.waf as Policy<never>;
  const subject = { profile: policiesOf({ fault, waf }), good: null, bad: [] };
  const target = SUBJECTS.waf?.('shadow').badTarget as string;
  travel({ chain: chainOf(subject, openAudit('refused')), ...journey(target, []) });
  expect((await linesOf()).map(({ policy_rule, decision }) => `${policy_rule} ${decision}`)).toEqual([
    'sqli-union shadow_deny',
    'delay shadow_delay',
    'abort shadow_deny',
  ]);
});

test('the longest line that there can be is whole', async () => {
  const subject = (SUBJECTS.access as (mode: Mode) => Subject)('enforce');
  const id = `spiffe://a/${'i'.repeat(2_037)}`;
  const chain = chainOf(subject, openAudit('refused'));
  const fields = [`host: ${'h'.repeat(5_000)}.test`, `x-request-id: ${'r'.repeat(128)}`];
  travel({ chain, fields, requestLine: 'GET /admin HTTP/1.1', peerIdentity: id });
  travel({ chain, ...journey('/admin', []) });
  const [long, next] = await linesOf();
  expect(long).toMatchObject({ peer_identity: id, host: 'h'.repeat(OBSERVE_LIMITS.auditHostBytes) });
  expect(next).toMatchObject({ host: 'shop.test:8080' });
});

test('what has no room is dropped and counted, in a log that it shares each for itself, and no request waits', async () => {
  const audit = openAudit('refused');
  const access = new AccessLog(places.at(path).addSource(), systemClock);
  const subject = (SUBJECTS.access as (mode: Mode) => Subject)('enforce');
  const profile = { ...inboundProfile('http', 'orders'), ...subject.profile };
  const chain = compileChain(buildFilters(profile, { ...contextOf(audit), accessLog: access }));
  // Nothing can be written before this loop ends, as when a reader stalls.
  const sent = 3_000;
  for (let i = 0; i < sent; i++) {
    const { exchange } = travel({ chain, ...journey('/admin', []) });
    expect(exchange.failure).toBe(Failure.accessDenied);
  }
  const lines = await linesOf();
  for (const log of [audit.lines, access.lines]) {
    expect(log.dropped).toBeGreaterThan(0);
    expect(log.written + log.dropped).toBe(sent);
  }
  expect(lines.filter(({ log }) => log === 'audit')).toHaveLength(audit.lines.written);
  expect(lines.filter(({ log }) => log === undefined)).toHaveLength(access.lines.written);
});

describe('a peer that did not get in', () => {
  const origin = lineOrigin({ direction: 'inbound', service: 'orders', name: 'http' });

  test('is told of with the reason, a denied one by its id, one that went away not at all', async () => {
    const audit = openAudit('refused');
    const nowMs = systemClock.monotonicMs();
    audit.appendHandshake('expired', '10.0.0.9', '', nowMs, origin);
    audit.appendHandshake('denied', '10.0.0.9', PEER, nowMs, origin);
    audit.appendHandshake('aborted', '10.0.0.9', '', nowMs, origin);
    audit.appendHandshake('timeout', '10.0.0.9', '', nowMs, origin);
    audit.decisions = 'off';
    audit.appendHandshake('expired', '10.0.0.9', '', nowMs, origin);
    const place = { direction: 'inbound', service: 'orders', route: 'http', log: 'audit' };
    const refusal = { kind: 'tls', decision: 'deny', failure: 'handshake_failed', peer: '10.0.0.9' };
    const time = expect.any(String);
    expect(await linesOf()).toEqual([
      { time, ...place, ...refusal, policy_rule: 'expired' },
      { time, ...place, ...refusal, policy_rule: 'denied', peer_identity: PEER },
    ]);
  });
});
