import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { context, ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { findFreePort } from '../../test/parts/part.ts';
import { LIMITS } from './limits.ts';
import { describeResponse, type Outbound, openOutbound } from './outbound.ts';
import { withRequestId } from './request-context.ts';
import { startTelemetry } from './telemetry.ts';

const exporter = new InMemorySpanExporter();
const telemetry = startTelemetry('test', { endpoint: 'http://unused', headSampleRatio: 1 }, [
  new SimpleSpanProcessor({ exporter }),
]);
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  exporter.reset();
  for (const cleanup of cleanups.splice(0)) await cleanup();
});
afterAll(telemetry.stop);

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function serve(answer: RequestListener): Promise<string> {
  const server = createHttpServer(answer);
  cleanups.push(() => server.closeAllConnections());
  return listen(server);
}

function open(sidecarUrl?: string): Outbound {
  const outbound = openOutbound(sidecarUrl);
  cleanups.push(outbound.close);
  return outbound;
}

describe('through a sidecar', () => {
  test('what is on the wire: absolute-form, Host, context of the span', async () => {
    const heads: string[] = [];
    const sidecar = createServer((socket) => {
      socket.on('data', (bytes) => {
        heads.push(bytes.toString());
        socket.write('HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\nok');
      });
    });
    const outbound = open(await listen(sidecar));
    const parent = trace.setSpanContext(ROOT_CONTEXT, {
      traceId: 'a'.repeat(32),
      spanId: 'b'.repeat(16),
      traceFlags: 1,
    });
    const call = {
      method: 'POST',
      url: 'http://webhook-dispatcher/v1/deliveries?x=1',
      route: '/v1/deliveries',
      headers: { 'content-type': 'application/json' },
      body: '{}',
      timeoutMs: 5_000,
    } as const;
    const response = await context.with(withRequestId(parent, 'req-1'), () => outbound.request(call));
    expect(response).toMatchObject({ status: 202, body: 'ok' });
    await outbound.request({ method: 'GET', url: 'http://workflow-worker:8080/', timeoutMs: 5_000 });

    const [span] = exporter.getFinishedSpans();
    const [first, second] = heads.map((head) => head.split('\r\n'));
    expect(first).toContain('POST http://webhook-dispatcher/v1/deliveries?x=1 HTTP/1.1');
    expect(first).toContain('host: webhook-dispatcher');
    expect(first).toContain('x-request-id: req-1');
    expect(first).toContain(`traceparent: 00-${'a'.repeat(32)}-${span?.spanContext().spanId}-01`);
    expect(first?.filter((line) => /^host:/i.test(line))).toHaveLength(1);
    expect(second).toContain('GET http://workflow-worker:8080/ HTTP/1.1');
    expect(second).toContain('host: workflow-worker:8080');
    expect(span).toMatchObject({ name: 'POST /v1/deliveries', kind: 2 });
    expect(span?.attributes).toMatchObject({
      'http.request.method': 'POST',
      'http.response.status_code': 202,
      'server.address': 'webhook-dispatcher',
      'server.port': 80,
      'url.full': call.url,
      'tulle.request_id': 'req-1',
    });
  });

  test('connections are kept, whatever service is called', async () => {
    let connections = 0;
    const sidecar = createHttpServer((_request, response) => response.end());
    sidecar.on('connection', () => connections++);
    cleanups.push(() => sidecar.closeAllConnections());
    const outbound = open(await listen(sidecar));
    for (let call = 0; call < 50; call++) {
      await outbound.request({ method: 'GET', url: `http://service-${call}/`, timeoutMs: 5_000 });
    }
    // A second one is opened when a call comes before the first connection has settled after its answer.
    expect(connections).toBeLessThanOrEqual(2);
  });

  test('a service may start before its sidecar', async () => {
    const port = await findFreePort();
    const outbound = open(`http://127.0.0.1:${port}`);
    const call = { method: 'GET', url: 'http://workflow-worker/', timeoutMs: 5_000 } as const;
    await expect(outbound.request(call)).rejects.toMatchObject({ code: 'unreachable' });
    const sidecar = createHttpServer((_request, response) => response.end('up'));
    cleanups.push(() => sidecar.closeAllConnections());
    await new Promise<void>((resolve) => sidecar.listen(port, '127.0.0.1', resolve));
    cleanups.push(() => sidecar.close());
    expect(await outbound.request(call)).toMatchObject({ status: 200, body: 'up' });
  });
});

describe('an answer', () => {
  test('of 4xx or 5xx is an answer, and an error in the span', async () => {
    const url = await serve((_request, response) => response.writeHead(503).end());
    expect(await open().request({ method: 'GET', url, timeoutMs: 5_000, resendCount: 2 })).toMatchObject({
      status: 503,
    });
    const [span] = exporter.getFinishedSpans();
    expect(span?.status.code).toBe(SpanStatusCode.ERROR);
    expect(span?.attributes).toMatchObject({ 'error.type': '503', 'http.request.resend_count': 2 });
  });

  test('that redirects is not followed', async () => {
    const url = await serve((_request, response) => response.writeHead(302, { location: '/other' }).end());
    expect(await open().request({ method: 'GET', url, timeoutMs: 5_000 })).toMatchObject({ status: 302 });
  });

  test('is read up to its bound, however much comes', async () => {
    const url = await serve((_request, response) => {
      const fill = () => {
        while (response.write('x'.repeat(65_536)));
        response.once('drain', fill);
      };
      fill();
    });
    const response = await open().request({ method: 'GET', url, timeoutMs: 5_000 });
    expect(response.body).toHaveLength(LIMITS.responseBodyBytes);
  });

  test('that does not come in time is a timeout, at the head as in the body', async () => {
    const silent = await serve(() => {});
    const stuck = await serve((_request, response) => response.write('x'));
    for (const url of [silent, stuck]) {
      await expect(open().request({ method: 'GET', url, timeoutMs: 100 })).rejects.toMatchObject({
        name: 'OutboundError',
        code: 'timeout',
        message: `${new URL(url).host} did not answer within 100 ms`,
      });
    }
    expect(exporter.getFinishedSpans().map((span) => span.attributes['error.type'])).toEqual([
      'timeout',
      'timeout',
    ]);
  });
});

test('more calls in flight than the bound are refused at once', async () => {
  const held: (() => void)[] = [];
  const url = await serve((_request, response) => held.push(() => response.end()));
  const outbound = open();
  const call = { method: 'GET', url, timeoutMs: 10_000 } as const;
  const calls = Array.from({ length: LIMITS.outboundInFlight }, () => outbound.request(call));
  await expect(outbound.request(call)).rejects.toMatchObject({ code: 'overloaded' });
  const releasing = setInterval(() => {
    for (const release of held.splice(0)) release();
  }, 1);
  const answers = await Promise.all(calls);
  clearInterval(releasing);
  expect(answers.every((answer) => answer.status === 200)).toBe(true);
});

test.each([
  [{ 'content-type': 'application/problem+json' }, '{"code":"no_route"}', 'answered 404 (no_route)'],
  [{ 'content-type': 'application/problem+json; charset=utf-8' }, '{"code":"<b>"}', 'answered 404'],
  [{ 'content-type': 'text/html' }, '"code":"x"', 'answered 404'],
  [{}, '', 'answered 404'],
])('a reason is built from %j %s', (headers, body, reason) => {
  expect(describeResponse({ status: 404, headers, body })).toBe(reason);
});
