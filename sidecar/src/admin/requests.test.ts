import { describe, expect, test } from 'vitest';
import { ask, sendRaw, start } from './server.fixture.ts';

describe('any request', () => {
  test.each(['/', '/metrics/', '/healthz', '//metrics', '/config_dump%20', '/METRICS'])(
    'to %s finds nothing',
    async (path) => {
      const answer = await ask(await start(), path);
      expect(answer).toMatchObject({ status: 404, type: 'application/problem+json' });
    },
  );

  test.each([
    ['POST', '/metrics', 'GET, HEAD'],
    ['DELETE', '/healthz/live', 'GET, HEAD'],
    ['OPTIONS', '/config_dump', 'GET, HEAD'],
    ['HEAD', '/drain', 'POST'],
  ])('%s %s is not allowed', async (method, path, allow) => {
    expect(await ask(await start(), path, { method })).toMatchObject({ status: 405, headers: { allow } });
  });

  test('with HEAD gets the head of GET', async () => {
    const answer = await ask(await start(), '/healthz/live', { method: 'HEAD' });
    expect(answer).toMatchObject({ status: 200, body: '', headers: { 'content-length': '23' } });
  });

  test.each([
    'localhost',
    'LOCALHOST:1',
    '127.0.0.1',
    '127.0.0.1:99',
    '[::1]:99',
    '10.0.0.7:15000',
    '[fd00::1]',
  ])('for Host %s is answered', async (host) => {
    expect((await ask(await start(), '/healthz/live', { headers: { host } })).status).toBe(200);
  });

  test.each([
    'evil.example',
    'evil.example:80',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '127.1',
    '',
    '127.0.0.1:80:80',
    '[::1',
    'localhost@evil',
  ])('for Host %j is refused', async (host) => {
    const received = await sendRaw(
      await start(),
      `GET /config_dump HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
    );
    expect(received).toMatch(/^HTTP\/1\.1 403 /);
    expect(received).not.toContain('spiffe');
  });

  test.each([
    'GET /config_dump HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n',
    'GET /config_dump HTTP/1.0\r\n',
  ])('with two hosts or none is refused: %j', async (head) => {
    const received = await sendRaw(await start(), `${head}Connection: close\r\n\r\n`);
    expect(received).toMatch(/^HTTP\/1\.1 403 /);
  });

  test.each([
    ['a large body', 'Content-Length: 1025\r\n\r\n', 413],
    ['a body of unknown length', 'Transfer-Encoding: chunked\r\n\r\n', 413],
    ['a large head', `X: ${'a'.repeat(8192)}\r\n\r\n`, 431],
    ['no HTTP', 'nonsense\r\n\r\n', 400],
  ])('with %s is refused and its connection closed', async (_, rest, status) => {
    const received = await sendRaw(await start(), `POST /drain HTTP/1.1\r\nHost: 127.0.0.1\r\n${rest}`);
    expect(received).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });
});
