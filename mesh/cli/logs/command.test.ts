import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tulle } from '../cli.fixture.ts';
import { plainPaint } from '../trace/paint.ts';
import { drawLogLine, parseLogLine } from './log-line.ts';

const ID = 'r-1';
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const at = (ms: number) => new Date(Date.UTC(2026, 2, 4, 5, 6, 7, ms)).toISOString();

const SIDECAR = [
  {
    time: at(9),
    direction: 'inbound',
    service: 'orders',
    route: 'http',
    method: 'GET',
    path: '/a',
    status: 200,
    failure: 'none',
    request_id: 'r-2',
    trace_id: 'f'.repeat(32),
    duration_ms: 1,
  },
  {
    time: at(8),
    direction: 'inbound',
    service: 'orders',
    route: 'http',
    method: 'POST',
    path: '/orders',
    status: 500,
    failure: 'none',
    request_id: ID,
    trace_id: TRACE,
    peer_identity: 'spiffe://a/ns/shop/sa/gateway',
    duration_ms: 8,
  },
];
const AUDIT = {
  time: at(7),
  direction: 'inbound',
  service: 'orders',
  route: 'http',
  log: 'audit',
  kind: 'rate_limit',
  policy: 'shop/tenants',
  policy_rule: 'minute',
  decision: 'shadow_deny',
  failure: 'rate_limited',
  method: 'POST',
  host: 'orders',
  request_id: ID,
  trace_id: TRACE,
  peer: '10.0.0.9',
  peer_identity: 'spiffe://a/ns/shop/sa/gateway',
  subject: 'ann',
};
const SERVICE = [
  // No request id yet, and before any line that has both.
  { level: 'info', time: at(2), service: 'orders', trace_id: TRACE, message: 'began' },
  {
    level: 'error',
    time: at(5),
    service: 'orders',
    request_id: ID,
    trace_id: TRACE,
    message: 'no such table\u001b[2J',
    table: 'orders',
  },
  { level: 'info', time: at(6), service: 'orders', message: `talks about ${ID} only` },
];

let folder: string;
let files: string[];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tulle-logs-'));
  files = [SERVICE, SIDECAR].map((lines, index) => {
    const path = join(folder, `${index}.log`);
    writeFileSync(path, `no JSON with ${ID}\n${lines.map((line) => `${JSON.stringify(line)}\n`).join('')}`);
    return path;
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('tulle logs', () => {
  it('merges what belongs to a request by time, and leaves the terminal alone', async () => {
    for (const id of [ID, TRACE]) {
      const { code, out, err } = await tulle(['logs', '--request-id', id, ...files]);
      expect([code, err]).toEqual([0, '']);
      expect(out.split('\n')).toEqual([
        '05:06:07.002 orders info began',
        '05:06:07.005 orders error no such table\ufffd[2J table=orders',
        '05:06:07.008 orders sidecar in from ns/shop/sa/gateway POST /orders 500 8.00 ms',
        '',
      ]);
    }
  });

  it('says which policy decided what, from the audit log', async () => {
    const { out } = await tulle(['logs', '--request-id', ID], JSON.stringify(AUDIT));
    expect(out).toBe(
      '05:06:07.007 orders sidecar in from ns/shop/sa/gateway: rate_limit policy shop/tenants (minute) shadow_deny rate_limited subject=ann\n',
    );
  });

  it('reads stdin as well, and gives lines as they are', async () => {
    const input = [...SIDECAR, ...SERVICE].map((line) => JSON.stringify(line)).join('\n');
    const { out } = await tulle(['logs', '--request-id', ID, '--json'], input);
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([SERVICE[0], SERVICE[1], SIDECAR[1]]);
  });

  it('says that nothing was found, or what can not be read', async () => {
    expect(await tulle(['logs', '--request-id', 'r-9', ...files])).toMatchObject({
      code: 1,
      err: 'tulle logs: none of 7 lines carries "r-9"\n',
    });
    const missing = join(folder, 'missing.log');
    expect(await tulle(['logs', '--request-id', ID, missing])).toMatchObject({
      code: 1,
      err: `tulle logs: ${missing}: ENOENT\n`,
    });
    expect(await tulle(['logs', ...files])).toMatchObject({
      code: 2,
      err: expect.stringContaining('--request-id is missing'),
    });
  });

  it('draws any line', () => {
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom('inbound', 'none', 'audit', at(1), 8.64e15));
    const keys = [
      'time',
      'direction',
      'failure',
      'status',
      'method',
      'path',
      'peer_identity',
      'duration_ms',
      'level',
      'message',
      'log',
      'kind',
      'decision',
    ];
    fc.assert(
      fc.property(fc.dictionary(fc.oneof(fc.constantFrom(...keys), fc.string()), value), (line) => {
        const parsed = parseLogLine(JSON.stringify(line));
        expect(drawLogLine(parsed ?? {}, plainPaint)).not.toMatch(/\p{Cc}/u);
      }),
    );
  });
});
