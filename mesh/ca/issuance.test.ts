import { createHash, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createKeyAndCsr } from '../../sidecar/src/identity/csr.ts';
import {
  type AuthorityUnderTest,
  bearer,
  SPIFFE_ID,
  startAuthorityUnderTest,
  TTL_SECONDS,
} from './authority.fixture.ts';
import { createAuthority } from './authority.ts';
import { issueSvid } from './issue-svid.ts';

let authority: AuthorityUnderTest;

beforeAll(async () => {
  authority = await startAuthorityUnderTest();
});
afterAll(() => authority.stop());
beforeEach(() => {
  authority.decisions.length = 0;
  authority.aheadMs = 0;
});

const newToken = () => authority.tokens.create(SPIFFE_ID, 60);

async function enrol() {
  const { keyPem, csrPem } = await createKeyAndCsr();
  const { body } = await authority.ask('join-token', bearer(await newToken()), csrPem);
  return { key: keyPem, cert: String(body.certificates) };
}

describe('POST /v1/svid/join-token', () => {
  it('issues an SVID for the workload that the token stands for', async () => {
    const { status, contentType, body } = await authority.ask('join-token', bearer(await newToken()));
    expect([status, contentType]).toEqual([200, 'application/json']);
    const certificate = new X509Certificate(String(body.certificates));
    expect(certificate.subjectAltName).toBe(`URI:${SPIFFE_ID}`);
    expect(body).toEqual({
      certificates: expect.any(String),
      roots: authority.rootsPem,
      spiffeId: SPIFFE_ID,
      notBefore: certificate.validFromDate.toISOString(),
      notAfter: certificate.validToDate.toISOString(),
    });
    const serialNumber = certificate.serialNumber.toLowerCase();
    const { notAfter } = body;
    expect(authority.decisions).toEqual([
      {
        event: 'issued',
        proof: 'join-token',
        spiffeId: SPIFFE_ID,
        serialNumber,
        notAfter,
        from: '127.0.0.1',
      },
    ]);
  });

  it('repeats a lost answer for the same key, and for no other', async () => {
    const token = bearer(await newToken());
    const { csrPem } = await createKeyAndCsr();
    expect((await authority.ask('join-token', token, csrPem)).status).toBe(200);
    expect((await authority.ask('join-token', token, csrPem)).status).toBe(200);
    expect(await authority.ask('join-token', token)).toMatchObject({
      status: 401,
      body: { code: 'token_used' },
    });
  });

  it('answers 401 to whatever is no token, and to an expired one', async () => {
    const token = await newToken();
    const digest = createHash('sha256').update(token).digest('hex');
    for (const authorization of ['', 'Bearer wrong', 'Bearer ', `Basic ${token}`, `Bearer ${digest}`]) {
      const answer = await authority.ask('join-token', { headers: { authorization } });
      expect(answer).toMatchObject({ status: 401, contentType: 'application/problem+json' });
      expect(answer.body).toMatchObject({ status: 401, title: 'Unauthorized', code: 'invalid_token' });
    }
    authority.aheadMs = 61_000;
    const late = await authority.ask('join-token', bearer(token));
    expect(late).toMatchObject({ status: 401, body: { code: 'token_expired' } });
    const codes = authority.decisions.map((decision) => decision.event === 'refused' && decision.code);
    expect(codes).toEqual([...Array(5).fill('invalid_token'), 'token_expired']);
    expect(JSON.stringify(authority.decisions)).not.toContain(token);
  });

  it.each([
    ['no JSON', 'csr', 400, 'invalid_body'],
    ['JSON without a request', '{}', 400, 'invalid_body'],
    ['an unknown member', JSON.stringify({ csr: '', spiffeId: SPIFFE_ID }), 400, 'invalid_body'],
    ['a request that is none', JSON.stringify({ csr: 'none' }), 400, 'invalid_csr'],
    ['an oversize request', JSON.stringify({ csr: 'x'.repeat(5_000) }), 400, 'invalid_csr'],
    ['a body beyond its bound', JSON.stringify({ csr: 'x'.repeat(20_000) }), 413, 'body_too_large'],
  ])('refuses %s without spending the token', async (_, body, status, code) => {
    const token = bearer(await newToken());
    const answer = await authority.send('/v1/svid/join-token', { method: 'POST', ...token }, body);
    expect(answer).toMatchObject({ status, contentType: 'application/problem+json' });
    expect(answer.body).toMatchObject({ code, detail: expect.stringMatching(/\.$|}\.$/) });
    expect((await authority.ask('join-token', token)).status).toBe(200);
  });

  it('does not show what failed inside, and does not spend the token', async () => {
    const { issuer } = authority;
    const healthy = issuer.sign;
    const token = bearer(await newToken());
    issuer.sign = () => Promise.reject(new Error('the key store is at /secret'));
    const answer = await authority.ask('join-token', token).finally(() => {
      issuer.sign = healthy;
    });
    expect(answer).toMatchObject({ status: 500, body: { code: 'internal_error' } });
    expect(JSON.stringify(answer.body)).not.toContain('/secret');
    expect(authority.decisions).toMatchObject([
      { code: 'internal_error', detail: expect.stringContaining('/secret') },
    ]);
    expect((await authority.ask('join-token', token)).status).toBe(200);
  });

  it('gives one certificate away when the token is used twice at once', async () => {
    const token = bearer(await newToken());
    const answers = await Promise.all(Array.from({ length: 8 }, () => authority.ask('join-token', token)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(401)]);
    expect(authority.decisions.filter(({ event }) => event === 'issued')).toHaveLength(1);
  });
});

