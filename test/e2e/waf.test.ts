// A service behind a WafPolicy: real clients of both protocols, a real sidecar, and a backend that tells every byte it has got.
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { startOtlpReceiver } from '../../examples/demo/otlp-receiver.ts';
import type { Span } from '../../mesh/cli/trace/span.ts';
import { type Sidecar, startSidecar } from '../../sidecar/src/app.ts';
import { Inspector } from '../../sidecar/src/filters/waf/inspector.ts';
import { createFolder, type Folder, sidecarConfig } from './mesh-fixture.ts';
import { metric, until } from './tcp-fixture.ts';
import {
  post,
  startWitness,
  UPLOAD_PROTOCOLS,
  type UploadAnswer,
  type UploadOptions,
  type UploadProtocol,
  upload,
  type Witness,
} from './upload-fixture.ts';

const SQL = "1' UNION SELECT password FROM users--";
const ATTACK = JSON.stringify({ user: { name: 'ann', q: SQL } });
const HARMLESS = JSON.stringify({ user: { name: 'Ann O’Neil', q: 'a union of select clubs' } });
const JSON_TYPE = { 'content-type': 'application/json' };

let folder: Folder;
const opened: { sidecar: Sidecar; witness: Witness }[] = [];

beforeAll(async () => {
  folder = await createFolder();
});
afterAll(async () => {
  await Promise.all(opened.map(({ sidecar }) => sidecar.drain()));
  for (const { witness } of opened) witness.close();
  await folder.remove();
});
afterEach(() => void vi.restoreAllMocks());

interface Guarded {
  readonly witness: Witness;
  readonly sidecar: Sidecar;
  readonly port: number;
  log(): Promise<Record<string, unknown>[]>;
  send(protocol: UploadProtocol, body: string | Uint8Array, options?: UploadOptions): Promise<UploadAnswer>;
}

async function guard(
  spec: Record<string, unknown> = {},
  telemetry: Record<string, unknown> = {},
): Promise<Guarded> {
  const name = `waf-${opened.length}`;
  const witness = await startWitness();
  const policy = {
    ...{ apiVersion: 'mesh.tulle.dev/v1alpha1', kind: 'WafPolicy', metadata: { name: 'shop' } },
    spec: { targetRefs: [{ kind: 'Service', name }], ...spec },
  };
  const sidecarText = sidecarConfig(name, {
    inbound: [{ name: 'http', listen: '127.0.0.1:0', mtls: 'off', target: `127.0.0.1:${witness.port}` }],
    ...{ telemetry: { accessLog: `./${name}.log`, ...telemetry }, timeouts: { drainMs: 500 } },
  });
  const text = [sidecarText, JSON.stringify(policy)].join('\n---\n');
  const sidecar = await startSidecar({ configPath: await folder.write(`${name}.yaml`, text) });
  opened.push({ sidecar, witness });
  const port = sidecar.inboundPorts.http as number;
  return {
    ...{ witness, sidecar, port },
    async log() {
      const lines = await readFile(`${folder.path}/${name}.log`, 'utf8');
      return lines.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
    },
    send: (protocol, body, options = {}) =>
      post(protocol, port, body, { ...options, headers: { ...JSON_TYPE, ...options.headers } }),
  };
}

const codeOf = ({ body }: UploadAnswer): string => JSON.parse(body).code;
const count = ({ sidecar }: Guarded, ...labels: string[]): Promise<number> =>
  metric(sidecar, 'tulle_waf_requests_total', ...labels);

