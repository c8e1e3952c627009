// What a real Prometheus makes of the metrics, and that their exemplars lead to traces which a real collector has.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseExposition } from '../../mesh/cli/top/exposition.ts';
import type { ConfigDump } from '../../sidecar/src/admin/config-dump.ts';
import { SIDECAR_METRICS } from '../../sidecar/src/observe/catalogue.ts';
import { forecastSeries } from '../../sidecar/src/observe/forecast.ts';
import { PEER_REQUESTS } from '../../sidecar/src/observe/request-exposition.ts';
import { type Collector, startCollector } from '../parts/collector.ts';
import { checkMetrics, type Prometheus, startPrometheus } from '../parts/prometheus.ts';
import { Shop } from '../retention/shop.ts';

/** The collector is built from its sources where it is missing. */
const INSTALL_MS = 600_000;

interface Exemplars {
  seriesLabels: Record<string, string>;
  exemplars: { labels: { trace_id: string }; value: string }[];
}

let collector: Collector;
let shop: Shop;
let prometheus: Prometheus;

beforeAll(async () => {
  collector = await startCollector();
  shop = await Shop.open({ collectorPort: collector.port, headSampleRatio: 0 });
  const targets = shop.adminPorts.map((port) => ({ address: `127.0.0.1:${port}` }));
  prometheus = await startPrometheus([{ job: 'mesh', targets }]);
  for (let i = 0; i < 200; i++) {
    await shop.request(randomBytes(16).toString('hex'), i % 20 === 0 ? 'rates=500' : '');
  }
}, INSTALL_MS);

afterAll(async () => {
  await prometheus?.stop();
  await shop?.close();
  await collector?.stop();
});

async function until<T>(look: () => Promise<T | null>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    await sleep(200);
  }
}

test.each(['', 'application/openmetrics-text;version=1.0.0'])(
  'promtool has nothing to say about the exposition for %j',
  async (accept) => {
    const response = await fetch(`http://127.0.0.1:${shop.adminPorts[0]}/metrics`, { headers: { accept } });
    expect(response.headers.get('content-type')).toContain(
      accept === '' ? 'text/plain' : 'application/openmetrics-text',
    );
    const exposition = await response.text();
    expect(exposition).toContain('http_server_request_duration_seconds_bucket{');
    if (accept === '') expect(await checkMetrics(exposition)).toBe('');
    else expect(exposition.endsWith('# EOF\n')).toBe(true);
  },
);

test('every sample that a sidecar shows is declared, with its labels, and no family has more than were forecast', async () => {
  const declared = new Map(
    SIDECAR_METRICS.map(({ name, labels }) => [name, ['service_name', 'le', ...labels]]),
  );
  const wrong = new Set<string>();
  for (const port of shop.adminPorts) {
    const ask = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
    const shown = new Map<string, number>();
    for (const { name, labels } of parseExposition(await (await ask('/metrics')).text())) {
      if (/^(process|nodejs)_/.test(name)) continue;
      const family = declared.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
      for (const label of labels.keys())
        if (!declared.get(family)?.includes(label)) wrong.add(`${name} ${label}`);
      shown.set(family, (shown.get(family) ?? 0) + 1);
    }
    const { config } = (await (await ask('/config_dump')).json()) as ConfigDump;
    const forecast = new Map(forecastSeries(config).families.map(({ name, series }) => [name, series]));
    for (const [family, samples] of shown)
      if (samples > (forecast.get(family) ?? 0)) wrong.add(`${family}: ${samples} series`);
  }
  expect([...wrong]).toEqual([]);
});

test('every sidecar is scraped, and the numbers add up', async () => {
  const sum = await until(async () => {
    const query = 'sum(tulle_requests_total{direction="inbound",service_name="gateway"})';
    const { result } = (await prometheus.query('query', { query })) as {
      result: { value: [number, string] }[];
    };
    return Number(result[0]?.value[1] ?? 0) >= 200 ? Number(result[0]?.value[1]) : null;
  });
  expect(sum).toBe(200);
  const up = await until(async () => {
    const { result } = (await prometheus.query('query', { query: 'sum(up)' })) as {
      result: { value: [number, string] }[];
    };
    return Number(result[0]?.value[1]) === shop.adminPorts.length ? shop.adminPorts.length : null;
  });
  expect(up).toBe(5);
});

test('peers add up to all requests, and each side of a call names the other', async () => {
  const counts = async (query: string) => {
    const { result } = (await prometheus.query('query', { query })) as {
      result: { metric: Record<string, string>; value: [number, string] }[];
    };
    return result.map(({ metric, value }) => [metric.peer ?? metric.service_name ?? '', Number(value[1])]);
  };
  const byService = (name: string) => `sum by (service_name) (${name})`;
  const missed = await counts(`${byService('tulle_requests_total')} - ${byService(PEER_REQUESTS.name)}`);
  expect(missed).toHaveLength(shop.adminPorts.length);
  expect(missed.filter(([, count]) => count !== 0)).toEqual([]);
  const byPeer = (labels: string) => counts(`sum by (peer) (${PEER_REQUESTS.name}{${labels}})`);
  const called = await byPeer('service_name="gateway",direction="outbound"');
  expect(called.length).toBeGreaterThan(0);
  for (const [service] of called) {
    const callers = await byPeer(`service_name="${service}",direction="inbound"`);
    expect(callers.map(([peer]) => peer)).toContainEqual(expect.stringMatching(/\/gateway$/));
  }
});

test('the phases of a route add up to the duration of its requests, handshakes apart', async () => {
  const values = async (query: string) => {
    const { result } = (await prometheus.query('query', { query })) as {
      result: { metric: Record<string, string>; value: [number, string] }[];
    };
    return new Map(result.map(({ metric, value }) => [metric.phase ?? '', Number(value[1])]));
  };
  const gateway = 'service_name="gateway",direction="outbound"';
  const phases = await values(`sum by (phase) (tulle_request_phase_seconds_total{${gateway}})`);
  const total = await values('sum(http_client_request_duration_seconds_sum{service_name="gateway"})');
  expect(phases.get('tls')).toBeGreaterThan(0);
  expect(phases.get('upstream')).toBeGreaterThan(0);
  expect([...phases.values()].reduce((sum, seconds) => sum + seconds, 0)).toBeCloseTo(total.get('') ?? 0, 6);
});

test('exemplars of failed requests are traces that the collector has', async () => {
  const found = await until(async () => {
    const series = (await prometheus.query('query_exemplars', {
      query: 'http_server_request_duration_seconds_bucket{service_name="gateway"}',
      start: String(Date.now() / 1_000 - 600),
      end: String(Date.now() / 1_000 + 60),
    })) as Exemplars[];
    return series.length > 0 ? series : null;
  });
  const ids = found.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels.trace_id));
  expect(ids.length).toBeGreaterThan(0);
  expect(found.every(({ seriesLabels }) => seriesLabels.http_response_status_code === '502')).toBe(true);
  const exported = await until(async () => {
    const known = new Set((await collector.spans()).map(({ traceId }) => traceId));
    return ids.every((id) => known.has(id)) ? known : null;
  });
  expect(ids.filter((id) => !exported.has(id))).toEqual([]);
});
