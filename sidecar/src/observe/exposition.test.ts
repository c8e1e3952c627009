import { beforeEach, describe, expect, test } from 'vitest';
import { compileChain } from '../core/chain.ts';
import { Failure } from '../core/failure.ts';
import { travel } from '../filters/hand-made-exchange.ts';
import { MetricsFilter } from '../filters/metrics/metrics.ts';
import { PROCESS_METRICS, SIDECAR_METRICS } from './catalogue.ts';
import { exposeSeries } from './exposition.fixture.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { Series } from './series.ts';

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: Sample[];
}

let series: Series;
let routes: number;

beforeEach(() => {
  series = new Series();
  routes = 0;
});

/** One exchange through a route of its own. */
function count(journey: Omit<Parameters<typeof travel>[0], 'chain'> = {}): void {
  const { direction = 'inbound' } = journey;
  const route = series.route(direction, `route-${routes++}`);
  travel({ chain: compileChain([new MetricsFilter(route)]), ...journey });
}

async function expose(service = 'orders'): Promise<Map<string, Family>> {
  const families = parse(await exposeSeries(service, series));
  for (const [name, family] of families) expectDeclared(name, family);
  return families;
}

const DECLARED = new Map([...SIDECAR_METRICS, ...PROCESS_METRICS].map((each) => [each.name, each]));
const OF_ALL = ['service_name', 'le'];

/** prom-client has more of Node than is declared. */
function expectDeclared(name: string, { type, samples }: Family): void {
  const declaration = DECLARED.get(name);
  if (declaration === undefined) {
    expect(name).toMatch(/^(process|nodejs)_/);
    return;
  }
  expect(type, name).toBe(declaration.type);
  for (const { labels } of samples)
    expect([...declaration.labels, ...OF_ALL]).toEqual(expect.arrayContaining(Object.keys(labels)));
}

const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/y;

/** The text format as its specification has it; whatever does not follow it is an error. */
function parse(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  let current: { name: string; family: Family } | null = null;
  let help: string[] = [];
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (comment?.[1] === 'HELP') {
      help = comment.slice(2);
    } else if (comment !== null) {
      const [, , name = '', type = ''] = comment;
      if (families.has(name) || help[0] !== name)
        throw new Error(`${name} is announced twice or in disorder`);
      current = { name, family: { type, help: help[1] as string, samples: [] } };
      families.set(name, current.family);
    } else {
      const [, name = '', labels = '', value = ''] =
        /^([a-z_][a-z0-9_]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      if (current === null || !name.startsWith(current.name)) throw new Error(`out of place: ${line}`);
      current.family.samples.push({ name, labels: parseLabels(labels), value: Number(value) });
    }
  }
  return families;
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const [, name = '', value = ''] = LABEL.exec(text) ?? [];
    if (name === '' || name in labels) throw new Error(`labels: ${text}`);
    labels[name] = value.replace(/\\(.)/g, (_all, char) => (char === 'n' ? '\n' : char));
  }
  return labels;
}