describe.each(UPLOAD_PROTOCOLS)('over %s', (protocol) => {
  let guarded: Guarded;
  beforeAll(async () => {
    guarded = await guard();
  });
  const send = (body: string | Uint8Array, options?: UploadOptions) => guarded.send(protocol, body, options);

  it('an injection in a JSON body never reaches the application', async () => {
    const before = guarded.witness.bytesRead();
    const answer = await send(ATTACK);
    expect(answer.status).toBe(403);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(JSON.parse(answer.body)).toMatchObject({
      ...{ code: 'waf_blocked', source: 'policy' },
      waf: { policy: 'e2e/shop' },
    });
    const { hits } = JSON.parse(answer.body).waf;
    expect(hits[0]).toEqual({ rule: expect.stringMatching(/^sqli-/), location: expect.any(String) });
    expect(answer.body).not.toContain('password');
    expect(guarded.witness.bytesRead()).toBe(before);
  });

  it('nor in trailers', async () => {
    const before = guarded.witness.requests.length;
    const sent = upload(protocol, guarded.port, { headers: JSON_TYPE, trailers: { 'x-note': SQL } });
    sent.write(HARMLESS);
    await sleep(5);
    sent.end();
    expect(codeOf(await sent.answer)).toBe('waf_blocked');
    sent.close();
    expect(guarded.witness.requests).toHaveLength(before);
  });

  it('a harmless one does, byte for byte', async () => {
    expect(await send(HARMLESS)).toMatchObject({ status: 200 });
    expect(guarded.witness.requests.at(-1)?.body.toString()).toBe(HARMLESS);
  });

  const boundary = 'xyz';
  const part = (text: string) =>
    `--${boundary}\r\ncontent-disposition: form-data; name="q"\r\n\r\n${text}\r\n--${boundary}--\r\n`;
  const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
  it.each<[string, string | Uint8Array, Record<string, string>]>([
    ['a form', `q=${encodeURIComponent(SQL)}`, FORM],
    ['a form with plus signs', `q=${encodeURIComponent(SQL).replaceAll('%20', '+')}`, FORM],
    ['multipart', part(SQL), { 'content-type': `multipart/form-data; boundary=${boundary}` }],
    ['JSON of a type of its own', ATTACK, { 'content-type': 'application/merge-patch+json' }],
    ['JSON lines', `{"a":1}\n${ATTACK}\n`, { 'content-type': 'application/x-ndjson' }],
    ['JSON that says it is text', ATTACK, { 'content-type': 'text/plain;charset=UTF-8' }],
    ['JSON that says it is an image', ATTACK, { 'content-type': 'image/png' }],
    [
      'a form that says it is bytes',
      `q=${encodeURIComponent(SQL)}`,
      { 'content-type': 'application/octet-stream' },
    ],
    [
      'JSON in UTF-16',
      Buffer.from(ATTACK, 'utf16le'),
      { 'content-type': 'application/json; charset=utf-16le' },
    ],
    ['gzip', gzipSync(ATTACK), { ...JSON_TYPE, 'content-encoding': 'gzip' }],
    ['deflate', deflateSync(ATTACK), { ...JSON_TYPE, 'content-encoding': 'deflate' }],
    ['deflate without its wrapper', deflateRawSync(ATTACK), { ...JSON_TYPE, 'content-encoding': 'deflate' }],
    ['br', brotliCompressSync(ATTACK), { ...JSON_TYPE, 'content-encoding': 'br' }],
    ['zstd', zstdCompressSync(ATTACK), { ...JSON_TYPE, 'content-encoding': 'zstd' }],
    ['gzip in gzip', gzipSync(gzipSync(ATTACK)), { ...JSON_TYPE, 'content-encoding': 'gzip, gzip' }],
    [
      'gzip in br',
      brotliCompressSync(gzipSync(ATTACK)),
      { ...JSON_TYPE, 'content-encoding': 'gzip, identity, br' },
    ],
  ])('nor in %s', async (_, body, headers) => {
    const before = guarded.witness.requests.length;
    const answer = await post(protocol, guarded.port, body, { headers });
    expect([answer.status, codeOf(answer)]).toEqual([403, 'waf_blocked']);
    expect(guarded.witness.requests).toHaveLength(before);
  });

  it('nor in a body without a type', async () => {
    const answer = await post(protocol, guarded.port, ATTACK);
    expect(codeOf(answer)).toBe('waf_blocked');
  });

  it('nor when it comes in pieces', async () => {
    const before = guarded.witness.requests.length;
    const sent = upload(protocol, guarded.port, { headers: JSON_TYPE });
    for (const character of ATTACK) {
      sent.write(character);
      if (character === ' ') await sleep(2);
    }
    sent.end();
    expect(codeOf(await sent.answer)).toBe('waf_blocked');
    sent.close();
    expect(guarded.witness.requests).toHaveLength(before);
  });

  it.each<[string, UploadOptions]>([
    ['the query', { path: `/?q=${encodeURIComponent(SQL)}` }],
    ['a field', { headers: { 'x-search': SQL } }],
    ['a cookie', { headers: { cookie: `a=b; q=${encodeURIComponent(SQL)}` } }],
  ])('what is in %s is refused before the body has come', async (_, options) => {
    const before = guarded.witness.requests.length;
    const sent = upload(protocol, guarded.port, {
      ...options,
      headers: { ...options.headers, 'content-type': 'application/json', 'content-length': '100' },
    });
    const answer = await sent.answer;
    sent.close();
    expect(codeOf(answer)).toBe('waf_blocked');
    expect(guarded.witness.requests).toHaveLength(before);
  });

  it.each<[string, string | Uint8Array, Record<string, string>, number, string]>([
    ['no JSON', '{"a":', JSON_TYPE, 400, 'waf_unparsable'],
    ['no gzip', ATTACK, { ...JSON_TYPE, 'content-encoding': 'gzip' }, 400, 'waf_unparsable'],
    [
      'a coding that nobody knows',
      ATTACK,
      { ...JSON_TYPE, 'content-encoding': 'rot13' },
      400,
      'waf_unparsable',
    ],
    [
      'four codings',
      'x',
      { ...JSON_TYPE, 'content-encoding': 'gzip, gzip, gzip, gzip' },
      400,
      'waf_unparsable',
    ],
    [
      'a charset that nobody knows',
      ATTACK,
      { 'content-type': 'application/json; charset=utf-7' },
      400,
      'waf_unparsable',
    ],
    [
      'two boundaries',
      'x',
      { 'content-type': 'multipart/form-data; boundary=a; boundary=b' },
      400,
      'waf_unparsable',
    ],
    ['no boundary', 'x', { 'content-type': 'multipart/form-data' }, 400, 'waf_unparsable'],
    [
      'a bomb',
      gzipSync(Buffer.alloc(60_000_000)),
      { ...JSON_TYPE, 'content-encoding': 'gzip' },
      413,
      'waf_too_large',
    ],
    ['gRPC', 'x', { 'content-type': 'application/grpc', te: 'trailers' }, 200, ''],
  ])('what can not be inspected is refused: %s', async (_, body, headers, status, code) => {
    const before = guarded.witness.requests.length;
    const answer = await post(protocol, guarded.port, body, { headers });
    expect(answer.status).toBe(status);
    if (code === '') expect(answer.headers['grpc-status']).toBe('3');
    else expect(codeOf(answer)).toBe(code);
    expect(guarded.witness.requests).toHaveLength(before);
  });

  it('a body beyond the bound is refused, announced or not, and its caller not asked for it', async () => {
    const large = { q: 'x'.repeat(200_000) };
    const sent = upload(protocol, guarded.port, { headers: JSON_TYPE });
    sent.end(JSON.stringify(large));
    expect([(await sent.answer).status, codeOf(await sent.answer)]).toEqual([413, 'waf_too_large']);
    sent.close();
    const asking = upload(protocol, guarded.port, {
      headers: { ...JSON_TYPE, 'content-length': '200000', expect: '100-continue' },
    });
    let continued = false;
    void asking.continued.then(() => {
      continued = true;
    });
    expect((await asking.answer).status).toBe(413);
    expect(continued).toBe(false);
    asking.close();
  });

  it('bytes that are no text pass, and are counted', async () => {
    const image = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0xff, 0xfe, 0x80]);
    const before = await metric(guarded.sidecar, 'tulle_waf_bodies_total', 'read="binary"');
    expect(await send(image, { headers: { 'content-type': 'image/png' } })).toMatchObject({ status: 200 });
    expect(guarded.witness.requests.at(-1)?.body.equals(image)).toBe(true);
    expect(await metric(guarded.sidecar, 'tulle_waf_bodies_total', 'read="binary"')).toBe(before + 1);
  });

  it('the beginning alone is inspected where the policy says so, and what follows it is the same', async () => {
    const prefix = await guard({ body: { maxBytes: 2_000, onOversize: 'inspectPrefix' } });
    const padding = 'x'.repeat(300_000);
    const early = JSON.stringify({ q: SQL, padding });
    const late = JSON.stringify({ padding, q: SQL });
    expect(codeOf(await prefix.send(protocol, early))).toBe('waf_blocked');
    expect(await prefix.send(protocol, late)).toMatchObject({ status: 200 });
    expect(prefix.witness.requests.map(({ body }) => body.toString() === late)).toEqual([true]);
    const cut = `{"q":"${SQL} ${'x'.repeat(300_000)}`;
    for (const body of [`${cut}"}`, JSON.stringify([[cut]])])
      expect(codeOf(await prefix.send(protocol, body))).toBe('waf_blocked');
    for (const filler of ['\\u0041', '\\\\', '\\n']) {
      const escaped = `{"q":"${SQL} ${filler.repeat(60_000)}"}`;
      expect(codeOf(await prefix.send(protocol, escaped))).toBe('waf_blocked');
    }
    for (const [body, type] of [
      [part(`${SQL}${padding}`), `multipart/form-data; boundary=${boundary}`],
      [`q=${encodeURIComponent(SQL)}${padding}`, 'application/x-www-form-urlencoded'],
      [`${cut}"}`, 'text/plain'],
    ] as const) {
      expect(codeOf(await prefix.send(protocol, body, { headers: { 'content-type': type } }))).toBe(
        'waf_blocked',
      );
    }
    // What is coded can only be read from its beginning to its end.
    const coded = { 'content-encoding': 'gzip' };
    const noise = randomBytes(5_000);
    expect(codeOf(await prefix.send(protocol, gzipSync(noise), { headers: coded }))).toBe('waf_too_large');
    expect(await metric(prefix.sidecar, 'tulle_waf_bodies_total', 'read="prefix"')).toBe(10);
  });

  it('what the policy lets pass unread passes', async () => {
    const lenient = await guard({
      body: {
        maxBytes: 2_000,
        onOversize: 'pass',
        onUnparsable: 'pass',
        onUnknownType: 'pass',
        onGrpc: 'pass',
      },
    });
    const large = JSON.stringify({ q: SQL, padding: 'x'.repeat(300_000) });
    expect(await lenient.send(protocol, large)).toMatchObject({ status: 200 });
    expect(
      await lenient.send(protocol, large, { headers: { 'content-length': large.length } }),
    ).toMatchObject({
      status: 200,
    });
    expect(await lenient.send(protocol, '{"a":')).toMatchObject({ status: 200 });
    for (const type of ['image/png', 'application/grpc']) {
      const headers = { 'content-type': type };
      expect(await post(protocol, lenient.port, ATTACK, { headers })).toMatchObject({ status: 200 });
    }
    expect(codeOf(await lenient.send(protocol, ATTACK))).toBe('waf_blocked');
    for (const { body } of lenient.witness.requests.slice(0, 2)) expect(body.toString() === large).toBe(true);
    const read = (kind: string) => metric(lenient.sidecar, 'tulle_waf_bodies_total', `read="${kind}"`);
    expect(await Promise.all(['oversize', 'unparsable', 'unknown_type', 'grpc'].map(read))).toEqual([
      2, 1, 1, 1,
    ]);
  });

  it('an unknown type is refused where the policy says so', async () => {
    const strict = await guard({ body: { onUnknownType: 'refuse' } });
    const answer = await strict.send(protocol, 'x', { headers: { 'content-type': 'image/png' } });
    expect([answer.status, codeOf(answer)]).toEqual([415, 'waf_unknown_type']);
    expect(strict.witness.connections()).toBe(0);
  });

  it('a policy in shadow mode lets everything pass, holds nothing back, and tells what it would have done', async () => {
    const shadow = await guard({ mode: 'shadow', body: { maxBytes: 2_000 } });
    const sent = upload(protocol, shadow.port, { headers: JSON_TYPE });
    sent.write(ATTACK.slice(0, 20));
    await until(() => shadow.witness.requests[0]?.body.length === 20);
    sent.end(ATTACK.slice(20));
    expect(await sent.answer).toMatchObject({ status: 200 });
    sent.close();
    for (const body of ['{"a":', JSON.stringify({ q: 'x'.repeat(5_000) }), HARMLESS])
      expect(await shadow.send(protocol, body)).toMatchObject({ status: 200 });
    expect(await shadow.send(protocol, HARMLESS, { path: `/?q=${encodeURIComponent(SQL)}` })).toMatchObject({
      status: 200,
    });
    expect(shadow.witness.requests).toHaveLength(5);
    const results = ['blocked', 'unparsable', 'too_large', 'clean'].map((result) =>
      count(shadow, 'mode="shadow"', `result="${result}"`),
    );
    expect(await Promise.all(results)).toEqual([2, 1, 1, 1]);
    await until(async () => (await shadow.log()).length === 5);
    const [first] = await shadow.log();
    expect(first).toMatchObject({
      status: 200,
      failure: 'none',
      shadow: expect.stringMatching(/^waf \S+ sql/),
      waf: 'would_block',
    });
  });

  it('an inspection that fails refuses its request, and is reported once', async () => {
    const report = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    vi.spyOn(Inspector.prototype, 'json').mockImplementation(() => {
      throw new TypeError('a defect');
    });
    const before = guarded.witness.requests.length;
    for (let i = 0; i < 2; i++) {
      const answer = await send(HARMLESS);
      expect([answer.status, codeOf(answer)]).toEqual([500, 'waf_failed']);
      expect(answer.body).not.toContain('a defect');
    }
    expect(guarded.witness.requests).toHaveLength(before);
    const reports = report.mock.calls.filter(([text]) => String(text).includes('waf_inspection_failed'));
    expect(reports).toHaveLength(1);
    const shadow = await guard({ mode: 'shadow' });
    expect(await shadow.send(protocol, ATTACK)).toMatchObject({ status: 200 });
    expect(await count(shadow, 'result="failed"')).toBe(1);
  });
});

