import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type OtlpReceiver, startOtlpReceiver } from '../../../examples/demo/otlp-receiver.ts';
import type { Span } from '../../../mesh/cli/trace/span.ts';
import type { SidecarConfig } from '../config/schema.ts';
import { inboundProfile, outboundProfile, type RouteProfile } from '../config/snapshot.ts';
import { systemClock } from '../core/clock.ts';
import { Failure } from '../core/failure.ts';
import { AccessControl } from '../filters/access/access-control.ts';
import { type Journey, STEP_MS, travel } from '../filters/hand-made-exchange.ts';
import { openJwt } from '../filters/jwt/jwt.fixture.ts';
import { openLimits } from '../filters/rate-limit/rate-limit.fixture.ts';
import { WafControl } from '../filters/waf/waf-control.ts';
import { Observability } from './observability.ts';
import type { Scrape } from './scrapes.ts';

const OWN = 'spiffe://demo.tulle.test/ns/demo/sa/orders';
const CLOSE_MS = 10_000;
const NO_AUDIT = { decisions: 'off', path: null } as const;
const PROFILES: Record<'inbound' | 'outbound', RouteProfile> = {
  inbound: { ...inboundProfile('http', 'orders'), trustsPeer: true },
  outbound: outboundProfile('cards', 'orders'),
};

let folder: string;
let logPath: string;
let receiver: OtlpReceiver;
let spans: Span[];
let observability: Observability;
let reports: string[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'observability-'));
  logPath = join(folder, 'access.log');
  spans = [];
  reports = [];
  receiver = await startOtlpReceiver((all) => spans.push(...all));
  observability = observe({
    accessLog: { kind: 'file', path: logPath },
    audit: NO_AUDIT,
    keyPrefixes: false,
    serverTiming: 'off',
    baggage: { fromStrangers: [], toStrangers: [] },
    metrics: { maxTrafficSeries: 100_000, nativeHistograms: false },
    traces: {
      endpoint: `http://127.0.0.1:${receiver.port}`,
      headSampleRatio: 1,
      slowShare: 0,
      ringSpans: 1_024,
      intake: null,
    },
  });
});

afterEach(async () => {
  await observability.close(CLOSE_MS);
  await receiver.close();
  rmSync(folder, { recursive: true });
});

function observe(telemetry: SidecarConfig['telemetry']): Observability {
  const names = { name: 'orders-1', namespace: 'demo', service: 'orders' };
  const config = { ...names, headers: { requestId: true, forwarded: true }, telemetry };
  const report = (event: string) => reports.push(event);
  return new Observability({
    config,
    clock: systemClock,
    rateLimits: openLimits().limits,
    access: new AccessControl(),
    jwt: openJwt(),
    waf: new WafControl(() => {}),
    random: Math.random,
    report,
  });
}

function send(journey: Omit<Journey, 'chain'>, direction: 'inbound' | 'outbound' = 'inbound') {
  const profile = PROFILES[direction];
  const chain = observability.buildChain(profile, () => OWN);
  const startedMs = Math.floor(systemClock.monotonicMs());
  return travel({ chain, direction, route: profile.name, startedMs, ...journey });
}

const readLog = (): Record<string, unknown>[] =>
  readFileSync(logPath, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));

async function scrape(of: Observability): Promise<{ contentType: string; body: string }> {
  const { contentType, slices } = of.scrape('') as Scrape;
  return { contentType, body: (await Array.fromAsync(slices)).join('') };
}

/** Samples of one family by their labels, `service_name` and the buckets left out. */
async function samplesOf(name: string): Promise<Record<string, number>> {
  const { body } = await scrape(observability);
  const samples: Record<string, number> = {};
  for (const line of body.split('\n')) {
    const match = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (match === null || !(match[1] as string).startsWith(name) || match[1]?.endsWith('_bucket')) continue;
    const labels = (match[2] ?? '').split(',').filter((label) => !label.startsWith('service_name='));
    samples[[(match[1] as string).slice(name.length), ...labels.sort()].join(' ').trim()] = Number(match[3]);
  }
  return samples;
}

