import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { type RequestOptions, request } from 'node:https';
import { connect } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createKeyAndCsr } from '../../sidecar/src/identity/csr.ts';
import { type Authority, createAuthority } from './authority.ts';
import { createJoinTokens } from './join-tokens.ts';
import { type AuthorityServer, type Decision, startAuthorityServer } from './server.ts';

const SPIFFE_ID = 'spiffe://a.test/ns/b/sa/c';
const TOKEN = 'correct-horse-battery-staple';

let authority: Authority;
let server: AuthorityServer;
let decisions: Decision[] = [];

beforeAll(async () => {
  authority = await createAuthority({ trustDomain: 'a.test' });
  server = await start();
});
afterAll(() => server.stop());
beforeEach(() => {
  decisions = [];
});

function start(): Promise<AuthorityServer> {
  const tokenSha256 = createHash('sha256').update(TOKEN).digest('hex');
  return startAuthorityServer({
    issuer: authority,
    identify: createJoinTokens([{ tokenSha256, spiffeId: SPIFFE_ID }]),
    listen: { host: '127.0.0.1', port: 0 },
    names: ['ca.demo.svc'],
    svidTtlSeconds: 60,
    report: (decision) => decisions.push(decision),
  });
}

interface Answer {
  status: number;
  contentType: string | undefined;
  body: Record<string, unknown>;
}

async function send(path: string, options: RequestOptions = {}, body = ''): Promise<Answer> {
  const outgoing = request({
    host: '127.0.0.1',
    port: server.port,
    path,
    ca: authority.trustBundle().rootsPem,
    agent: false,
    ...options,
  });
  outgoing.end(body);
  const [response] = await once(outgoing, 'response');
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return {
    status: response.statusCode,
    contentType: response.headers['content-type'],
    body: JSON.parse(text),
  };
}

const post = (body: string, token = `Bearer ${TOKEN}`) =>
  send('/v1/svid', { method: 'POST', headers: { authorization: token } }, body);

describe('POST /v1/svid', () => {
  it('issues an SVID for the workload that the token stands for', async () => {
    const { csrPem } = await createKeyAndCsr();
    const { status, contentType, body } = await post(JSON.stringify({ csr: csrPem }));
    expect([status, contentType]).toEqual([200, 'application/json']);
    const certificate = new X509Certificate(String(body.certificates));
    expect(certificate.subjectAltName).toBe(`URI:${SPIFFE_ID}`);
    expect(body).toEqual({
      certificates: expect.any(String),
      roots: authority.trustBundle().rootsPem,
      spiffeId: SPIFFE_ID,
      notBefore: certificate.validFromDate.toISOString(),
      notAfter: certificate.validToDate.toISOString(),
    });
    const serialNumber = certificate.serialNumber.toLowerCase();
    expect(decisions).toEqual([
      { event: 'issued', spiffeId: SPIFFE_ID, serialNumber, notAfter: body.notAfter, from: '127.0.0.1' },
    ]);
  });

  it.each([
    ['no token', ''],
    ['another token', 'Bearer wrong'],
    ['an empty token', 'Bearer '],
    ['another scheme', `Basic ${TOKEN}`],
    ['the stored digest', `Bearer ${createHash('sha256').update(TOKEN).digest('hex')}`],
  ])('answers 401 to %s', async (_, authorization) => {
    const { csrPem } = await createKeyAndCsr();
    const answer = await post(JSON.stringify({ csr: csrPem }), authorization);
    expect(answer).toMatchObject({ status: 401, contentType: 'application/problem+json' });
    expect(answer.body).toMatchObject({ status: 401, title: 'Unauthorized', code: 'invalid_token' });
    expect(decisions).toMatchObject([{ event: 'refused', code: 'invalid_token' }]);
  });

  it.each([
    ['no JSON', 'csr', 'invalid_body'],
    ['JSON without a request', '{}', 'invalid_body'],
    ['an unknown member', JSON.stringify({ csr: '', spiffeId: SPIFFE_ID }), 'invalid_body'],
    ['a request that is none', JSON.stringify({ csr: 'none' }), 'invalid_csr'],
    ['an oversize request', JSON.stringify({ csr: 'x'.repeat(5_000) }), 'invalid_csr'],
  ])('answers 400 to %s', async (_, body, code) => {
    const answer = await post(body);
    expect(answer).toMatchObject({ status: 400, contentType: 'application/problem+json' });
    expect(answer.body).toMatchObject({ code, detail: expect.stringMatching(/\.$|}\.$/) });
  });

  it('answers 413 to a body beyond its bound', async () => {
    const answer = await post(JSON.stringify({ csr: 'x'.repeat(20_000) }));
    expect(answer).toMatchObject({ status: 413, body: { code: 'body_too_large' } });
  });

  it('does not show what failed inside', async () => {
    const healthy = authority.sign;
    authority.sign = () => Promise.reject(new Error('the key store is at /secret'));
    const { csrPem } = await createKeyAndCsr();
    const answer = await post(JSON.stringify({ csr: csrPem })).finally(() => {
      authority.sign = healthy;
    });
    expect(answer).toMatchObject({ status: 500, body: { code: 'internal_error' } });
    expect(JSON.stringify(answer.body)).not.toContain('/secret');
    expect(decisions).toMatchObject([{ code: 'internal_error', detail: expect.stringContaining('/secret') }]);
  });
});

