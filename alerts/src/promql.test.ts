import { expect, test } from 'vitest';
import { counter, gauge, histogram } from '../../sidecar/src/observe/metric.ts';
import { checkRules } from '../test/promtool.ts';
import {
  absent,
  aggregate,
  and,
  bucketsOf,
  constant,
  counterOf,
  countOf,
  divide,
  gaugeOf,
  increase,
  minus,
  or,
  overTime,
  plus,
  type Query,
  quantile,
  rate,
  remainderOf,
  secondsSince,
  secondsUntil,
  sum,
  sumOf,
  times,
  unless,
  where,
} from './promql.ts';

const SEEN = counter('seen_total', 'Seen.', ['route', 'result']);
const DEPTH = gauge('depth', 'Depth.', ['queue']);
const LIMIT = gauge('limit', 'Limit.', ['queue']);
const TOOK = histogram('took_seconds', 'Took.', ['route']);

const [depth, limit] = [gaugeOf(DEPTH), gaugeOf(LIMIT)];
const seen = rate(counterOf(SEEN, { route: 'a' }), '5m');

const QUERIES: readonly (readonly [Query, string])[] = [
  [seen, 'rate(seen_total{route="a"}[5m])'],
  [sum(seen), 'sum(rate(seen_total{route="a"}[5m]))'],
  [sum(seen, ['result', 'service_name']), 'sum by (result, service_name) (rate(seen_total{route="a"}[5m]))'],
  [increase(counterOf(SEEN, { result: { like: 'a|b' } }), '1h'), 'increase(seen_total{result=~"a|b"}[1h])'],
  [gaugeOf(DEPTH, { queue: { not: 'say "x"\\' } }), 'depth{queue!="say \\"x\\"\\\\"}'],
  [gaugeOf(DEPTH, { queue: { notLike: 'x.*' }, job: undefined }), 'depth{queue!~"x.*"}'],
  [
    quantile(0.99, TOOK, { window: '5m', by: ['route'], where: { route: 'a' } }),
    'histogram_quantile(0.99, sum by (le, route) (rate(took_seconds_bucket{route="a"}[5m])))',
  ],
  [
    divide(rate(sumOf(TOOK), '1m'), rate(countOf(TOOK), '1m')),
    'rate(took_seconds_sum[1m]) / rate(took_seconds_count[1m])',
  ],
  [rate(bucketsOf(TOOK, { le: '0.5' }), '1m'), 'rate(took_seconds_bucket{le="0.5"}[1m])'],
  [times(plus(depth, limit), 2), '(depth + limit) * 2'],
  [plus(times(depth, 2), limit), 'depth * 2 + limit'],
  [minus(depth, minus(limit, depth)), 'depth - (limit - depth)'],
  [divide(depth, times(limit, depth)), 'depth / (limit * depth)'],
  [where(divide(depth, limit), '>', 0.5), 'depth / limit > 0.5'],
  [divide(where(depth, '>', 1), limit), '(depth > 1) / limit'],
  [
    and(where(depth, '>', 1), or(limit, depth), { on: ['queue'] }),
    'depth > 1 and on (queue) (limit or depth)',
  ],
  [or(and(depth, limit, { ignoring: ['queue'] }), limit), 'depth and ignoring (queue) limit or limit'],
  [unless(depth, limit), 'depth unless limit'],
  [remainderOf(divide(depth, limit)), '1 - depth / limit'],
  [remainderOf(minus(depth, limit)), '1 - (depth - limit)'],
  [secondsUntil(plus(depth, limit)), 'depth + limit - time()'],
  [secondsSince(depth), 'time() - depth'],
  [absent(where(depth, '==', 1)), 'absent(depth == 1)'],
  [overTime('max', depth, '1d'), 'max_over_time(depth[1d])'],
  [overTime('avg', plus(depth, limit), '1d', '5m'), 'avg_over_time((depth + limit)[1d:5m])'],
  [aggregate('count', depth, ['queue']), 'count by (queue) (depth)'],
  [constant(1), 'vector(1)'],
];

test.each(QUERIES)('$text', ({ text }, expected) => {
  expect(text).toBe(expected);
});

test('Prometheus can read all of them', async () => {
  const rules = QUERIES.map(([{ text }], at) => ({ record: `query:${at}`, expr: text }));
  const { output } = await checkRules({ groups: [{ name: 'queries', rules }] });
  expect(output).toContain(`${QUERIES.length} rules found`);
});

test('what no metric has does not compile', () => {
  // @ts-expect-error no such label
  gaugeOf(DEPTH, { route: 'a' });
  // @ts-expect-error a counter is no gauge
  gaugeOf(SEEN);
  // @ts-expect-error it was summed away
  sum(sum(seen, ['result']), ['route']);
  // @ts-expect-error they never meet
  divide(depth, seen);
});