describe('log, span and metric', () => {
  test('agree about every exchange', async () => {
    const arrivals = [
      send({ requestLine: 'PUT /a HTTP/1.1', answerStatus: 204 }),
      send({ answerStatus: 500 }),
      send({ unavailable: Failure.connectTimeout, detail: 'no connection' }),
      send({ unavailable: Failure.poolOverflow }, 'outbound'),
    ];
    const counts = await samplesOf('tulle_requests_total');
    await observability.close(CLOSE_MS);
    const log = readLog();
    expect(log).toHaveLength(arrivals.length);
    expect(spans).toHaveLength(arrivals.length);
    const logged: Record<string, number> = {};
    for (const { exchange } of arrivals) {
      const line = log.find(({ request_id: id }) => id === exchange.requestId);
      const span = spans.find(({ attributes }) => attributes.get('tulle.request_id') === exchange.requestId);
      expect(line).toMatchObject({
        status: exchange.status,
        failure: exchange.failure.name,
        trace_id: span?.traceId,
        span_id: span?.spanId,
        duration_ms: exchange.endedMs - exchange.startedMs,
      });
      expect(span?.attributes.get('http.response.status_code')).toBe(exchange.status);
      expect(span?.attributes.get('tulle.failure.code') ?? 'none').toBe(exchange.failure.name);
      const { failure, direction, route } = line as Record<string, string>;
      const { source } = exchange.failure;
      const labels = `direction="${direction}" failure="${failure}" route="${route}" source="${source}"`;
      logged[labels] = (logged[labels] ?? 0) + 1;
    }
    expect(Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))).toEqual(logged);
  });

  test('count what they lost and kept', async () => {
    send({});
    send({ fields: ['host: a', `traceparent: 00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`] });
    await observability.close(CLOSE_MS);
    expect(await samplesOf('tulle_spans_')).toEqual({
      recorded_total: 2,
      exported_total: 1,
      'dropped_total reason="export_failed"': 0,
      'dropped_total reason="overwritten"': 0,
      'dropped_total reason="rejected"': 0,
      waiting: 0,
    });
    expect(await samplesOf('tulle_access_log_lines_')).toEqual({ written_total: 2, dropped_total: 0 });
  });
});

