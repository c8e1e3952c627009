import { setImmediate } from 'node:timers/promises';
import { Counter, Gauge, Registry } from 'prom-client';
import { beforeEach, describe, expect, test } from 'vitest';
import { parseExposition } from '../../../mesh/cli/top/exposition.ts';
import { register, registerHistogram } from './family.ts';
import { Histogram } from './histogram.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { counter, histogram } from './metric.ts';
import { type Scrape, Scrapes } from './scrapes.ts';

const OPEN_METRICS = 'application/openmetrics-text;version=1.0.0';
const COMMON = { service_name: 'shop "one"' };
const DURATION = histogram('test_duration_seconds', 'Of tests.', ['n'], [0.001, 0.1]);

let registry: Registry;
let scrapes: Scrapes;

beforeEach(() => {
  registry = new Registry();
  registry.setDefaultLabels(COMMON);
  scrapes = new Scrapes(registry, COMMON);
});

/** Enough for several slices. */
function fill(series = 2_000): void {
  const durations = Array.from({ length: series }, (_, n) => {
    const duration = new Histogram();
    for (let i = 0; i <= n % 7; i++) duration.observe(10 ** (i - 3));
    return [{ n: String(n) }, duration] as const;
  });
  registerHistogram(registry, DURATION, () => durations);
}

async function read(accept = ''): Promise<string> {
  return (await Array.fromAsync((scrapes.begin(accept) as Scrape).slices)).join('');
}

const sorted = (text: string) =>
  parseExposition(text)
    .map(({ name, labels, value }) => JSON.stringify([name, [...labels].sort(), String(value)]))
    .sort();

test('a scrape says what prom-client says of the same registry', async () => {
  fill();
  register(registry, counter('test_total', 'With \\ and\nline.', ['path']), () => [
    [{ path: 'a\\b"c\nd' }, 1e21],
    [{ path: '' }, Number.POSITIVE_INFINITY],
    [{}, Number.NaN],
  ]);
  new Gauge({ name: 'foreign', help: 'Of prom-client itself.', registers: [registry] }).set(-0.5);
  const text = await read();
  expect(sorted(text)).toEqual(sorted(await registry.metrics()));
  const comments = (of: string) => of.split('\n').filter((line) => line.startsWith('#'));
  expect(comments(text)).toEqual(comments(await registry.metrics()));
});

test('a counter is named as each format wants it', async () => {
  register(registry, counter('test_total', 'Tests.'), () => [[{}, 3]]);
  new Counter({ name: 'foreign_total', help: 'Of prom-client itself.', registers: [registry] }).inc(2);
  expect(await read()).toBe(
    '# HELP test_total Tests.\n# TYPE test_total counter\ntest_total{service_name="shop \\"one\\""} 3\n' +
      '# HELP foreign_total Of prom-client itself.\n# TYPE foreign_total counter\nforeign_total{service_name="shop \\"one\\""} 2\n',
  );
  expect(await read(OPEN_METRICS)).toBe(
    '# HELP test Tests.\n# TYPE test counter\ntest_total{service_name="shop \\"one\\""} 3\n' +
      '# HELP foreign Of prom-client itself.\n# TYPE foreign counter\nforeign_total{service_name="shop \\"one\\""} 2\n# EOF\n',
  );
});

test('others run between two slices, and a histogram is of one moment all the same', async () => {
  const duration = new Histogram();
  registerHistogram(registry, DURATION, function* () {
    for (let n = 0; n < 2_000; n++) yield [{ n: String(n) }, duration];
  });
  let turns = 0;
  let done = false;
  const others = (async () => {
    for (; !done; turns++) {
      duration.observe(1);
      await setImmediate();
    }
  })();
  const slices = await Array.fromAsync((scrapes.begin('') as Scrape).slices);
  done = true;
  await others;
  expect(slices.length).toBeGreaterThan(2);
  expect(turns).toBeGreaterThanOrEqual(slices.length - 1);
  expect(Math.max(...slices.map((slice) => slice.length))).toBeLessThan(
    OBSERVE_LIMITS.scrapeSliceChars + 1_000,
  );
  const values = parseExposition(slices.join('')).map(({ value }) => value);
  for (let at = 0; at < values.length; at += 5) {
    const [below, , all, sum, count] = values.slice(at, at + 5);
    expect([below, sum]).toEqual([all, (all as number) / 1_000]);
    expect(count).toBe(all);
  }
});

describe('scrapes at the same time', () => {
  test('are answered in turn, and whole', async () => {
    fill();
    const order: number[] = [];
    const texts = await Promise.all(
      [0, 1, 2].map(async (n) => {
        let text = '';
        for await (const slice of (scrapes.begin('') as Scrape).slices) {
          order.push(n);
          text += slice;
        }
        return text;
      }),
    );
    expect(order).toEqual(order.toSorted());
    expect(new Set(texts).size).toBe(1);
  });

  test('are refused when too many wait, and one that goes away makes room', async () => {
    fill();
    const begun = Array.from(
      { length: OBSERVE_LIMITS.waitingScrapes + 1 },
      () => scrapes.begin('') as Scrape,
    );
    const first = begun.map(({ slices }) => slices.next());
    expect(scrapes.begin('')).toBeNull();
    await first[0];
    for (const { slices } of begun) void slices.return(undefined);
    await Promise.all(first);
    await setImmediate();
    expect((await read()).length).toBeGreaterThan(OBSERVE_LIMITS.scrapeSliceChars);
  });

  test('one that fails does not hold up the next', async () => {
    let fails = true;
    register(registry, counter('test_total', 'Tests.'), () => {
      if (!fails) return [[{}, 1]];
      fails = false;
      throw new Error('torn');
    });
    const failing = read();
    const next = read();
    await expect(failing).rejects.toThrow('torn');
    await expect(next).resolves.toContain('test_total');
  });
});
