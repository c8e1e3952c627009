import { execFileSync } from 'node:child_process';
import { pbkdf2 } from 'node:crypto';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compileChain } from '../core/chain.ts';
import { systemClock } from '../core/clock.ts';
import { Failure } from '../core/failure.ts';
import { AccessLogFilter } from '../filters/access-log/access-log.ts';
import { ENDPOINT, type Journey, STEP_MS, travel } from '../filters/hand-made-exchange.ts';
import { RequestIdFilter } from '../filters/request-id/request-id.ts';
import { AccessLog, lineOrigin } from './access-log.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { LineWriter } from './line-writer.ts';
import { RandomWords } from './random-words.ts';

const PEER = 'spiffe://demo.tulle.test/ns/demo/sa/gateway';

let folder: string;
let path: string;
let log: AccessLog;
let writer: LineWriter;
let reports: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'access-log-'));
  path = join(folder, 'access.log');
  reports = [];
  log = open(path);
});

afterEach(async () => {
  await writer.close();
  rmSync(folder, { recursive: true });
});

function open(file: string): AccessLog {
  const report = (event: string) => reports.push(event);
  writer = new LineWriter(file, { clock: systemClock, report });
  return new AccessLog(writer.addSource(), systemClock);
}

function send(journey: Omit<Journey, 'chain'> = {}): void {
  const profile = {
    name: 'http',
    direction: 'inbound',
    service: 'orders',
    trustsPeer: true,
    upstreamIdentity: '',
  } as const;
  const filters = [
    new RequestIdFilter(true, new RandomWords(Math.random)),
    new AccessLogFilter(log, lineOrigin(profile)),
  ];
  travel({ chain: compileChain(filters), startedMs: systemClock.monotonicMs(), ...journey });
}

const textOf = (file: string) => readFileSync(file, 'utf8');
const linesOf = (file: string): Record<string, unknown>[] =>
  textOf(file)
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(5);
}