it('an identity that asks too often is told to wait, and its token is not spent', async () => {
  const hurried = await startAuthorityUnderTest({ rate: { perSecond: 0.001, burst: 2 } });
  for (let round = 0; round < 2; round++) {
    const token = bearer(await hurried.tokens.create(SPIFFE_ID, 60));
    expect((await hurried.ask('join-token', token)).status).toBe(200);
  }
  const token = await hurried.tokens.create(SPIFFE_ID, 60);
  expect(await hurried.ask('join-token', bearer(token))).toMatchObject({
    status: 429,
    headers: { 'retry-after': '1000' },
    body: { code: 'too_many_requests' },
  });
  const claim = { token, keySha256: 'another', socket: null as never };
  expect(await hurried.tokens.attest(claim)).toMatchObject({ spiffeId: SPIFFE_ID });
  const other = bearer(await hurried.tokens.create(`${SPIFFE_ID}2`, 60));
  expect((await hurried.ask('join-token', other)).status).toBe(200);
  await hurried.stop();
});

describe('POST /v1/svid/renewal', () => {
  it('issues another SVID of the same id, for another key', async () => {
    const first = await enrol();
    const { status, body } = await authority.ask('renewal', first);
    expect([status, body.spiffeId]).toEqual([200, SPIFFE_ID]);
    const [before, after] = [new X509Certificate(first.cert), new X509Certificate(String(body.certificates))];
    expect(after.subjectAltName).toBe(`URI:${SPIFFE_ID}`);
    expect(after.publicKey.equals(before.publicKey)).toBe(false);
    expect(authority.decisions.at(-1)).toMatchObject({ event: 'issued', proof: 'renewal' });
  });

  it('is refused without a certificate, whatever token comes along', async () => {
    const answer = await authority.ask('renewal', bearer(await newToken()));
    expect(answer).toMatchObject({ status: 401, body: { code: 'no_svid' } });
  });

  it('is refused when the SVID has expired, also on a connection that is older than that', async () => {
    const first = await enrol();
    authority.aheadMs = TTL_SECONDS * 1_000;
    expect(await authority.ask('renewal', first)).toMatchObject({
      status: 401,
      body: { code: 'svid_expired' },
    });
    const expired = await issueSvid(authority.issuer, {
      spiffeId: SPIFFE_ID,
      validFromMs: Date.now() - 9_999_000,
    });
    const { keyPem: key, certificatePem: cert } = expired;
    expect(await authority.ask('renewal', { key, cert })).toMatchObject({ body: { code: 'svid_expired' } });
  });

  it('is refused to an SVID whose id was not enrolled by a token: others vouch for it each time', async () => {
    const other = await issueSvid(authority.issuer, { spiffeId: 'spiffe://a.test/ns/b/sa/pod' });
    const { keyPem: key, certificatePem: cert } = other;
    expect(await authority.ask('renewal', { key, cert })).toMatchObject({
      status: 403,
      body: { code: 'not_enrolled' },
    });
  });

  it('is refused to the same id from another authority', async () => {
    await enrol();
    const impostor = await createAuthority({ trustDomain: 'a.test' });
    const { keyPem: key, certificatePem: cert } = await issueSvid(impostor, { spiffeId: SPIFFE_ID });
    expect(await authority.ask('renewal', { key, cert })).toMatchObject({
      status: 401,
      body: { code: 'invalid_svid' },
    });
  });

  it('is refused to the certificate of a server of the same authority', async () => {
    const server = await authority.issuer.issueServerCertificate(['localhost'], 60);
    const answer = await authority.ask('renewal', { key: server.keyPem, cert: server.certificatePem });
    expect(answer).toMatchObject({ status: 401, body: { code: 'invalid_svid' } });
  });
});
