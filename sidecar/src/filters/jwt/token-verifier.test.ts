import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportSPKI, importJWK, SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LIMITS } from '../../core/limits.ts';
import { ManualClock } from '../../core/manual-clock.fixture.ts';
import { spec } from './config.ts';
import { openJwt, TestIssuer, type TokenClaims } from './jwt.fixture.ts';
import type { JwtPolicies } from './jwt-policies.ts';
import { TokenRefusal } from './refusal.ts';
import type { TokenVerifier } from './token-verifier.ts';
import type { VerifiedToken } from './verified-token.ts';

const SKEW_S = 30;
const SECRET = 'a secret that both sides know, and nobody else';

let folder: string;
let clock: ManualClock;
let issuer: TestIssuer;
let other: TestIssuer;
let policies: JwtPolicies;
let verifier: TokenVerifier;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-jwt-'));
  clock = new ManualClock(Date.now());
  issuer = await TestIssuer.open('https://login.test', 'ES256', clock);
  other = await TestIssuer.open('https://other.test', 'RS256', clock);
  await publish();
  await writeFile(join(folder, 'secret'), SECRET);
  policies = openJwt(clock);
  verifier = verifierOf();
});
afterAll(async () => {
  policies.close();
  await rm(folder, { recursive: true });
});

function publish(): Promise<void> {
  return writeFile(join(folder, 'keys.json'), JSON.stringify(issuer.keySet));
}

function verifierOf(name = 'p'): TokenVerifier {
  const keys = { audiences: ['orders', 'carts'], clockSkewSeconds: SKEW_S };
  const jwks = { file: join(folder, 'keys.json'), minRefreshSeconds: 10 };
  return policies.verifierOf({
    ...{ name, namespace: 'demo', targets: [] },
    spec: spec.parse({
      issuers: [
        { name: 'login', issuer: 'https://login.test', jwks, ...keys },
        { name: 'partner', issuer: 'https://partner.test', secretFile: join(folder, 'secret'), ...keys },
      ],
    }),
  });
}

function verify(token: string, by = verifier): Promise<VerifiedToken | TokenRefusal> {
  return new Promise((resolve) => {
    const refusal = by.verify(token, token, { onOutcome: resolve });
    if (refusal !== null) resolve(refusal);
  });
}

async function reasonOf(token: string): Promise<string> {
  const outcome = await verify(token);
  return outcome instanceof TokenRefusal ? outcome.reason : 'verified';
}

const seconds = (offset: number) => Math.floor(clock.nowMs() / 1_000) + offset;
const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('a token is believed', () => {
  test('for what it claims, under the name that config gives its issuer', async () => {
    const outcome = await verify(await issuer.token({ roles: ['a'] }));
    expect(outcome).toMatchObject({ issuer: 'login', claims: { sub: 'ann', roles: ['a'] } });
  });

  test.each<[string, TokenClaims]>([
    ['one audience of several', { aud: ['else', 'carts'] }],
    ['an end that the clocks may differ about', { exp: -SKEW_S + 1 }],
    ['a beginning that the clocks may differ about', { nbf: SKEW_S - 1 }],
  ])('with %s', async (_, claims) => {
    const times = ['exp', 'nbf'].filter((name) => claims[name] !== undefined);
    const at = Object.fromEntries(times.map((name) => [name, seconds(claims[name] as number)]));
    expect(await reasonOf(await issuer.token({ ...claims, ...at }))).toBe('verified');
  });

  test('from an issuer with a secret', async () => {
    const token = await new SignJWT({ sub: 'ann' })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer('https://partner.test')
      .setAudience('orders')
      .setExpirationTime(seconds(60))
      .sign(Buffer.from(SECRET));
    expect(await verify(token)).toMatchObject({ issuer: 'partner' });
  });
});