describe('AccessLog', () => {
  test('writes a line for each exchange, on its own', async () => {
    const before = Date.now();
    send({
      requestLine: 'POST /orders?card=4111 HTTP/1.1',
      fields: ['host: a', 'content-length: 2', 'x-request-id: r-1'],
      requestBody: 'ab',
      peerIdentity: PEER,
      answerBody: 'xyz',
      answerStatus: 201,
    });
    await until(() => log.lines.written === 1);
    const [line] = linesOf(path);
    const { time, ...rest } = line as Record<string, unknown>;
    expect(Date.parse(time as string)).toBeGreaterThanOrEqual(before - 1);
    expect(rest).toEqual({
      direction: 'inbound',
      service: 'orders',
      route: 'http',
      method: 'POST',
      path: '/orders',
      status: 201,
      failure: 'none',
      request_id: 'r-1',
      peer: '10.0.0.9',
      peer_identity: PEER,
      upstream: ENDPOINT,
      attempts: 1,
      request_bytes: 2,
      response_bytes: 3,
      duration_ms: 4 * STEP_MS,
      head_ms: STEP_MS,
      filters_ms: 0,
      pool_ms: STEP_MS / 2,
      connect_ms: STEP_MS / 2,
      request_ms: 0,
      upstream_ms: STEP_MS,
      response_ms: STEP_MS,
    });
  });

  test('says why an exchange failed, and of an unreadable one that it was', async () => {
    send({ unavailable: Failure.tlsFailed, detail: 'the peer is "x"\n, expected y' });
    send({ requestLine: 'GET /a b HTTP/1.1' });
    await writer.close();
    expect(linesOf(path)).toMatchObject([
      { status: 503, failure: 'tls_failed', failure_detail: 'the peer is "x"\n, expected y' },
      { status: 400, failure: 'malformed_request', method: '_OTHER', path: '' },
    ]);
  });

  test('holds the longest line that there can be', async () => {
    const id = `spiffe://a/${'i'.repeat(2_037)}`;
    send({
      requestLine: `GET /${'p'.repeat(10_000)} HTTP/1.1`,
      unavailable: Failure.tlsFailed,
      detail: '\u0001'.repeat(10_000),
      peerIdentity: id,
      fields: ['host: a', `x-request-id: ${'r'.repeat(128)}`],
    });
    send();
    await writer.close();
    expect(linesOf(path)).toMatchObject([{ peer_identity: id }, { status: 200 }]);
  });

  test('drops and counts what has no room while the disk is busy; the rest is whole', async () => {
    // Nothing can be written before this loop ends, as in a sidecar whose writer lags behind.
    const sent = 5_000;
    for (let i = 0; i < sent; i++) send({ requestLine: `GET /${i}-${'p'.repeat(1_000)} HTTP/1.1` });
    expect(log.lines.dropped).toBeGreaterThan(0);
    await writer.close();
    expect(log.lines.written + log.lines.dropped).toBe(sent);
    expect(linesOf(path)).toHaveLength(log.lines.written);
  });

  test('goes on in a new file when the old one was moved away, without losing a line', async () => {
    send({ requestLine: 'GET /before HTTP/1.1' });
    await until(() => log.lines.written === 1);
    // More than goes out in one write, with every thread that could write it busy: the rotation finds one under way.
    for (let i = 0; i < 8; i++) pbkdf2('', '', 20_000, 64, 'sha512', () => {});
    for (let i = 0; i < 300; i++) send({ requestLine: `GET /${'p'.repeat(500)} HTTP/1.1` });
    const moved = join(folder, 'access.log.1');
    renameSync(path, moved);
    writer.reopen();
    send({ requestLine: 'GET /after HTTP/1.1' });
    await writer.close();
    expect(linesOf(moved)[0]).toMatchObject({ path: '/before' });
    expect(linesOf(path).at(-1)).toMatchObject({ path: '/after' });
    expect(linesOf(moved).length + linesOf(path).length).toBe(302);
    expect(log.lines.dropped).toBe(0);
  });

  test('keeps the file it has when there is no new one, and says so', async () => {
    const kept = join(folder, '..', 'kept-access-log');
    renameSync(path, kept);
    rmSync(folder, { recursive: true });
    writer.reopen();
    send();
    await writer.close();
    expect(reports).toEqual(['log_not_reopened']);
    expect(linesOf(kept)).toHaveLength(1);
    rmSync(kept);
    folder = mkdtempSync(join(tmpdir(), 'access-log-'));
  });

  test('counts what comes after the end', async () => {
    await writer.close();
    send();
    expect([log.lines.written, log.lines.dropped]).toEqual([0, 1]);
    expect(textOf(path)).toBe('');
  });

  test('refuses a pipe that nobody reads instead of waiting for a reader', () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect(() => open(pipe)).toThrow('a pipe that nobody reads');
  });

  test('writes into a pipe that is read, and waits for nobody while its reader stalls', async () => {
    await writer.close();
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    log = open(pipe);
    // More than a pipe holds.
    const sent = 300;
    for (let i = 0; i < sent; i++) send({ requestLine: `GET /${'p'.repeat(500)} HTTP/1.1` });
    const closed = writer.close();
    await delay(OBSERVE_LIMITS.lineDelayMs);
    expect(log.lines.written).toBe(0);
    const buffer = Buffer.alloc(65_536);
    let text = '';
    // Up to the end, which comes once the log has let go of the pipe; until then it may be empty for a moment.
    for (let count = -1; count !== 0; ) {
      await delay(1);
      try {
        count = readSync(reader, buffer);
        text += buffer.toString('latin1', 0, count);
      } catch (error) {
        expect(error).toMatchObject({ code: 'EAGAIN' });
      }
    }
    await closed;
    closeSync(reader);
    expect([log.lines.written, text.split('\n').length - 1]).toEqual([sent, sent]);
  });
});
