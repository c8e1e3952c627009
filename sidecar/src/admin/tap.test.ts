import { mkdtempSync, rmSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compileChain } from '../core/chain.ts';
import { systemClock } from '../core/clock.ts';
import { AccessLogFilter } from '../filters/access-log/access-log.ts';
import { travel } from '../filters/hand-made-exchange.ts';
import { AccessLog, lineOrigin } from '../observe/access-log.ts';
import { OBSERVE_LIMITS } from '../observe/limits.ts';
import { LineWriter } from '../observe/line-writer.ts';
import { Taps } from '../observe/tap/taps.ts';
import { ask, start, stop } from './server.fixture.ts';

let folder: string;
let writer: LineWriter;
let log: AccessLog;
let taps: Taps;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tap-'));
  writer = new LineWriter(join(folder, 'access.log'), { clock: systemClock, report: () => {} });
  log = new AccessLog(writer.addSource(), systemClock);
  taps = new Taps(log.lines, systemClock);
});
afterEach(async () => {
  taps.close();
  await writer.close();
  rmSync(folder, { recursive: true });
});

function send(target = '/'): void {
  const profile = { name: 'http', direction: 'inbound', service: 'orders' } as const;
  travel({
    chain: compileChain([new AccessLogFilter(log, lineOrigin(profile))]),
    requestLine: `GET ${target} HTTP/1.1`,
  });
}

/** The lines that come until there are `count`. */
async function open(
  port: number,
  query = '',
): Promise<{ response: IncomingMessage; take: (count: number) => Promise<unknown[]> }> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get({ host: '127.0.0.1', port, path: `/tap${query}`, agent: false }, resolve).on('error', reject);
  });
  response.setEncoding('utf8');
  let text = '';
  return {
    response,
    async take(count) {
      for await (const chunk of response.iterator({ destroyOnReturn: false })) {
        text += chunk;
        if (text.split('\n').length > count) break;
      }
      const lines = text.split('\n').slice(0, -1);
      text = '';
      return lines.map((line) => JSON.parse(line));
    },
  };
}

describe('a tap', () => {
  test('sees what is logged from now on, without queries', async () => {
    const port = await start({ taps: () => taps });
    send('/before');
    const tap = await open(port);
    expect(tap.response.headers['content-type']).toBe('application/x-ndjson');
    send('/orders?token=secret');
    send('/second');
    expect(await tap.take(2)).toMatchObject([{ service: 'orders', path: '/orders' }, { path: '/second' }]);
    tap.response.destroy();
  });

  test.each([
    ['?path=/b', ['/b/1', '/b/2']],
    ['?path=/&status=2xx', ['/a', '/b/1', '/b/2']],
    ['?status=200&route=http&direction=inbound&method=get&failure=none', ['/a', '/b/1', '/b/2']],
  ])('%s sees a part', async (query, paths) => {
    const tap = await open(await start({ taps: () => taps }), query);
    for (const target of ['/a', '/b/1', '/b/2']) send(target);
    expect(await tap.take(paths.length)).toMatchObject(paths.map((path) => ({ path })));
    tap.response.destroy();
  });

  test.each([
    ['?statsu=200', '"statsu" is no filter; did you mean status?'],
    ['?status=6xx', 'status must be a status, or a class such as 5xx, and is "6xx"'],
    ['?path=b', 'path must be the beginning of a path'],
    ['?direction=up', 'direction must be inbound or outbound'],
    ['?route=', 'route must be a listener or a host'],
    ['?route=a&route=b', 'route is given twice'],
  ])('%s is refused', async (query, detail) => {
    const answer = await ask(await start({ taps: () => taps }), `/tap${query}`);
    expect(answer).toMatchObject({ status: 400, type: 'application/problem+json' });
    expect(JSON.parse(answer.body).detail).toContain(detail);
  });

  test('costs nothing while there is none, and again when it has gone', async () => {
    expect(log.lines.onLine).toBeNull();
    const tap = await open(await start({ taps: () => taps }));
    expect(log.lines.onLine).not.toBeNull();
    tap.response.destroy();
    await expect.poll(() => log.lines.onLine).toBeNull();
  });

  test('of which there are enough is refused, and a HEAD opens none', async () => {
    const port = await start({ taps: () => taps });
    expect(await ask(port, '/tap', { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
    expect(log.lines.onLine).toBeNull();
    const opened = await Promise.all(Array.from({ length: OBSERVE_LIMITS.taps }, () => open(port)));
    expect((await ask(port, '/tap')).status).toBe(503);
    for (const { response } of opened) response.destroy();
    await expect.poll(() => log.lines.onLine).toBeNull();
    const again = await open(port);
    again.response.destroy();
  });

  test('of a sidecar without an access log is refused', async () => {
    const answer = await ask(await start(), '/tap');
    expect(answer.status).toBe(409);
    expect(JSON.parse(answer.body).detail).toContain('spec.telemetry.accessLog');
  });

  test('is told what was dropped', () => {
    const written: string[] = [];
    const sink = { writableLength: 0, write: (text: string) => written.push(text), end: () => {} };
    taps.add(sink, () => true);
    const count = 1 + OBSERVE_LIMITS.tapBufferBytes / 200;
    for (let sent = 0; sent < count; sent++) send();
    taps.close();
    const [first, ...lines] = written;
    const { tap_dropped: dropped } = JSON.parse(first ?? '');
    expect(dropped).toBeGreaterThan(0);
    expect(lines.length + dropped).toBe(Math.ceil(count));
  });

  test('whose reader stalls holds a bounded part, and others see all', () => {
    const stalled: string[] = [];
    const seen: string[] = [];
    const slow = {
      writableLength: OBSERVE_LIMITS.tapPendingBytes + 1,
      write: (text: string) => stalled.push(text),
      end: () => {},
    };
    taps.add(slow, () => true);
    taps.add({ writableLength: 0, write: (text: string) => seen.push(text), end: () => {} }, () => true);
    send();
    taps.close();
    expect([stalled.length, seen.length]).toEqual([0, 1]);
  });

  test('ends with the sidecar', async () => {
    const tap = await open(await start({ taps: () => taps }));
    send('/last');
    taps.close();
    expect(await tap.take(1)).toMatchObject([{ path: '/last' }]);
    await stop();
  });
});