describe('metrics', () => {
  test('of durations carry the stable OpenTelemetry names', async () => {
    send({ peerIdentity: 'spiffe://a/gw' });
    send({ upstreamIdentity: 'spiffe://a/cards', answerStatus: 404 }, 'outbound');
    const server =
      'http_request_method="GET" http_response_status_code="200" http_route="http" peer_identity="spiffe://a/gw" url_scheme="https"';
    const seconds = (4 * STEP_MS) / 1_000;
    expect(await samplesOf('http_server_request_duration_seconds')).toEqual({
      [`_sum ${server}`]: seconds,
      [`_count ${server}`]: 1,
    });
    const client =
      'error_type="404" http_request_method="GET" http_response_status_code="404" http_route="cards" peer_identity="spiffe://a/cards" server_address="cards"';
    expect(await samplesOf('http_client_request_duration_seconds')).toEqual({
      [`_sum ${client}`]: seconds,
      [`_count ${client}`]: 1,
    });
    const { body, contentType } = await scrape(observability);
    expect(contentType).toContain('text/plain');
    // Each exchange took 8 ms: none in 5 ms, all in 10 ms.
    const buckets = body
      .split('\n')
      .filter((line) => line.startsWith('http_server_request_duration_seconds_bucket'));
    expect(buckets.find((line) => line.includes('le="0.005"'))).toMatch(/ 0$/);
    expect(buckets.find((line) => line.includes('le="0.01"'))).toMatch(/ 1$/);
    expect(buckets.find((line) => line.includes('le="+Inf"'))).toMatch(/ 1$/);
  });

  test('of success are there before the first request, so that rates see it', async () => {
    observability.buildChain(PROFILES.inbound, () => OWN);
    expect(await samplesOf('tulle_requests_total')).toEqual({
      'direction="inbound" failure="none" route="http" source="none"': 0,
    });
  });

  test('of connections, config and certificate are read when somebody asks', async () => {
    const listener = observability.listenerObserver('http');
    listener.onOpened();
    listener.onSecured(3);
    listener.onHandshakeFailed('expired', '10.0.0.9', '', STEP_MS);
    const pool = observability.poolObserver(PROFILES.outbound);
    pool.onConnected(STEP_MS, true);
    pool.onConnectFailed(Failure.connectRefused);
    observability.readLive({
      groups: () => [],
      monotonicMs: () => 0,
      upstreams: () => [{ route: 'cards', address: '10.0.0.1:80', counts: { open: 3, idle: 2, waiting: 1 } }],
      config: () => ({ accepted: 4, rejected: 5, warnings: 6, version: 'v-7' }),
      identity: () => ({
        certificateIssuedMs: 1_650_000_000_000,
        certificateExpiresMs: 1_700_000_000_000,
        certificateExpired: true,
        rootExpiresMs: 1_800_000_000_000,
        trustRefreshedMs: 1_600_000_000_000,
      }),
    });
    const endpoint = 'endpoint="10.0.0.1:80" upstream="cards"';
    expect(await samplesOf('tulle_downstream_')).toEqual({
      'connections listener="http"': 1,
      'connections_accepted_total listener="http"': 1,
      'connections_rejected_total listener="http"': 0,
      'plaintext_connections_total listener="http"': 0,
      'tls_handshakes_total listener="http"': 1,
      'tls_handshake_duration_seconds_count listener="http"': 1,
      'tls_handshake_duration_seconds_sum listener="http"': 0.003,
      'tls_failures_total listener="http" reason="expired"': 1,
    });
    expect(await samplesOf('tulle_upstream_')).toEqual({
      [`open_connections ${endpoint}`]: 3,
      [`idle_connections ${endpoint}`]: 2,
      [`pending_exchanges ${endpoint}`]: 1,
      'connect_failures_total upstream="cards"': 1,
      'tls_handshakes_total upstream="cards"': 1,
      'tls_failures_total upstream="cards"': 0,
      'connect_duration_seconds_sum upstream="cards"': STEP_MS / 1_000,
      'connect_duration_seconds_count upstream="cards"': 1,
    });
    expect(await samplesOf('tulle_config_')).toEqual({
      accepted_total: 4,
      rejected_total: 5,
      warnings: 6,
      'info version="v-7"': 1,
    });
    expect(await samplesOf('tulle_certificate_expiry_timestamp_seconds')).toEqual({ '': 1_700_000_000 });
    expect(await samplesOf('tulle_certificate_expired')).toEqual({ '': 1 });
    expect(await samplesOf('tulle_trust_')).toEqual({
      root_expiry_timestamp_seconds: 1_800_000_000,
      refreshed_timestamp_seconds: 1_600_000_000,
    });
    expect(await samplesOf('process_cpu_seconds_total')).toHaveProperty('');
  });

  test('of what is switched off are absent, and the chain runs all the same', async () => {
    const quiet = observe({
      accessLog: { kind: 'off' },
      audit: NO_AUDIT,
      keyPrefixes: false,
      serverTiming: 'off',
      baggage: { fromStrangers: [], toStrangers: [] },
      metrics: { maxTrafficSeries: 100_000, nativeHistograms: false },
      traces: null,
    });
    const { exchange, forwarded } = travel({ chain: quiet.buildChain(PROFILES.inbound, () => OWN) });
    expect([exchange.status, exchange.sampled]).toEqual([200, false]);
    expect(forwarded?.some((line) => line.startsWith('traceparent:'))).toBe(false);
    const { body } = await scrape(quiet);
    expect(body).toContain('tulle_requests_total');
    expect(body).not.toMatch(/tulle_spans|tulle_access_log/);
    await quiet.close(CLOSE_MS);
  });
});

test('what may change in a running sidecar holds for chains built after it did', () => {
  const follow = (headSampleRatio: number, requestId: boolean) =>
    observability.follow({
      headers: { requestId, forwarded: true },
      telemetry: {
        accessLog: { kind: 'off' },
        audit: NO_AUDIT,
        keyPrefixes: false,
        serverTiming: 'off',
        baggage: { fromStrangers: [], toStrangers: [] },
        metrics: { maxTrafficSeries: 100_000, nativeHistograms: false },
        traces: { endpoint: 'http://unused', headSampleRatio, slowShare: 0, ringSpans: 1_024, intake: null },
      },
    });
  follow(0, false);
  expect(send({}).exchange).toMatchObject({ sampled: false, requestId: '' });
  follow(1, true);
  expect(send({}).exchange).toMatchObject({ sampled: true, requestId: expect.stringMatching(/./) });
});

test('the log goes on in a new file after rotation', async () => {
  send({});
  renameSync(logPath, join(folder, 'old.log'));
  observability.reopen();
  send({});
  await observability.close(CLOSE_MS);
  expect(readLog().length).toBeGreaterThan(0);
  expect(reports).toEqual([]);
});
