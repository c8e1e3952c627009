import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type OtlpReceiver, startOtlpReceiver } from '../../../examples/demo/otlp-receiver.ts';
import type { Span } from '../../../mesh/cli/trace/span.ts';
import { type Chain, compileChain } from '../core/chain.ts';
import { systemClock } from '../core/clock.ts';
import { Failure } from '../core/failure.ts';
import { CONTINUE, type Filter } from '../core/filter.ts';
import type { Direction } from '../core/route.ts';
import { takeAccept } from '../core/waits.ts';
import { ENDPOINT, type Journey, STEP_MS, travel } from '../filters/hand-made-exchange.ts';
import { RequestIdFilter } from '../filters/request-id/request-id.ts';
import { TraceFilter } from '../filters/trace/trace.ts';
import { OwnSpans } from './otlp.ts';
import { OtlpClient } from './otlp-client.ts';
import { RESOURCE } from './own-span.fixture.ts';
import { RandomWords } from './random-words.ts';
import { keepingOf } from './retention/keeping.fixture.ts';
import type { TraceKeeping } from './retention/trace-keeping.ts';
import { SpanExport } from './span-export.ts';
import type { SpanRing } from './spans.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const PEER = 'spiffe://demo.tulle.test/ns/demo/sa/gateway';
const CAPACITY = 64;
const FLUSH_MS = 10_000;

let receiver: OtlpReceiver;
let received: Span[];
let keeping: TraceKeeping;
let ring: SpanRing;
let failures: string[];
const open: SpanExport[] = [];

beforeEach(async () => {
  received = [];
  receiver = await startOtlpReceiver((spans) => received.push(...spans));
  keeping = keepingOf(CAPACITY);
  ring = keeping.ring;
  failures = [];
});

afterEach(async () => {
  for (const each of open.splice(0)) each.close();
  await receiver.close();
});

function exportTo(port: number): SpanExport {
  // An export given up on may still fail during the test after its own.
  const told = failures;
  const spanExport = new SpanExport(
    new OwnSpans(ring, RESOURCE, { clock: systemClock, usualOf: () => null, onLeave: () => {} }),
    new OtlpClient(`http://127.0.0.1:${port}`),
    { clock: systemClock, random: Math.random, onFailure: (reason: string) => told.push(reason) },
  );
  open.push(spanExport);
  return spanExport;
}

function chainOf(direction: Direction, route: string): Chain {
  const random = new RandomWords(Math.random);
  const origin = ring.addOrigin({ direction, route });
  return compileChain([new RequestIdFilter(true, random), new TraceFilter(true, random, 1, keeping, origin)]);
}

const send = (journey: Omit<Journey, 'chain'> = {}, direction: Direction = 'inbound', route = 'http') =>
  travel({
    chain: chainOf(direction, route),
    direction,
    route,
    // A whole number, so that steps add up exactly.
    startedMs: Math.floor(systemClock.monotonicMs()),
    ...journey,
  });

