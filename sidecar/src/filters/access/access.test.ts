import { describe, expect, it, test } from 'vitest';
import type { z } from 'zod';
import { compileChain } from '../../core/chain.ts';
import { Failure } from '../../core/failure.ts';
import { CONTINUE, type Filter } from '../../core/filter.ts';
import { LIMITS } from '../../core/limits.ts';
import { type Journey, travel } from '../hand-made-exchange.ts';
import { VerifiedToken } from '../jwt/verified-token.ts';
import { AccessFilter } from './access.ts';
import { AccessControl, type AccessScope } from './access-control.ts';
import { spec } from './config.ts';

type Rules = z.input<typeof spec>['rules'];

const SCOPE: AccessScope = { port: 8080, ownTrustDomain: 'mesh.test', otherwise: 'allow' };
const GATEWAY = 'spiffe://mesh.test/ns/prod/sa/gateway';

function policy(rules: Rules, mode: 'off' | 'shadow' | 'enforce' = 'enforce') {
  const targets = [{ kind: 'Service' as const, name: 'orders', sectionName: null }];
  return { name: 'orders', namespace: 'prod', targets, spec: spec.parse({ mode, rules }) };
}

function guard(rules: Rules, mode: 'shadow' | 'enforce' = 'enforce', scope: Partial<AccessScope> = {}) {
  const control = new AccessControl();
  const access = control.compile(policy(rules, mode), { ...SCOPE, ...scope });
  if (access === null) throw new Error('nothing is guarded');
  const chain = compileChain([new AccessFilter(access.requests)]);
  const ask = (journey: Omit<Journey, 'chain'> = {}) => travel({ chain, ...journey });
  return {
    ask,
    connections: access.connections,
    lets: (journey: Omit<Journey, 'chain'> = {}) => ask(journey).forwarded !== null,
    counts: () =>
      Object.fromEntries(
        Array.from(control.decisions(), ({ rule, decision, count }) => [`${rule} ${decision}`, count]).filter(
          ([, count]) => (count as number) > 0,
        ),
      ),
  };
}

describe('who', () => {
  it.each([
    ['an identity', { identities: [GATEWAY] }, true],
    ['another identity', { identities: ['spiffe://mesh.test/ns/prod/sa/gateway2'] }, false],
    ['all below a path', { identities: ['spiffe://mesh.test/ns/prod/*'] }, true],
    ['all of a trust domain', { identities: ['spiffe://mesh.test/*'] }, true],
    ['all below what only begins like it', { identities: ['spiffe://mesh.test/ns/pro/*'] }, false],
    ['its namespace', { namespaces: ['prod'] }, true],
    ['another namespace', { namespaces: ['test'] }, false],
    ['its trust domain', { trustDomains: ['mesh.test'] }, true],
    ['another trust domain', { trustDomains: ['mesh.tes'] }, false],
    ['its address', { addresses: ['10.0.0.0/24'] }, true],
    ['another address', { addresses: ['10.0.1.0/24', '10.0.0.8'] }, false],
    ['one of two', { namespaces: ['test', 'prod'] }, true],
    ['all of two', { namespaces: ['prod'], addresses: ['192.0.2.0/24'] }, false],
    ['anybody', {}, true],
  ])('%s', (_, from, lets) => {
    const { lets: allows } = guard([{ name: 'a', action: 'allow', from }]);
    expect(allows({ peerIdentity: GATEWAY })).toBe(lets);
  });

  it('without an identity is nobody whom a rule names', () => {
    for (const from of [
      { identities: ['spiffe://mesh.test/*'] },
      { namespaces: ['prod'] },
      { trustDomains: ['mesh.test'] },
    ])
      expect(guard([{ name: 'a', action: 'allow', from }]).lets()).toBe(false);
  });

  it('of a namespace of the same name in another trust domain is somebody else', () => {
    const peerIdentity = 'spiffe://partner.test/ns/prod/sa/gateway';
    const own = guard([{ name: 'a', action: 'allow', from: { namespaces: ['prod'] } }]);
    expect(own.lets({ peerIdentity })).toBe(false);
    const from = { namespaces: ['prod'], trustDomains: ['partner.test'] };
    const theirs = guard([{ name: 'a', action: 'allow', from }]);
    expect(theirs.lets({ peerIdentity })).toBe(true);
    expect(theirs.lets({ peerIdentity: GATEWAY })).toBe(false);
  });

  it('calls over IPv4 is known by that address on a listener for both families', () => {
    const { lets } = guard([{ name: 'a', action: 'allow', from: { addresses: ['10.0.0.0/8', 'fd00::/8'] } }]);
    expect(lets({ peerAddress: '::ffff:10.1.2.3' })).toBe(true);
    expect(lets({ peerAddress: '::ffff:11.1.2.3' })).toBe(false);
    expect(lets({ peerAddress: 'fd00::1' })).toBe(true);
    expect(lets({ peerAddress: 'fe80::1' })).toBe(false);
  });

  it('is judged the same however many came before', () => {
    const from = { identities: [GATEWAY], addresses: ['10.0.0.0/24'] };
    const { lets } = guard([{ name: 'a', action: 'allow', from }]);
    const peers = Array.from({ length: LIMITS.accessPeers + 10 }, (_, i) => `spiffe://mesh.test/w/${i}`);
    for (const peerIdentity of peers) expect(lets({ peerIdentity })).toBe(false);
    expect(lets({ peerIdentity: GATEWAY })).toBe(true);
  });
});