describe('exceptions', () => {
  const send = async (guarded: Guarded, path: string, headers: Record<string, string> = {}) =>
    (await guarded.send('http1', ATTACK, { path, headers })).status;

  it('hold for a rule or a tag', async () => {
    for (const rules of [['sqli'], ['sqli-union', 'sqli']]) {
      const guarded = await guard({ exceptions: [{ rules }] });
      expect(await send(guarded, '/')).toBe(200);
    }
    expect(await send(await guard({ exceptions: [{ rules: ['xss'] }] }), '/')).toBe(403);
  });

  it('hold for a location', async () => {
    const { hits } = JSON.parse((await (await guard()).send('http1', ATTACK)).body).waf;
    const guarded = await guard({ exceptions: [{ location: hits[0].location }] });
    expect(await send(guarded, '/')).toBe(200);
    expect(await send(await guard({ exceptions: [{ location: 'elsewhere' }] }), '/')).toBe(403);
  });

  it('hold for paths, and for no other that looks like one of them', async () => {
    const guarded = await guard({ exceptions: [{ rules: ['sqli'], paths: ['/search', '/admin/sql/*'] }] });
    for (const path of ['/search', '/search?a=b', '/admin/sql', '/admin/sql/run'])
      expect(await send(guarded, path)).toBe(200);
    for (const path of ['/', '/search/', '/Search', '/search/../orders', '/admin/sqlx', '/admin/sql//run'])
      expect(await send(guarded, path)).toBe(403);
    expect(await send(guarded, '/search', { 'x-original-url': '/orders' })).toBe(403);
  });
});