/** As codecs tell the first exchange on a connection. */
const accepted = (acceptMs: number): Filter => ({
  name: 'accepted',
  onRequestHead(exchange) {
    takeAccept(exchange, { acceptMs });
    return CONTINUE;
  },
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(10);
}

describe('spans at a collector', () => {
  test('of the first exchange on a connection: beside its phases, what the handshake took', async () => {
    exportTo(receiver.port);
    const random = new RandomWords(Math.random);
    const trace = new TraceFilter(
      true,
      random,
      1,
      keeping,
      ring.addOrigin({ direction: 'inbound', route: 'http' }),
    );
    travel({ chain: compileChain([trace, accepted(7)]) });
    await until(() => received.length === 1);
    const { attributes, startMs, endMs } = received[0] as Span;
    expect(attributes.get('tulle.accept_ms')).toBe(7);
    expect(endMs - startMs).toBeCloseTo(4 * STEP_MS, 2);
  });

  test('of an inbound exchange: a server span by the HTTP conventions, with the time of each phase', async () => {
    exportTo(receiver.port);
    const sentMs = Date.now();
    const { exchange } = send({
      requestLine: 'POST /orders?card=4111 HTTP/1.1',
      fields: ['host: shop.example:81', 'content-length: 2', `traceparent: 00-${TRACE}-${PARENT}-01`],
      requestBody: 'ab',
      answerBody: 'xyz',
      peerIdentity: PEER,
    });
    // By its own timer: nobody asks for it.
    await until(() => received.length === 1);
    const { attributes, startMs, endMs, ...span } = received[0] as Span;
    expect(span).toMatchObject({
      traceId: TRACE,
      parentId: PARENT,
      name: 'POST http',
      kind: 'server',
      service: 'orders',
      component: 'sidecar',
      error: false,
    });
    expect(Math.abs(startMs - sentMs)).toBeLessThan(1_000);
    expect(endMs - startMs).toBeCloseTo(4 * STEP_MS, 2);
    expect(Object.fromEntries(attributes)).toEqual({
      'http.request.method': 'POST',
      'url.path': '/orders',
      'url.scheme': 'https',
      'server.address': 'shop.example',
      'server.port': 81,
      'http.response.status_code': 200,
      'network.peer.address': '10.0.0.9',
      'network.protocol.version': '1.1',
      'tulle.direction': 'inbound',
      'tulle.route': 'http',
      'tulle.request_id': exchange.requestId,
      'tulle.peer.identity': PEER,
      'tulle.upstream.endpoint': ENDPOINT,
      'tulle.attempts': 1,
      'tulle.request.body_bytes': 2,
      'tulle.response.body_bytes': 3,
      'tulle.phase.head_ms': STEP_MS,
      'tulle.phase.filters_ms': 0,
      'tulle.phase.pool_ms': STEP_MS / 2,
      'tulle.phase.connect_ms': STEP_MS / 2,
      'tulle.phase.request_ms': 0,
      'tulle.phase.upstream_ms': STEP_MS,
      'tulle.phase.response_ms': STEP_MS,
    });
  });

  test('of a gRPC call: named by its method, with its status, which is an error where it is one of the server', async () => {
    const spanExport = exportTo(receiver.port);
    const call = (status: number, direction: 'inbound' | 'outbound') =>
      send(
        {
          requestLine: 'POST /shop.Orders/Place HTTP/1.1',
          fields: ['host: orders', 'content-type: application/grpc'],
          answerFields: [`grpc-status: ${status}`],
        },
        direction,
        'orders',
      );
    call(5, 'inbound');
    call(5, 'outbound');
    call(14, 'inbound');
    await spanExport.flush(FLUSH_MS);
    expect(received.map(({ name }) => name)).toEqual(Array(3).fill('shop.Orders/Place'));
    expect(received.map(({ error }) => error)).toEqual([false, true, true]);
    const [served, , failed] = received as [Span, Span, Span];
    expect(Object.fromEntries(served.attributes)).toMatchObject({
      'rpc.system.name': 'grpc',
      'rpc.method': 'shop.Orders/Place',
      'rpc.response.status_code': 'NOT_FOUND',
      'http.response.status_code': 200,
    });
    expect(failed.attributes.get('error.type')).toBe('UNAVAILABLE');
  });

  test('of an outbound exchange that failed: a client span that says where and why', async () => {
    const spanExport = exportTo(receiver.port);
    const detail = 'the peer is spiffe://x/y';
    send({ unavailable: Failure.tlsFailed, detail, fields: ['host: orders'] }, 'outbound', 'orders');
    await spanExport.flush(FLUSH_MS);
    const span = received[0] as Span;
    expect(span).toMatchObject({
      kind: 'client',
      name: 'GET orders',
      parentId: null,
      error: true,
      errorMessage: detail,
    });
    expect(Object.fromEntries(span.attributes)).toMatchObject({
      'error.type': 'tls_failed',
      'http.response.status_code': 503,
      'network.peer.address': '127.0.0.1',
      'network.peer.port': 8080,
      'tulle.failure.code': 'tls_failed',
      'tulle.failure.detail': detail,
      'tulle.phase.tls_ms': STEP_MS,
    });
    expect(span.attributes.has('tulle.phase.upstream_ms')).toBe(false);
  });

  test.each([
    ['inbound', 404, undefined, false],
    ['outbound', 404, '404', true],
    ['inbound', 500, '500', true],
  ] as const)('%s: status %d has the error type %s', async (direction, answerStatus, errorType, error) => {
    const spanExport = exportTo(receiver.port);
    send({ answerStatus }, direction);
    await spanExport.flush(FLUSH_MS);
    expect(received[0]?.attributes.get('error.type')).toBe(errorType);
    expect(received[0]?.error).toBe(error);
  });

  test('are those of sampled exchanges, all of them, whatever the size of a batch', async () => {
    const spanExport = exportTo(receiver.port);
    for (let i = 0; i < CAPACITY; i++) {
      send();
      send({ fields: ['host: a', `traceparent: 00-${TRACE}-${PARENT}-00`] });
      // The ring would overwrite what waits otherwise.
      if (i % 16 === 15) await spanExport.flush(FLUSH_MS);
    }
    expect(received).toHaveLength(CAPACITY);
    expect(new Set(received.map(({ spanId }) => spanId)).size).toBe(CAPACITY);
    expect([spanExport.exported, spanExport.failed, ring.overwritten]).toEqual([CAPACITY, 0, 0]);
  });
});

describe('a collector that is gone', () => {
  test('costs spans, each of them counted, and is reported once', async () => {
    const { port } = receiver;
    await receiver.close();
    const spanExport = exportTo(port);
    const sent = 3 * CAPACITY;
    for (let i = 0; i < sent; i++) expect(send().exchange.status).toBe(200);
    await spanExport.flush(FLUSH_MS);
    for (let i = 0; i < 5; i++) send();
    await spanExport.flush(FLUSH_MS);
    expect(spanExport.exported).toBe(0);
    expect(ring.overwritten).toBeGreaterThan(0);
    expect(ring.overwritten + spanExport.waiting).toBe(sent + 5);
    expect(failures).toHaveLength(1);
  });

  test('holds up nobody who closes', async () => {
    // Accepts and says nothing.
    const silent = net.createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const sockets: net.Socket[] = [];
    silent.on('connection', (socket) => sockets.push(socket.on('error', () => {})));
    const spanExport = exportTo((silent.address() as net.AddressInfo).port);
    send();
    const timeoutMs = 100;
    await spanExport.flush(timeoutMs);
    expect([spanExport.exported, spanExport.failed, spanExport.waiting]).toEqual([0, 0, 1]);
    spanExport.close();
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  test('is found again when it is back, by the same exporter', async () => {
    let reachable = false;
    const sockets: net.Socket[] = [];
    const road = net.createServer((socket) => {
      sockets.push(socket.on('error', () => {}));
      if (!reachable) socket.destroy();
      else socket.pipe(net.connect(receiver.port, '127.0.0.1')).pipe(socket);
    });
    await new Promise<void>((resolve) => road.listen(0, '127.0.0.1', resolve));
    const spanExport = exportTo((road.address() as net.AddressInfo).port);
    send();
    await spanExport.flush(FLUSH_MS);
    expect([spanExport.waiting, failures.length]).toEqual([1, 1]);
    send();
    reachable = true;
    await spanExport.flush(FLUSH_MS);
    // What was under way when it went is sent again.
    expect([spanExport.exported, spanExport.failed, spanExport.waiting]).toEqual([2, 0, 0]);
    expect(received).toHaveLength(2);
    for (const socket of sockets) socket.destroy();
    road.close();
  });
});