describe('what', () => {
  const lets = (to: object, requestLine: string, fields = ['host: Shop.test:8080']) =>
    guard([{ name: 'a', action: 'allow', to }]).lets({ requestLine, fields });

  it('is told apart by method', () => {
    expect(lets({ methods: ['GET', 'HEAD'] }, 'GET / HTTP/1.1')).toBe(true);
    expect(lets({ methods: ['GET'] }, 'POST / HTTP/1.1')).toBe(false);
    expect(lets({ methods: ['GET'] }, 'get / HTTP/1.1')).toBe(false);
    expect(lets({ methods: ['GET'] }, 'PURGE / HTTP/1.1')).toBe(false);
  });

  it('is told apart by host, whatever its case and port', () => {
    expect(lets({ hosts: ['shop.test'] }, 'GET / HTTP/1.1')).toBe(true);
    expect(lets({ hosts: ['shop.test'] }, 'GET / HTTP/1.1', ['host: shop.test.'])).toBe(true);
    expect(lets({ hosts: ['*.test'] }, 'GET / HTTP/1.1')).toBe(true);
    expect(lets({ hosts: ['*.shop.test'] }, 'GET / HTTP/1.1')).toBe(false);
    expect(lets({ hosts: ['hop.test'] }, 'GET / HTTP/1.1')).toBe(false);
    expect(lets({ hosts: ['[::1]'] }, 'GET / HTTP/1.1', ['host: [::1]:80'])).toBe(true);
    expect(lets({ hosts: ['shop.test'] }, 'GET / HTTP/1.1', ['host: %73hop.test'])).toBe(false);
  });

  it('holds for the ports of the listener alone', () => {
    const rules: Rules = [{ name: 'a', action: 'allow', to: { ports: [8081] } }];
    expect(guard(rules).lets()).toBe(false);
    expect(guard(rules, 'enforce', { port: 8081 }).lets()).toBe(true);
  });

  it('a deny rule about methods holds for those that may be another spelling', () => {
    const { lets: allows } = guard([
      { name: 'no', action: 'deny', to: { methods: ['GET'] } },
      { name: 'rest', action: 'allow' },
    ]);
    for (const method of ['GET', 'HEAD', 'get', 'Get', 'PURGE'])
      expect(allows({ requestLine: `${method} / HTTP/1.1` })).toBe(false);
    expect(allows({ requestLine: 'POST / HTTP/1.1' })).toBe(true);
  });

  it.each(['x-original-url: /admin', 'X-Rewrite-URL: /admin', 'X-HTTP-Method-Override: DELETE'])(
    'is not what %s makes of it',
    (field) => {
      const { ask } = guard([{ name: 'a', action: 'allow', to: { paths: ['/'], methods: ['GET'] } }]);
      expect(ask({ fields: ['host: a'] }).forwarded).not.toBeNull();
      const { exchange } = ask({ fields: ['host: a', field] });
      expect(exchange).toMatchObject({ status: 400, failure: Failure.ambiguousRequest });
    },
  );

  it('takes a condition on fields', () => {
    const when = { headers: [{ name: 'x-env', value: 'test' }] };
    const { lets: allows } = guard([{ name: 'a', action: 'allow', when }]);
    expect(allows({ fields: ['host: a', 'x-env: test'] })).toBe(true);
    expect(allows({ fields: ['host: a'] })).toBe(false);
  });
});

