import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { compileChain } from '../core/chain.ts';
import type { Exchange } from '../core/exchange.ts';
import { travel } from '../filters/hand-made-exchange.ts';
import { Exemplars } from './exemplars.ts';
import { registerHistogram } from './family.ts';
import { Histogram } from './histogram.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { histogram } from './metric.ts';
import { Scrapes } from './scrapes.ts';

function exchangeOf(...words: [number, number, number, number]): Exchange {
  const { exchange } = travel({ chain: compileChain([]) });
  const [traceId0, traceId1, traceId2, traceId3] = words;
  return Object.assign(exchange, { traceId0, traceId1, traceId2, traceId3 });
}

test('an id reads as it was, whatever its words', () => {
  const exemplars = new Exemplars();
  exemplars.add(5, exchangeOf(0x0a, -1, -0x80000000, 0x7fffffff));
  const [only, ...others] = exemplars.all();
  expect(only).toMatchObject({ durationMs: 5, traceId: '0000000affffffff800000007fffffff' });
  expect(others).toEqual([]);
});

test('the latest are kept, and no more', () => {
  const exemplars = new Exemplars();
  const { exemplarsPerHistogram } = OBSERVE_LIMITS;
  for (let i = 0; i < exemplarsPerHistogram + 3; i++) exemplars.add(i, exchangeOf(0, 0, 0, i));
  const durations = [...exemplars.all()].map(({ durationMs }) => durationMs).sort((a, b) => a - b);
  expect(durations).toEqual(Array.from({ length: exemplarsPerHistogram }, (_, i) => i + 3));
});

test('the latest of a bucket stands behind it in OpenMetrics, and nowhere else', async () => {
  const duration = new Histogram();
  for (const [durationMs, word] of [
    [2, 1],
    [3, 2],
    [400, 3],
  ] as const) {
    duration.observe(durationMs);
    duration.addExemplar(durationMs, exchangeOf(0, 0, 0, word));
  }
  const registry = new Registry();
  const declaration = histogram('test_seconds', 'Of tests.', [], [0.001, 0.005, 0.1]);
  registerHistogram(registry, declaration, () => [[{}, duration]]);
  const read = async (accept: string) => {
    const scrape = new Scrapes(registry, {}).begin(accept);
    return (await Array.fromAsync(scrape?.slices ?? [])).join('').split('\n');
  };
  const zeros = '0'.repeat(31);
  const behind = (await read('application/openmetrics-text')).filter((line) => line.includes(' # '));
  expect(behind.map((line) => line.replace(/ [\d.]+$/, ''))).toEqual([
    `test_seconds_bucket{le="0.005"} 2 # {trace_id="${zeros}2"} 0.003`,
    `test_seconds_bucket{le="+Inf"} 3 # {trace_id="${zeros}3"} 0.4`,
  ]);
  expect((await read('')).filter((line) => line.includes(' # '))).toEqual([]);
});