describe('the server', () => {
  it.each(['/healthz/ready', '/healthz/live'])('answers 200 on %s', async (path) => {
    expect(await send(path)).toMatchObject({ status: 200, body: { status: 'ok' } });
  });

  it('answers 404 and 405 with a problem', async () => {
    expect(await send('/')).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(await send('/v1/svid')).toMatchObject({ status: 405, body: { code: 'method_not_allowed' } });
  });

  it.each(['localhost', '127.0.0.1', 'ca.demo.svc'])('has a certificate for %s', async (name) => {
    const answer = await send('/healthz/ready', {
      checkServerIdentity: (_, certificate) =>
        (new X509Certificate(certificate.raw).checkHost(name) ??
        new X509Certificate(certificate.raw).checkIP(name))
          ? undefined
          : new Error(name),
    });
    expect(answer.status).toBe(200);
  });

  it('speaks TLS 1.3 only', async () => {
    const old = connect({
      port: server.port,
      host: '127.0.0.1',
      ca: authority.trustBundle().rootsPem,
      maxVersion: 'TLSv1.2',
    });
    await expect(once(old, 'secureConnect')).rejects.toThrow(/protocol version/);
  });

  it('answers what has begun when it is stopped, then is gone', async () => {
    const stopping = await start();
    const { csrPem } = await createKeyAndCsr();
    const outgoing = request({
      host: '127.0.0.1',
      port: stopping.port,
      path: '/v1/svid',
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}` },
      ca: authority.trustBundle().rootsPem,
      agent: false,
    });
    // The head is out, the body is not: the server is in the middle of this request.
    outgoing.flushHeaders();
    const [socket] = await once(outgoing, 'socket');
    await once(socket, 'secureConnect');
    const probe = request({
      host: '127.0.0.1',
      port: stopping.port,
      path: '/healthz/live',
      ca: authority.trustBundle().rootsPem,
      agent: false,
    });
    probe.end();
    (await once(probe, 'response'))[0].resume();

    const stopped = stopping.stop();
    outgoing.end(JSON.stringify({ csr: csrPem }));
    const [response] = await once(outgoing, 'response');
    expect(response.statusCode).toBe(200);
    response.resume();
    await stopped;
    const late = connect({ port: stopping.port, host: '127.0.0.1' });
    await expect(once(late, 'secureConnect')).rejects.toThrow('ECONNREFUSED');
  });
});
