import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type OutgoingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../config/load.ts';
import type { SidecarConfig } from '../config/schema.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import type { AdminServer, AdminSource } from './server.ts';
import { startAdminServer } from './server.ts';

const LOOPBACK = { host: '127.0.0.1', port: 0 };

let folder = '';
let config: SidecarConfig;
let server: AdminServer | null = null;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-admin-'));
  for (const name of ['join-token', 'roots.pem']) await writeFile(join(folder, name), `hunter2 of ${name}`);
  await writeFile(
    join(folder, 'sidecar.yaml'),
    [
      'apiVersion: mesh.tulle.dev/v1alpha1',
      'kind: Sidecar',
      'metadata: { name: a }',
      'spec:',
      '  service: a',
      '  identity:',
      '    trustDomain: demo',
      '    authority: { url: https://127.0.0.1:1, rootsFile: roots.pem, tokenFile: join-token }',
    ].join('\n'),
  );
  const loaded = await loadConfig(join(folder, 'sidecar.yaml'));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  config = loaded.config;
});
afterAll(() => rm(folder, { recursive: true }));

afterEach(async () => {
  await server?.close();
  server = null;
});

async function start(changes: Partial<AdminSource> = {}): Promise<number> {
  server = await startAdminServer(LOOPBACK, {
    configPath: join(folder, 'sidecar.yaml'),
    clock: systemClock,
    readiness: () => 'ready',
    configStatus: () => ({
      config,
      version: 'abc',
      onLastGood: false,
      accepted: 2,
      rejected: 1,
      problems: [
        {
          file: join(folder, 'sidecar.yaml'),
          line: 7,
          column: 3,
          path: 'spec.x',
          message: 'is not a known key',
          suggestion: null,
        },
      ],
      lastError: 'x',
    }),
    svid: () => ({ id: 'spiffe://demo/ns/default/sa/a', expiresAtMs: 0 }),
    metrics: async () => ({ contentType: 'text/plain; version=0.0.4', body: 'up 1\n' }),
    drain: () => {},
    ...changes,
  });
  return server.port;
}

type Answer = { status: number; type: string; headers: OutgoingHttpHeaders; body: string };

function ask(
  port: number,
  path: string,
  {
    method = 'GET',
    headers = {},
    body = '',
  }: { method?: string; headers?: OutgoingHttpHeaders; body?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8');
      incoming.on('data', (chunk: string) => {
        text += chunk;
      });
      incoming.on('end', () =>
        resolve({
          status: incoming.statusCode ?? 0,
          type: incoming.headers['content-type'] ?? '',
          headers: incoming.headers,
          body: text,
        }),
      );
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** For what no HTTP client would send: all bytes that come back until the connection ends. */
function sendRaw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      received += chunk;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(received));
  });
}

describe('health', () => {
  test('is live whatever the readiness, and ready only when it is', async () => {
    let readiness: ReturnType<AdminSource['readiness']> = 'starting';
    const port = await start({ readiness: () => readiness });
    for (const [state, status] of [
      ['starting', 503],
      ['ready', 200],
      ['draining', 503],
    ] as const) {
      readiness = state;
      expect((await ask(port, '/healthz/live')).status).toBe(200);
      const ready = await ask(port, '/healthz/ready');
      expect(ready.status).toBe(status);
      expect(ready.body).toContain(state);
    }
    const draining = await ask(port, '/healthz/ready?verbose');
    expect(draining.type).toBe('application/problem+json');
    expect(JSON.parse(draining.body)).toEqual({
      type: 'about:blank',
      title: 'Service Unavailable',
      status: 503,
      detail: 'the sidecar is draining',
    });
  });
});