it('a route has exceptions of its own by a policy of its own', async () => {
  const witness = await startWitness();
  const document = (kind: string, name: string, spec: object) =>
    JSON.stringify({
      ...{ apiVersion: 'mesh.tulle.dev/v1alpha1', kind, metadata: { name } },
      ...(kind === 'HTTPRoute' ? { apiVersion: 'gateway.networking.k8s.io/v1' } : {}),
      spec,
    });
  const backendRefs = [{ name: 'shop', port: 80 }];
  const matches = [{ path: { type: 'Exact', value: '/search' } }];
  const text = [
    sidecarConfig('edge', {
      outbound: {
        listen: '127.0.0.1:0',
        services: [{ host: 'shop', mtls: 'off', endpoints: [`127.0.0.1:${witness.port}`] }],
      },
    }),
    document('HTTPRoute', 'shop', {
      parentRefs: [{ group: '', kind: 'Service', name: 'shop' }],
      rules: [{ name: 'search', matches, backendRefs }, { backendRefs }],
    }),
    document('WafPolicy', 'shop', { targetRefs: [{ kind: 'Service', name: 'shop' }] }),
    document('WafPolicy', 'search', {
      targetRefs: [{ kind: 'HTTPRoute', name: 'shop', sectionName: 'search' }],
      exceptions: [{ rules: ['sqli'] }],
    }),
  ].join('\n---\n');
  const sidecar = await startSidecar({ configPath: await folder.write('edge.yaml', text) });
  opened.push({ sidecar, witness });
  const send = async (path: string) =>
    (
      await post('http1', sidecar.outboundPort as number, ATTACK, {
        path,
        headers: { ...JSON_TYPE, host: 'shop' },
      })
    ).status;
  expect([await send('/search'), await send('/orders')]).toEqual([200, 403]);
  expect(await metric(sidecar, 'tulle_waf_requests_total', 'policy="e2e/search"', 'result="clean"')).toBe(1);
});

