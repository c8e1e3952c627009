import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseConfig } from '../config/load.ts';
import type { SidecarConfig } from '../config/schema.ts';
import { compileChain } from '../core/chain.ts';
import { FAILURES, Failure } from '../core/failure.ts';
import { travel } from '../filters/hand-made-exchange.ts';
import { MetricsFilter } from '../filters/metrics/metrics.ts';
import { DataStoreCommand } from './datastore.ts';
import { exposeSeries } from './exposition.fixture.ts';
import { forecastSeries } from './forecast.ts';
import { describeForecast } from './forecast-text.ts';
import { Series } from './series.ts';

interface Shape {
  readonly inbound: number;
  readonly http: number;
  readonly rules: number;
  readonly stores: number;
  readonly maxTrafficSeries: number;
}

/** Names are `in-0`, `http-0`, `r/0` and `redis-0`, and so on. */
function configOf({ inbound, http, rules, stores, maxTrafficSeries }: Shape): SidecarConfig {
  const times = (n: number, make: (i: number) => unknown) => Array.from({ length: n }, (_, i) => make(i));
  const endpoints = ['127.0.0.1:8080', '127.0.0.1:8081'];
  const sidecar = {
    apiVersion: 'mesh.tulle.dev/v1alpha1',
    kind: 'Sidecar',
    metadata: { name: 'a' },
    spec: {
      service: 'shop',
      admin: { listen: '127.0.0.1:0' },
      inbound: times(inbound, (i) => ({
        name: `in-${i}`,
        listen: '127.0.0.1:0',
        mtls: 'off',
        target: `127.0.0.1:${80 + i}`,
      })),
      outbound: {
        listen: '127.0.0.1:0',
        services: [
          ...times(http, (i) => ({ host: `http-${i}`, mtls: 'off', endpoints })),
          ...times(stores, (i) => ({
            ...{ host: `redis-${i}`, mtls: 'off', protocol: 'redis', endpoints },
            listen: `127.0.0.1:${7_000 + i}`,
          })),
        ],
      },
      telemetry: { metrics: { maxTrafficSeries } },
    },
  };
  const route = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'r' },
    spec: {
      parentRefs: [{ group: '', kind: 'Service', name: 'http-0' }],
      rules: times(rules, (i) => ({
        matches: [{ path: { type: 'PathPrefix', value: `/${i}` } }],
        backendRefs: [{ name: 'http-0', port: 80 }],
      })),
    },
  };
  const documents = http > 0 && rules > 0 ? [sidecar, route] : [sidecar];
  const text = documents.map((document) => JSON.stringify(document)).join('\n---\n');
  const result = parseConfig([{ file: 'a.yaml', text }], '/');
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.config;
}

const shape: fc.Arbitrary<Shape> = fc.record({
  inbound: fc.integer({ min: 1, max: 3 }),
  http: fc.integer({ min: 0, max: 4 }),
  rules: fc.integer({ min: 0, max: 5 }),
  stores: fc.integer({ min: 0, max: 3 }),
  maxTrafficSeries: fc.integer({ min: 1_000, max: 30_000 }),
});

/** What traffic may bring, from outside and in any number. */
const traffic = fc.array(
  fc.record({
    place: fc.nat(),
    method: fc.constantFrom('GET', 'PUT', 'POST', 'ODD'),
    status: fc.integer({ min: 200, max: 599 }),
    failure: fc.constantFrom(...FAILURES),
    peer: fc.constantFrom('', 'spiffe://a/1', 'spiffe://a/2'),
    path: fc.constantFrom('/', '/a.B/C', '/a.B/D'),
    times: fc.integer({ min: 1, max: 60 }),
  }),
  { maxLength: 40 },
);

type Visit = typeof traffic extends fc.Arbitrary<(infer V)[]> ? V : never;

/** The names that a snapshot of the config binds. */
function bind(series: Series, { inbound, http, rules, stores }: Shape) {
  const names = (n: number, make: (i: number) => string) => Array.from({ length: n }, (_, i) => make(i));
  const routes = [
    ...names(inbound, (i) => `in-${i}`).map((name) => series.route('inbound', name)),
    ...[...names(http, (i) => `http-${i}`), 'unrouted', 'passthrough'].map((name) =>
      series.route('outbound', name),
    ),
    ...names(http > 0 ? rules : 0, (i) => `r/${i}`).map((rule) => series.route('outbound', 'http-0', rule)),
  ];
  for (const { direction, route } of routes) {
    series.upstream(route);
    series.group(route);
    series.connection(direction, route).onOpened();
    const listener = series.listener(route);
    listener.onOpened();
    listener.onSecured(1);
  }
  return {
    routes,
    stores: names(stores, (i) => `redis-${i}`).map((name) => series.dataStore('redis', name)),
  };
}

