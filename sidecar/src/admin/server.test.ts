import { describe, expect, test } from 'vitest';
import { type Clock, systemClock } from '../core/clock.ts';
import { ask, config, sendRaw, start, stop } from './server.fixture.ts';
import type { AdminSource } from './server.ts';
import { startAdminServer } from './server.ts';

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

test('/healthz/ready shows an SVID that nobody renewed in time', async () => {
  const svid = { id: 'spiffe://demo/ns/default/sa/a', expiresAtMs: 0, expired: true };
  const answer = await ask(await start({ svid: () => svid }), '/healthz/ready');
  expect(answer.status).toBe(200);
  expect(JSON.parse(answer.body)).toEqual({
    status: 'ready',
    svid: { id: svid.id, expiresAt: '1970-01-01T00:00:00.000Z', expired: true },
  });
});

describe('/metrics', () => {
  test('hands out what it is given, type and all', async () => {
    const answer = await ask(await start(), '/metrics');
    expect(answer).toMatchObject({ status: 200, type: 'text/plain; version=0.0.4', body: 'up 1\n' });
  });

  test('are refused while too many scrapes wait', async () => {
    const answer = await ask(await start({ scrape: () => null }), '/metrics');
    expect(answer).toMatchObject({ status: 503, type: 'application/problem+json' });
    expect(answer.headers['retry-after']).toBe('1');
  });

  test('that could not be collected are cut off', async () => {
    async function* torn(): AsyncGenerator<string> {
      yield 'up 1\n';
      throw new Error('torn');
    }
    const port = await start({ scrape: () => ({ contentType: 'text/plain', slices: torn() }) });
    await expect(ask(port, '/metrics')).rejects.toThrow(/aborted|hang up/);
    expect((await ask(port, '/healthz/live')).status).toBe(200);
  });

  test('are not waited for for ever', async () => {
    // A limit of seconds is reached at once on this clock.
    const hasty: Clock = { ...systemClock, setTimer: (fn) => systemClock.setTimer(fn, 1) };
    async function* stuck(): AsyncGenerator<string> {
      yield 'up 1\n';
      await new Promise(() => {});
    }
    const port = await start({
      clock: hasty,
      scrape: () => ({ contentType: 'text/plain', slices: stuck() }),
    });
    await expect(ask(port, '/metrics')).rejects.toThrow(/aborted|hang up/);
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
      warnings: [
        {
          file: 'sidecar.yaml',
          document: 'FaultPolicy a',
          line: 9,
          column: 1,
          path: 'spec',
          message: 'has no effect',
          suggestion: null,
        },
      ],
      svid: { id: 'spiffe://demo/ns/default/sa/a', expiresAt: '1970-01-01T00:00:00.000Z', expired: false },
      config,
    });
    expect(answer.body).not.toContain('hunter2');
  });

  test('is not there before the first config, nor the SVID before the first certificate', async () => {
    const starting = await start({ configStatus: () => null });
    expect((await ask(starting, '/config_dump')).status).toBe(503);
    await stop();
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
    await stop();
    await stuck;
    await expect(ask(port, '/healthz/live')).rejects.toThrow('ECONNREFUSED');
  });
});