it('tells the log what was found, masked, the span where, and the caller no more than that', async () => {
  const spans: Span[] = [];
  const collector = await startOtlpReceiver((batch) => spans.push(...batch));
  const endpoint = `http://127.0.0.1:${collector.port}`;
  const guarded = await guard({}, { traces: { endpoint, headSampleRatio: 1 } });
  const answer = await guarded.send('http1', ATTACK, { path: '/orders?token=secret' });
  await until(async () => (await guarded.log()).length === 1 && spans.length === 1);
  await collector.close();
  const [line] = await guarded.log();
  expect(line).toMatchObject({ status: 403, failure: 'waf_blocked', waf: 'block', waf_policy: 'e2e/shop' });
  expect(line?.waf_score).toBeGreaterThanOrEqual(5);
  expect(line?.waf_hits).toMatch(/^sqli-[a-z-]+ in \S+: /);
  for (const text of [answer.body, String(line?.failure_detail)]) expect(text).not.toMatch(/password|users/);
  expect(JSON.stringify(line)).not.toContain('secret');
  const attributes: Record<string, unknown> = Object.fromEntries(spans[0]?.attributes ?? []);
  expect(attributes).toMatchObject({ 'tulle.waf.decision': 'block', 'tulle.waf.policy': 'e2e/shop' });
  expect(attributes['tulle.waf.rule']).toMatch(/^sqli-/);
  expect(attributes['tulle.failure.detail']).toBe(line?.failure_detail);
  expect(JSON.stringify(attributes)).not.toMatch(/password|users|secret/);
  expect(await metric(guarded.sidecar, 'tulle_waf_hits_total', 'policy="e2e/shop"', 'rule="sqli-')).toBe(1);
  expect(await metric(guarded.sidecar, 'tulle_waf_held_bytes')).toBe(0);
});

it('an upgrade is inspected by its head, and what follows it passes', async () => {
  const guarded = await guard();
  const headers = { connection: 'upgrade', upgrade: 'chat' };
  const path = `/?q=${encodeURIComponent(SQL)}`;
  const answers = [
    await post('http1', guarded.port, '', { method: 'GET', path, headers }),
    await post('http1', guarded.port, '', { method: 'GET', headers }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([403, 200]);
  expect(await metric(guarded.sidecar, 'tulle_waf_bodies_total', 'read="upgrade"')).toBe(1);
});