describe('the exposition', () => {
  test('follows the text format, and every sample names the service', async () => {
    count();
    count({ direction: 'outbound', unavailable: Failure.connectRefused });
    const families = await expose();
    expect(families.get('tulle_requests_total')?.type).toBe('counter');
    expect(families.get('tulle_active_exchanges')?.type).toBe('gauge');
    expect(families.get('http_server_request_duration_seconds')?.type).toBe('histogram');
    for (const [name, { help, samples }] of families) {
      expect(help.length, name).toBeGreaterThan(0);
      for (const { labels } of samples) expect(labels, name).toMatchObject({ service_name: 'orders' });
      const keys = samples.map((sample) => JSON.stringify([sample.name, sample.labels]));
      expect(new Set(keys).size, name).toBe(keys.length);
    }
  });

  test('what is declared of the process is there', async () => {
    const families = await expose();
    expect(PROCESS_METRICS.map(({ name }) => name).filter((name) => !families.has(name))).toEqual([]);
  });

  test('buckets of a series ascend to its count', async () => {
    count();
    count({ answerStatus: 500 });
    const samples = (await expose()).get('http_server_request_duration_seconds')?.samples ?? [];
    const ofRoute = (route: string) => samples.filter(({ labels }) => labels.http_route === route);
    for (const route of ['route-0', 'route-1']) {
      const buckets = ofRoute(route).filter(({ name }) => name.endsWith('_bucket'));
      const bounds = buckets.map(({ labels }) => Number((labels.le as string).replace('+Inf', 'Infinity')));
      const values = buckets.map(({ value }) => value);
      expect(bounds).toEqual(bounds.toSorted((a, b) => a - b));
      expect(values).toEqual(values.toSorted((a, b) => a - b));
      expect(bounds.at(-1)).toBe(Number.POSITIVE_INFINITY);
      expect(values.at(-1)).toBe(ofRoute(route).find(({ name }) => name.endsWith('_count'))?.value);
    }
  });

  test('success is there before the first request, a failure from its first on', async () => {
    series.route('inbound', 'http');
    const outcomes = async () =>
      ((await expose()).get('tulle_requests_total')?.samples ?? []).map(({ labels, value }) => [
        labels.failure,
        labels.source,
        value,
      ]);
    expect(await outcomes()).toEqual([['none', 'none', 0]]);
    series.routes.clear();
    count({ unavailable: Failure.poolOverflow });
    expect(await outcomes()).toEqual([
      ['none', 'none', 0],
      ['pool_overflow', 'mesh', 1],
    ]);
  });

  test('what has no series of its own is marked, and its count is right', async () => {
    const chain = compileChain([new MetricsFilter(series.route('inbound', 'http'))]);
    const extra = 7;
    const combinations = OBSERVE_LIMITS.metricCombinationsPerRoute + extra;
    for (let i = 0; i < combinations; i++) {
      const method = i % 2 === 0 ? 'GET' : 'PUT';
      travel({ chain, requestLine: `${method} / HTTP/1.1`, answerStatus: 200 + (i >> 1) });
    }
    const samples = (await expose()).get('http_server_request_duration_seconds')?.samples ?? [];
    const counts = samples.filter(({ name }) => name.endsWith('_count'));
    expect(counts).toHaveLength(OBSERVE_LIMITS.metricCombinationsPerRoute + 1);
    expect(counts.filter(({ labels }) => labels.otel_metric_overflow === 'true')).toEqual([
      expect.objectContaining({
        labels: { service_name: 'orders', http_route: 'http', otel_metric_overflow: 'true' },
        value: extra,
      }),
    ]);
  });

  test('label values with quotes, backslashes and line breaks come back', async () => {
    const odd = 'a"b\\c\nd';
    series.listener(odd).onOpened();
    const [sample] = (await expose()).get('tulle_downstream_connections')?.samples ?? [];
    expect(sample).toMatchObject({ labels: { listener: odd }, value: 1 });
  });
});

describe('gRPC calls', () => {
  const call = (route: ReturnType<Series['route']>, path: string, status: number) =>
    travel({
      chain: compileChain([new MetricsFilter(route)]),
      requestLine: `POST ${path} HTTP/1.1`,
      fields: ['host: a', 'content-type: application/grpc'],
      answerFields: [`grpc-status: ${status}`],
    });
  const counts = async () =>
    (await expose())
      .get('rpc_server_call_duration_seconds')
      ?.samples.filter(({ name }) => name.endsWith('_count')) ?? [];

  test('have series by method and status', async () => {
    const route = series.route('inbound', 'http');
    call(route, '/a.B/C', 0);
    call(route, '/a.B/C', 0);
    call(route, '/a.B/D?x', 13);
    expect((await counts()).map(({ labels, value }) => [labels, value])).toEqual([
      [expect.objectContaining({ rpc_method: 'a.B/C', rpc_response_status_code: 'OK' }), 2],
      [expect.objectContaining({ rpc_method: 'a.B/D', error_type: 'INTERNAL' }), 1],
    ]);
  });

  test('of more methods than are told apart share series, and none is lost', async () => {
    const route = series.route('inbound', 'http');
    const methods = OBSERVE_LIMITS.metricRpcMethods + 50;
    for (let i = 0; i < methods; i++) for (const status of [0, 5, 14]) call(route, `/a.B/M${i}`, status);
    const samples = await counts();
    // The requests of the calls share what the route may have: three of them, one a status.
    expect(samples.length).toBeLessThanOrEqual(OBSERVE_LIMITS.metricCombinationsPerRoute + 1);
    expect(samples.filter(({ labels }) => labels.otel_metric_overflow === 'true')).toHaveLength(1);
    expect(samples.reduce((sum, { value }) => sum + value, 0)).toBe(methods * 3);
  });
});