describe('what a token claims', () => {
  const claims = {
    ...{ sub: 'ann', level: 3, staff: false, scope: 'read write', roles: ['ops', 'dev'], empty: null },
    ...{ realm: { roles: ['admin'], 'a.b': 1 }, tags: 'ops dev' },
  };
  const lets = (condition: object | object[], of: object | null = claims) => {
    const token = of === null ? null : new VerifiedToken('login', { ...of }, 0, 1);
    const conditions = [condition].flat() as never[];
    const access = new AccessControl().compile(
      policy([{ name: 'a', action: 'allow', when: { claims: conditions } }]),
      SCOPE,
    );
    const brings: Filter = {
      name: 'brings',
      onRequestHead(exchange) {
        exchange.token = token;
        return CONTINUE;
      },
    };
    const filters = access === null ? [brings] : [brings, new AccessFilter(access.requests)];
    return travel({ chain: compileChain(filters) }).forwarded !== null;
  };

  it.each<[object | object[], boolean]>([
    [{ name: 'sub', values: ['ann'] }, true],
    [{ name: 'sub', values: ['Ann', 'an', 'ann '] }, false],
    [{ name: 'sub' }, true],
    [{ name: 'empty' }, false],
    [{ name: 'nothing' }, false],
    [{ name: 'level', values: [3] }, true],
    [{ name: 'level', values: ['3'] }, false],
    [{ name: 'staff', values: [false] }, true],
    [{ name: 'roles', values: ['admin', 'dev'] }, true],
    [{ name: 'roles', values: ['ops,dev', 'ops dev'] }, false],
    [{ name: 'scope', values: ['write'] }, true],
    [{ name: 'scope', values: ['rea'] }, false],
    [{ name: 'tags', values: ['ops'] }, false],
    [{ name: ['realm', 'roles'], values: ['admin'] }, true],
    [{ name: ['realm', 'a.b'], values: [1] }, true],
    [{ name: 'realm.roles', values: ['admin'] }, false],
    [{ name: ['roles', '0'], values: ['ops'] }, false],
    [{ name: ['sub', 'length'], values: [3] }, false],
    [{ name: ['roles', 'length'], values: [2] }, false],
    [{ name: 'constructor' }, false],
    [{ name: ['realm', '__proto__'] }, false],
    [
      [
        { name: 'sub', values: ['ann'] },
        { name: 'roles', values: ['ops'] },
      ],
      true,
    ],
    [
      [
        { name: 'sub', values: ['ann'] },
        { name: 'roles', values: ['admin'] },
      ],
      false,
    ],
  ])('%j', (condition, expected) => {
    expect(lets(condition)).toBe(expected);
  });

  it('is nothing without a token', () => {
    expect(lets({ name: 'sub' }, null)).toBe(false);
  });
});