function visit(bound: ReturnType<typeof bind>, { place, method, status, failure, peer, path, times }: Visit) {
  const { routes, stores } = bound;
  const at = place % (routes.length + stores.length);
  const route = routes[at];
  for (let i = 0; i < times; i++) {
    if (route === undefined) {
      const command = new DataStoreCommand('redis', '127.0.0.1:1');
      stores[at - routes.length]?.observe(Object.assign(command, { operation: method, target: `${i}` }));
      continue;
    }
    travel({
      chain: compileChain([new MetricsFilter(route)]),
      direction: route.direction,
      requestLine: `${method} ${path}${i} HTTP/1.1`,
      fields: ['host: a', `content-type: ${path === '/' ? 'text/plain' : 'application/grpc'}`],
      answerStatus: 200 + ((status + i) % 400),
      answerFields: [`grpc-status: ${i % 17}`],
      ...(peer === '' ? {} : { peerIdentity: peer }),
      ...(failure === Failure.none ? {} : { unavailable: failure }),
    });
  }
}

/** Samples by family. */
async function expose(series: Series): Promise<ReadonlyMap<string, number>> {
  const samples = new Map<string, number>();
  let family = '';
  for (const line of (await exposeSeries('shop', series)).split('\n')) {
    if (line.startsWith('# TYPE')) family = line.split(' ')[2] as string;
    else if (line !== '' && !line.startsWith('#')) samples.set(family, (samples.get(family) ?? 0) + 1);
  }
  return samples;
}

const OF_TRAFFIC = /_(request|call|operation)_duration_seconds$/;

test('no traffic makes more series than were forecast', async () => {
  await fc.assert(
    fc.asyncProperty(shape, traffic, async (shape, visits) => {
      const forecast = forecastSeries(configOf(shape));
      const series = new Series(shape.maxTrafficSeries);
      const bound = bind(series, shape);
      for (const each of visits) visit(bound, each);
      let byTraffic = 0;
      let named = 0;
      for (const [family, samples] of await expose(series)) {
        if (/^(process|nodejs)_/.test(family)) continue;
        const { series: most = 0 } = forecast.families.find(({ name }) => name === family) ?? {};
        expect(samples, family).toBeLessThanOrEqual(most);
        if (OF_TRAFFIC.test(family)) byTraffic += samples;
        else named += samples;
      }
      expect(byTraffic).toBeLessThanOrEqual(forecast.limitedTraffic);
      expect(named).toBeLessThanOrEqual(forecast.named);
      expect(series.budget.used).toBeLessThanOrEqual(shape.maxTrafficSeries);
    }),
    { numRuns: 40 },
  );
});

test('beyond the budget all is counted in the overflow, and the overflow is told', async () => {
  const small = { inbound: 1, http: 0, rules: 0, stores: 1, maxTrafficSeries: 1_000 };
  const series = new Series(small.maxTrafficSeries);
  const bound = bind(series, small);
  const hundred = {
    method: 'GET',
    status: 0,
    failure: Failure.none,
    peer: '',
    path: '/',
    times: 100,
  } as const;
  visit(bound, { ...hundred, place: 0 });
  visit(bound, { ...hundred, place: bound.routes.length });
  const exposed = await exposeSeries('shop', series);
  const value = (line: string) =>
    Number(
      exposed
        .split('\n')
        .find((each) => each.startsWith(line))
        ?.split(' ')
        .at(-1),
    );
  const http = 'family="http_server_request_duration_seconds"';
  expect(value('tulle_metric_series_limit')).toBe(1_000);
  // 50 of 20 series, and the overflow; for the store nothing is left.
  expect(value(`tulle_metric_series{${http}`)).toBe(51 * 20);
  expect(value(`tulle_metric_overflow_total{${http}`)).toBe(50);
  expect(value('tulle_metric_overflow_total{family="db_client_operation_duration_seconds"')).toBe(100);
});

describe('what --check says', () => {
  test('names what makes the most, and warns when traffic could make more than it may', () => {
    const lines = describeForecast(
      configOf({ inbound: 1, http: 12, rules: 0, stores: 0, maxTrafficSeries: 20_000 }),
    );
    expect(lines[0]).toMatch(/^metrics: at most [\d,]+ series/);
    expect(lines[1]).toContain('http_client_request_duration_seconds (routes: 14, each up to 512');
    expect(lines.at(-1)).toMatch(/^warning: traffic could make .* may make 20,000/);
  });

  test('does not warn where there is room', () => {
    const lines = describeForecast(
      configOf({ inbound: 1, http: 2, rules: 0, stores: 0, maxTrafficSeries: 100_000 }),
    );
    expect(lines.filter((line) => line.startsWith('warning'))).toEqual([]);
  });
});
