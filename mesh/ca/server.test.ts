import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:https';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKeyAndCsr } from '../../sidecar/src/identity/csr.ts';
import { type AuthorityUnderTest, bearer, SPIFFE_ID, startAuthorityUnderTest } from './authority.fixture.ts';

let authority: AuthorityUnderTest;

beforeAll(async () => {
  authority = await startAuthorityUnderTest();
});
afterAll(() => authority.stop());

describe('the server', () => {
  it.each(['/healthz/ready', '/healthz/live'])('answers 200 on %s', async (path) => {
    expect(await authority.send(path)).toMatchObject({ status: 200, body: { status: 'ok' } });
  });

  it('answers 404 and 405 with a problem', async () => {
    expect(await authority.send('/')).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(await authority.ask('a-wish')).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(await authority.send('/v1/svid/renewal')).toMatchObject({
      status: 405,
      body: { code: 'method_not_allowed' },
    });
  });

  it.each(['localhost', '127.0.0.1', 'ca.demo.svc'])('has a certificate for %s', async (name) => {
    const answer = await authority.send('/healthz/ready', {
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
      port: authority.server.port,
      host: '127.0.0.1',
      ca: authority.rootsPem,
      maxVersion: 'TLSv1.2',
    });
    await expect(once(old, 'secureConnect')).rejects.toThrow(/protocol version/);
  });

  it('answers what has begun when it is stopped, then is gone', async () => {
    const stopping = await startAuthorityUnderTest();
    const token = await stopping.tokens.create(SPIFFE_ID, 60);
    const { csrPem } = await createKeyAndCsr();
    const outgoing = request({
      host: '127.0.0.1',
      port: stopping.server.port,
      path: '/v1/svid/join-token',
      method: 'POST',
      ...bearer(token),
      ca: stopping.rootsPem,
      agent: false,
    });
    // The head is out, the body is not: the server is in the middle of this request.
    outgoing.flushHeaders();
    const [socket] = await once(outgoing, 'socket');
    await once(socket, 'secureConnect');
    const probe = request({
      host: '127.0.0.1',
      port: stopping.server.port,
      path: '/healthz/live',
      ca: stopping.rootsPem,
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
    const late = connect({ port: stopping.server.port, host: '127.0.0.1' });
    await expect(once(late, 'secureConnect')).rejects.toThrow('ECONNREFUSED');
  });
});