describe('the first rule that applies decides', () => {
  const RULES: Rules = [
    { name: 'probes', action: 'allow', to: { paths: ['/healthz'], methods: ['GET'] } },
    { name: 'no-admin', action: 'deny', to: { paths: ['/admin/*'] } },
    { name: 'gateway', action: 'allow', from: { identities: [GATEWAY] } },
  ];

  it('and what none applies to is denied', () => {
    const { ask, counts } = guard(RULES);
    const gateway = { peerIdentity: GATEWAY };
    expect(ask({ requestLine: 'GET /healthz HTTP/1.1' }).exchange.access).toMatchObject({ rule: 'probes' });
    expect(ask(gateway).exchange.access).toMatchObject({ rule: 'gateway', decision: 'allow' });
    const admin = ask({ ...gateway, requestLine: 'GET /Admin/x HTTP/1.1' });
    expect(admin.exchange).toMatchObject({ status: 403, failure: Failure.accessDenied });
    expect(JSON.parse(admin.body)).toMatchObject({ code: 'access_denied', source: 'policy' });
    expect(JSON.parse(admin.body).detail).toContain(`(rule no-admin of prod/orders; peer ${GATEWAY})`);
    const stranger = ask({ peerIdentity: 'spiffe://mesh.test/ns/prod/sa/stranger' });
    expect(stranger.exchange.failureDetail).toContain('no rule of prod/orders allows it');
    expect(ask().exchange.failureDetail).toContain('a peer without an identity');
    expect(counts()).toEqual({
      'probes allow': 1,
      'gateway allow': 1,
      'no-admin deny': 1,
      'no_rule deny': 2,
    });
  });

  it('and tells a caller of gRPC in its own words', () => {
    const { exchange } = guard(RULES).ask({ fields: ['host: a', 'content-type: application/grpc'] });
    expect(exchange).toMatchObject({ status: 200, grpcStatus: 7 });
  });

  it('and in shadow mode is only counted and noted', () => {
    const { ask, counts } = guard(RULES, 'shadow');
    const { exchange, forwarded } = ask();
    expect(forwarded).not.toBeNull();
    expect(exchange).toMatchObject({ failure: Failure.none, shadow: 'access prod/orders no_rule' });
    expect(exchange.access).toMatchObject({ rule: 'no_rule', decision: 'would_deny' });
    expect(ask({ requestLine: 'GET //admin HTTP/1.1' }).exchange.shadow).toBe(
      'access prod/orders ambiguous_request',
    );
    expect(counts()).toEqual({ 'no_rule would_deny': 1, 'ambiguous_request would_deny': 1 });
  });
});

describe('a connection that is passed on unread', () => {
  const decide = (rules: Rules, peerIdentity = GATEWAY) =>
    guard(rules).connections.decide(peerIdentity, '10.0.0.9');
  const from = { identities: [GATEWAY] };

  it('is let in by rules about peers alone', () => {
    const rules: Rules = [{ name: 'a', action: 'allow', from, to: { ports: [8080] } }];
    expect(decide(rules).decision).toBe('allow');
    expect(decide(rules, '')).toMatchObject({ decision: 'deny', rule: 'no_rule' });
  });

  it('is let in by no rule about requests, and kept out by each that might be about it', () => {
    const paths = ['/admin/*'];
    expect(decide([{ name: 'a', action: 'allow', from, to: { paths } }]).decision).toBe('deny');
    const rules: Rules = [
      { name: 'no-admin', action: 'deny', from, to: { paths } },
      { name: 'rest', action: 'allow' },
    ];
    expect(decide(rules)).toMatchObject({ decision: 'deny', rule: 'no-admin' });
    expect(decide(rules, '')).toMatchObject({ decision: 'allow', rule: 'rest' });
  });
});

describe('without a policy', () => {
  it('the default holds', () => {
    const control = new AccessControl();
    expect(control.compile(null, SCOPE)).toBeNull();
    expect(control.compile(policy([], 'off'), SCOPE)).toBeNull();
    const access = control.compile(null, { ...SCOPE, otherwise: 'deny' });
    expect(access?.connections.decide(GATEWAY, '10.0.0.9')).toMatchObject({
      decision: 'deny',
      policy: 'default',
    });
  });
});

test('series are bounded, and go on from config to config', () => {
  const control = new AccessControl();
  const denyAll = (name: string) =>
    control.compile({ ...policy([]), name }, SCOPE)?.connections.decide('', '10.0.0.9').series;
  const first = denyAll('orders');
  expect(denyAll('orders')).toBe(first);
  for (let i = 0; i < LIMITS.accessSeries; i++) denyAll(`p-${i}`);
  expect([...control.decisions()].length).toBeLessThanOrEqual(LIMITS.accessSeries + 6);
  expect(denyAll('one-more')?.policy).toBe('_OTHER');
});