describe('a token is refused', () => {
  test.each<[string, string, TokenClaims]>([
    ['that is for others', 'audience', { aud: 'payments' }],
    ['that is for nobody', 'claims', { aud: undefined }],
    ['of another issuer', 'unknown_issuer', { iss: 'https://login.test/' }],
    ['of no issuer', 'unknown_issuer', { iss: undefined }],
    ['without an end', 'claims', { exp: undefined }],
    ['whose end is no time', 'claims', { exp: 'never' }],
  ])('%s', async (_, reason, claims) => {
    expect(await reasonOf(await issuer.token(claims))).toBe(reason);
  });

  test('before its time, and after it', async () => {
    expect(await reasonOf(await issuer.token({ nbf: seconds(SKEW_S + 1) }))).toBe('not_yet_valid');
    expect(await reasonOf(await issuer.token({ exp: seconds(-SKEW_S) }))).toBe('expired');
  });

  test.each(['', 'x', 'a.b', 'a.b.c', 'a.b.c.d.e', `${encode({ alg: 'ES256' })}..x`, 'é.é.é'])(
    'that is none: %j',
    async (text) => {
      expect(await reasonOf(text)).toBe('malformed');
    },
  );

  test('without a signature', async () => {
    const claims = { iss: 'https://login.test', aud: 'orders', exp: seconds(60) };
    expect(await reasonOf(new UnsecuredJWT(claims).encode())).toBe('algorithm');
    const [header, payload] = (await issuer.token()).split('.');
    expect(await reasonOf(`${header}.${payload}.`)).toBe('signature');
    for (const alg of ['none', 'None', 'NONE', 'nOnE']) {
      expect(await reasonOf(`${encode({ alg })}.${payload}.`)).toBe('algorithm');
    }
  });

  test('that was changed in any place', async () => {
    const token = await issuer.token();
    const [header = '', payload = '', signature = ''] = token.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
    expect(await reasonOf(`${header}.${encode({ ...claims, sub: 'bob' })}.${signature}`)).toBe('signature');
    const turned = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
    expect(await reasonOf(`${header}.${payload}.${turned}`)).toBe('signature');
  });

  test('that takes a public key for a secret', async () => {
    const [jwk] = issuer.keySet.keys;
    const pem = await exportSPKI((await importJWK(jwk as never, 'ES256')) as never);
    for (const secret of [pem, JSON.stringify(jwk)]) {
      const token = await new SignJWT({})
        .setProtectedHeader({ alg: 'HS256', kid: 'key-1' })
        .setIssuer('https://login.test')
        .setAudience('orders')
        .setExpirationTime(seconds(60))
        .sign(Buffer.from(secret));
      expect(await reasonOf(token)).toBe('algorithm');
    }
  });

  test('that brings its key along, or says where to get one', async () => {
    const [jwk] = other.keySet.keys;
    const claims = { iss: 'https://login.test' };
    const urls = { jku: 'http://127.0.0.1:1/keys', x5u: 'http://127.0.0.1:1/x' };
    const token = await other.token(claims, { jwk, ...urls, kid: 'key-1' });
    expect(await reasonOf(token)).toBe('unknown_key');
  });

  test('of a key that has the name of ours', async () => {
    const forger = await TestIssuer.open('https://login.test', 'ES256', clock);
    expect(await reasonOf(await forger.token())).toBe('signature');
  });

  test('with a header that must be understood and is not', async () => {
    const [, payload, signature] = (await issuer.token()).split('.');
    const header = encode({ alg: 'ES256', kid: 'key-1', crit: ['x'], x: 1 });
    expect(await reasonOf(`${header}.${payload}.${signature}`)).toBe('malformed');
  });

  test('while nobody knows the keys of its issuer', async () => {
    const lonely = policies.verifierOf({
      ...{ name: 'lonely', namespace: 'demo', targets: [] },
      spec: spec.parse({
        issuers: [
          {
            ...{ name: 'login', issuer: 'https://login.test', audiences: ['orders'] },
            jwks: { file: join(folder, 'absent.json') },
          },
        ],
      }),
    });
    const outcome = await verify(await issuer.token(), lonely);
    expect(outcome).toMatchObject({ reason: 'keys_unavailable', challenge: null });
  });
});

describe('a token that is known', () => {
  test('costs no signature until it expires', async () => {
    const token = await issuer.token({ exp: seconds(60) });
    expect(verifier.recall(token)).toBeNull();
    const outcome = await verify(token);
    expect(verifier.recall(token)).toBe(outcome);
    await clock.advance((60 + SKEW_S) * 1_000);
    expect(verifier.recall(token)).toBeNull();
  });

  test('is verified once for all who wait for it', async () => {
    const token = await issuer.token({ sub: 'many' });
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => verify(token)));
    expect(new Set(outcomes).size).toBe(1);
  });

  test('is not believed any more once its issuer has taken the key back', async () => {
    const old = await issuer.token({ sub: 'old' });
    await verify(old);
    await issuer.rotate('key-2');
    await publish();
    await clock.advance(10_000);
    // A key that nobody knows yet is what makes the issuer be asked.
    expect(await reasonOf(await issuer.token({ sub: 'new' }))).toBe('verified');
    expect(verifier.recall(old)).toBeNull();
    expect(await reasonOf(old)).toBe('unknown_key');
  });

  test('is forgotten before those that were used later', async () => {
    const small = verifierOf('small');
    const tokens = await Promise.all(Array.from({ length: 3 }, (_, i) => issuer.token({ sub: `kept-${i}` })));
    const [first = '', second = '', third = ''] = tokens;
    await verify(first, small);
    await verify(second, small);
    const outcome = (await verify(third, small)) as VerifiedToken;
    for (let i = 3; i < LIMITS.jwtTokens; i++) {
      await new Promise<unknown>((resolve) => small.verify(`copy-${i}`, third, { onOutcome: resolve }));
    }
    expect(small.recall(first)).not.toBeNull();
    await new Promise<unknown>((resolve) => small.verify('one-more', third, { onOutcome: resolve }));
    expect([first, second].map((token) => small.recall(token) !== null)).toEqual([true, false]);
    expect(outcome.claims.sub).toBe('kept-2');
  });
});

test('too many at once are not taken', async () => {
  const busy = verifierOf('busy');
  const token = await issuer.token();
  const outcomes: unknown[] = [];
  const onOutcome = (outcome: unknown) => void outcomes.push(outcome);
  for (let i = 0; i < LIMITS.jwtPending; i++) expect(busy.verify(`${i}`, token, { onOutcome })).toBeNull();
  expect(busy.verify('one-more', token, { onOutcome })).toMatchObject({ reason: 'overflow' });
  await expect.poll(() => outcomes.length).toBe(LIMITS.jwtPending);
});
