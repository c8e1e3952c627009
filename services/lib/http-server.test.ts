import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { context, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createHttpServer, type HttpServer, type ReadinessCheck } from './http-server.ts';
import { createLog } from './log.ts';
import { Problem } from './problem.ts';
import { requestIdOf } from './request-context.ts';
import { startTelemetry } from './telemetry.ts';

const exporter = new InMemorySpanExporter();
const telemetry = startTelemetry('test', { endpoint: 'http://unused', headSampleRatio: 1 }, [
  new SimpleSpanProcessor({ exporter }),
]);
const lines: Record<string, unknown>[] = [];
const log = createLog('test', 'info', { write: (line) => lines.push(JSON.parse(line)) });
const checks = new Map<string, ReadinessCheck>();
let server: HttpServer;
let port: number;
let url: string;
let release = () => {};

beforeAll(async () => {
  server = createHttpServer(log, checks);
  const { app } = server;
  app.post('/echo/:id', async (request) => ({
    body: request.body,
    requestId: requestIdOf(),
    traceId: trace.getActiveSpan()?.spanContext().traceId,
  }));
  app.get('/fails', async () => {
    throw new Error('password=hunter2');
  });
  app.get('/busy', async () => {
    const cause = new Error('why');
    throw new Problem({ status: 503, code: 'busy', detail: 'later', headers: { 'retry-after': '7' }, cause });
  });
  app.get('/slow', async () => {
    const before = context.active();
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    return { sameContext: before === context.active() };
  });
  port = await server.listen({ host: '127.0.0.1', port: 0 });
  url = `http://127.0.0.1:${port}`;
});
afterAll(async () => {
  await server.close();
  await telemetry.stop();
});
beforeEach(() => {
  exporter.reset();
  lines.length = 0;
});

/** The response can be read a moment before the server has seen it closed. */
async function finished(count: number) {
  while (exporter.getFinishedSpans().length < count || lines.length < count) await sleep(5);
  return exporter.getFinishedSpans();
}

test('the handler, the span, the log line and the answer have one request id and one trace', async () => {
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  const response = await fetch(`${url}/echo/7?secret=1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-request-id': 'req-1', traceparent },
    body: '{"a":1}',
  });
  expect(response.headers.get('x-request-id')).toBe('req-1');
  expect(await response.json()).toEqual({ body: { a: 1 }, requestId: 'req-1', traceId: 'a'.repeat(32) });
  const [span] = await finished(1);
  expect(span).toMatchObject({
    name: 'POST /echo/:id',
    kind: 1,
    parentSpanContext: { spanId: 'b'.repeat(16) },
  });
  expect(span?.attributes).toEqual({
    'http.request.method': 'POST',
    'http.route': '/echo/:id',
    'http.response.status_code': 200,
    'url.path': '/echo/7',
    'url.scheme': 'http',
    'tulle.request_id': 'req-1',
  });
  expect(lines).toEqual([
    {
      level: 'info',
      time: expect.any(String),
      service: 'test',
      trace_id: 'a'.repeat(32),
      span_id: span?.spanContext().spanId,
      request_id: 'req-1',
      method: 'POST',
      path: '/echo/7',
      status: 200,
      durationMs: expect.any(Number),
      message: 'request',
    },
  ]);
});

test('a request without an id gets one, and a hostile one is replaced', async () => {
  const ids = new Set<string>();
  for (const given of [undefined, 'a b', 'x'.repeat(500)]) {
    const response = await fetch(`${url}/busy`, given ? { headers: { 'x-request-id': given } } : {});
    ids.add(response.headers.get('x-request-id') as string);
  }
  expect(ids.size).toBe(3);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f-]{36}$/);
});

test('a problem is answered as it is, a defect without its text', async () => {
  const busy = await fetch(`${url}/busy`);
  expect(busy.status).toBe(503);
  expect(busy.headers.get('retry-after')).toBe('7');
  expect(await busy.json()).toMatchObject({ title: 'Service Unavailable', code: 'busy', detail: 'later' });
  const failed = await fetch(`${url}/fails`);
  expect(failed.status).toBe(500);
  expect(await failed.text()).not.toContain('hunter2');
  const spans = await finished(2);
  expect(spans.map((span) => span.attributes['error.type'])).toEqual(['503', '500']);
  expect(spans.map((span) => span.attributes['tulle.problem.code'])).toEqual(['busy', 'internal']);
  expect(spans.map((span) => span.attributes['tulle.problem.detail'])).toEqual(['later', 'Error']);
  expect(lines.find((line) => line.code === 'busy')).toMatchObject({ level: 'warn', reason: 'why' });
  expect(lines.find((line) => line.code === 'internal')).toMatchObject({
    level: 'error',
    err: { message: 'password=hunter2' },
  });
});

test('an unknown path is a problem, and names no span by it', async () => {
  const response = await fetch(`${url}/nothing/here`);
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ code: 'no_such_route' });
  const [span] = await finished(1);
  expect(span?.name).toBe('GET');
});

test('a client that goes away ends its span and its log line, once', async () => {
  const socket = connect(port, '127.0.0.1');
  socket.write('GET /slow HTTP/1.1\r\nhost: x\r\n\r\n');
  release = () => {};
  const idle = release;
  while (release === idle) await sleep(5);
  socket.destroy();
  const [span] = await finished(1);
  expect(span?.attributes['error.type']).toBe('aborted');
  expect(lines).toMatchObject([{ message: 'request', aborted: true }]);
  release();
  await sleep(20);
  expect(lines).toHaveLength(1);
});

test('health tells each check, and makes no span', async () => {
  checks.set('store', async () => 'ok');
  const ready = await fetch(`${url}/healthz/ready`);
  expect([ready.status, await ready.json()]).toEqual([200, { status: 'ready', checks: { store: 'ok' } }]);
  checks.set('store', () => Promise.reject(new Error('no connection')));
  const not = await fetch(`${url}/healthz/ready`);
  expect([not.status, await not.json()]).toEqual([
    503,
    { status: 'not_ready', checks: { store: 'no connection' } },
  ]);
  expect((await fetch(`${url}/healthz/live`)).status).toBe(200);
  expect(exporter.getFinishedSpans()).toEqual([]);
  checks.clear();
});

test('a drain completes what is in flight and refuses what comes', async () => {
  release = () => {};
  const idle = release;
  const inFlight = fetch(`${url}/slow`);
  while (release === idle) await sleep(5);
  let drained = false;
  const drain = server.drain().then(() => {
    drained = true;
  });

  const refused = await fetch(`${url}/busy`);
  expect(refused.status).toBe(503);
  expect(refused.headers.get('connection')).toBe('close');
  expect(await refused.json()).toMatchObject({ code: 'draining' });
  const health = await fetch(`${url}/healthz/ready`);
  expect(await health.json()).toMatchObject({ status: 'draining' });
  expect(drained).toBe(false);

  release();
  expect(await (await inFlight).json()).toEqual({ sameContext: true });
  await drain;
  await server.close();
  const socket = connect(port, '127.0.0.1');
  const [error] = await once(socket, 'error');
  expect(error).toMatchObject({ code: 'ECONNREFUSED' });
});
