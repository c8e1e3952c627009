import { describe, expect, test } from 'vitest';
import { parseConfig } from './load.ts';
import { formatProblem } from './problem.ts';

const SIDECAR = `apiVersion: mesh.tulle.dev/v1alpha1
kind: Sidecar
metadata: { name: orders-1, namespace: demo }
spec:
  service: orders
  inbound: [{ name: http, listen: 127.0.0.1:0, mtls: off, target: 127.0.0.1:8080 }]
  outbound: { listen: 127.0.0.1:0, services: [{ host: carts, mtls: off, endpoints: [127.0.0.1:1] }] }
`;

function policy(kind: string, spec: string, target = 'orders', name = 'p'): string {
  const head = `apiVersion: mesh.tulle.dev/v1alpha1\nkind: ${kind}\nmetadata: { name: ${name} }\n`;
  return `${head}spec:\n  targetRefs: [{ kind: Service, name: ${target} }]\n${spec}`;
}

const jwt = (issuer: string, target = 'orders') =>
  policy(
    'JwtPolicy',
    `  issuers: [{ name: login, issuer: 'https://login.test', audiences: [orders], ${issuer} }]\n`,
    target,
  );
const JWKS = 'jwks: { file: keys.json }';
const access = `  rules: [{ name: admins, action: allow, when: { claims: [{ name: roles, values: [admin] }] } }]\n`;
const limit = (claim = 'claim: sub') =>
  `  limits: [{ name: a, key: [{ ${claim} }], windows: [{ quota: 1, windowSeconds: 1 }] }]\n`;

function load(...documents: string[]) {
  const texts = [SIDECAR, ...documents].map((text, index) => ({ file: `${index}.yaml`, text }));
  return parseConfig(texts, '/etc/tulle');
}

/** Without their places. */
function findings(...documents: string[]): string[] {
  const result = load(...documents);
  const found = result.ok ? result.warnings : result.problems;
  return found.map((finding) => formatProblem(finding).replace(/^\S+ /, ''));
}

describe('an issuer', () => {
  test('has its files beside the config', () => {
    const result = load(jwt(JWKS));
    if (!result.ok) throw new Error('refused');
    expect(result.config.policies.jwt[0]?.spec.issuers[0]).toMatchObject({
      keys: { jwks: { file: '/etc/tulle/keys.json', refreshSeconds: 300, minRefreshSeconds: 10 } },
      clockSkewSeconds: 30,
    });
    expect(result.config.policies.jwt[0]?.spec.issuers[0]?.algorithms).not.toContain('HS256');
  });

  const where = 'JwtPolicy p: spec.issuers[0]';
  test.each([
    [
      'clockSkewSeconds: 1',
      `${where}: must have exactly one of jwks and secretFile; use jwks, unless the issuer shares a secret`,
    ],
    ['jwks: {}', `${where}.jwks: must have exactly one of url and file; keep one of the two`],
    [
      'jwks: { url: "http://keys.test/jwks" }',
      `${where}.jwks.url: is not encrypted: whoever is on the way could put in keys of their own; use https, or write \`inClear: on\` if nobody is`,
    ],
    [`${JWKS}, algorithms: [none]`, /algorithms\[0\]: must be RS256 or .*not "none"/],
    [
      `${JWKS}, algorithms: [HS256]`,
      /algorithms\[0\]: is for a shared secret, not for public keys; use RS256/,
    ],
    [
      'secretFile: s, algorithms: [RS256]',
      /algorithms\[0\]: is for public keys, not for a secret; use HS256/,
    ],
    [
      'jwks: { file: k, rootsFile: r }',
      `${where}.jwks.rootsFile: has no effect without an https url; remove it`,
    ],
  ])('that says %s is refused', (issuer, problem) => {
    const found = findings(jwt(issuer));
    expect(found).toHaveLength(1);
    if (typeof problem === 'string') expect(found).toEqual([problem]);
    else expect(found[0]).toMatch(problem);
  });

  test.each(['http://127.0.0.1:9/k', 'http://localhost/k', 'http://[::1]/k', 'https://keys.test/k'])(
    'may publish at %s',
    (url) => {
      expect(findings(jwt(`jwks: { url: "${url}" }`))).toEqual([]);
    },
  );
});

describe('a claim', () => {
  test('is read where a JwtPolicy verifies it', () => {
    expect(findings(jwt(JWKS), policy('AccessPolicy', access), policy('RateLimitPolicy', limit()))).toEqual(
      [],
    );
  });

  test('is refused where none does', () => {
    expect(findings(policy('AccessPolicy', access))).toEqual([
      'AccessPolicy p: spec.rules[0].when.claims: can never hold: no JwtPolicy verifies the tokens of requests to the service; attach a JwtPolicy to Service "orders"',
    ]);
    const off = `${jwt(JWKS)}  mode: off\n`;
    expect(findings(off, policy('AccessPolicy', access))).toHaveLength(1);
    const unverified =
      'RateLimitPolicy p: spec.limits[0].key[0].claim: is read from a token that no JwtPolicy verifies; attach a JwtPolicy to the service, or if something before this sidecar checks signatures, write `trustUnverified: true`';
    expect(findings(policy('RateLimitPolicy', limit()))).toEqual([unverified]);
    expect(findings(jwt(JWKS), policy('RateLimitPolicy', limit(), 'carts'))).toEqual([unverified]);
  });

  test('that is trusted unverified needs that no more once it is verified', () => {
    const trusted = policy('RateLimitPolicy', limit('claim: sub, trustUnverified: true'));
    expect(findings(trusted)).toEqual([]);
    expect(findings(jwt(JWKS), trusted)).toEqual([
      'RateLimitPolicy p: spec.limits[0].key[0].claim: does not need trustUnverified: JwtPolicy p verifies the token, and only then the claim is read; leave it out',
    ]);
  });

  test('is absent in the sidecars of callers', () => {
    expect(findings(jwt(JWKS, 'carts'), policy('RateLimitPolicy', limit(), 'carts'))).toEqual([
      'JwtPolicy p: spec.targetRefs[0].name: has no effect here: the sidecar of "carts" verifies tokens that are for it',
      'RateLimitPolicy p: spec.limits[0].key[0].claim: is absent here: tokens are verified by the sidecar of the service to whom they are sent',
    ]);
  });
});