describe('/metrics', () => {
  test('hands out what it is given, type and all', async () => {
    const answer = await ask(await start(), '/metrics');
    expect(answer).toMatchObject({ status: 200, type: 'text/plain; version=0.0.4', body: 'up 1\n' });
  });

  test('says that they could not be collected', async () => {
    const answer = await ask(await start({ metrics: () => Promise.reject(new Error('torn')) }), '/metrics');
    expect(answer).toMatchObject({ status: 500, type: 'application/problem+json' });
    expect(JSON.parse(answer.body)).toMatchObject({ detail: 'torn' });
  });

  test('does not wait for ever', async () => {
    // A limit of seconds is reached at once on this clock.
    const hasty: Clock = { ...systemClock, setTimer: (fn) => systemClock.setTimer(fn, 1) };
    const port = await start({ clock: hasty, metrics: () => new Promise(() => {}) });
    expect((await ask(port, '/metrics')).status).toBe(503);
  });
});

describe('/config_dump', () => {
  test('shows what runs, and no content of a key or token', async () => {
    const answer = await ask(await start(), '/config_dump');
    expect(answer).toMatchObject({ status: 200, type: 'application/json' });
    expect(JSON.parse(answer.body)).toEqual({
      version: 'abc',
      source: 'sidecar.yaml',
      onLastGood: false,
      accepted: 2,
      rejected: 1,
      problems: [
        {
          file: 'sidecar.yaml',
          line: 7,
          column: 3,
          path: 'spec.x',
          message: 'is not a known key',
          suggestion: null,
        },
      ],
      svid: { id: 'spiffe://demo/ns/default/sa/a', expiresAt: '1970-01-01T00:00:00.000Z' },
      config,
    });
    expect(answer.body).not.toContain('hunter2');
  });

  test('is not there before the first config, nor the SVID before the first certificate', async () => {
    const starting = await start({ configStatus: () => null });
    expect((await ask(starting, '/config_dump')).status).toBe(503);
    await server?.close();
    const answer = await ask(await start({ svid: () => null }), '/config_dump');
    expect(JSON.parse(answer.body).svid).toBeNull();
  });
});

describe('/drain', () => {
  test('is triggered by POST alone', async () => {
    let drains = 0;
    const port = await start({
      drain: () => {
        drains += 1;
      },
    });
    const get = await ask(port, '/drain');
    expect(get).toMatchObject({ status: 405, headers: { allow: 'POST' }, type: 'application/problem+json' });
    expect(drains).toBe(0);
    expect(
      (await ask(port, '/drain', { method: 'POST', body: '{}', headers: { 'content-length': 2 } })).status,
    ).toBe(202);
    expect(drains).toBe(1);
  });

  test.each([
    ['another origin', { origin: 'http://evil.example' }],
    ['an opaque origin', { origin: 'null' }],
    ['a host name that may be rebound', { host: 'evil.example' }],
  ])('is refused from %s', async (_, headers) => {
    let drains = 0;
    const port = await start({
      drain: () => {
        drains += 1;
      },
    });
    expect((await ask(port, '/drain', { method: 'POST', headers })).status).toBe(403);
    expect(drains).toBe(0);
  });
});

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
    const answer = await ask(await start(), '/metrics', { method: 'HEAD' });
    expect(answer).toMatchObject({ status: 200, body: '', headers: { 'content-length': '5' } });
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

describe('the server', () => {
  test('listens on loopback only', async () => {
    await expect(startAdminServer({ host: '0.0.0.0', port: 0 }, {} as AdminSource)).rejects.toThrow(
      'the admin endpoint would be reachable from outside on 0.0.0.0: use 127.0.0.1',
    );
  });

  test('says which address is taken', async () => {
    const port = await start();
    await expect(startAdminServer({ host: '127.0.0.1', port }, {} as AdminSource)).rejects.toThrow(
      `admin cannot listen on 127.0.0.1:${port}: EADDRINUSE`,
    );
  });

  test('closes though a request is stuck', async () => {
    const hasty: Clock = { ...systemClock, setTimer: (fn) => systemClock.setTimer(fn, 50) };
    const port = await start({ clock: hasty });
    const stuck = sendRaw(port, 'POST /drain HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le').catch(() => 'reset');
    // Accepted for sure once a later request was answered.
    await ask(port, '/healthz/live');
    await server?.close();
    server = null;
    await stuck;
    await expect(ask(port, '/healthz/live')).rejects.toThrow('ECONNREFUSED');
  });
});
