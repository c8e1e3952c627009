import { describe, expect, test } from 'vitest';
import { EXAMPLE } from './example.fixture.ts';
import { parseConfig } from './load.ts';
import { formatProblem } from './problem.ts';

function level(name: string, ...spec: string[]): string {
  return [
    'apiVersion: mesh.tulle.dev/v1alpha1',
    'kind: ServiceLevel',
    `metadata: { name: ${name} }`,
    'spec:',
    '  service: orders',
    '  team: shop',
    ...spec.map((line) => `  ${line}`),
    '',
  ].join('\n');
}

const GOOD = ['objective: 99.9', 'indicator: { latency: { thresholdMs: 250 } }'];

function load(...documents: string[]) {
  return parseConfig([{ file: 'levels.yaml', text: [EXAMPLE, ...documents].join('---\n') }], '/etc/tulle');
}

function problemsOf(...documents: string[]): string[] {
  const result = load(...documents);
  // Without the place in the file, which depends on the example.
  return result.ok ? [] : result.problems.map((problem) => formatProblem({ ...problem, line: 0 }));
}

test('a sidecar takes service levels, and nothing comes of them', () => {
  const without = load();
  const result = load(
    level('fast', ...GOOD),
    level('served', 'objective: 99', 'indicator: { availability: {} }'),
  );
  expect(result).toMatchObject({ ok: true, warnings: [] });
  expect(result.ok && without.ok && result.config).toEqual(without.ok && without.config);
});

describe('what is refused, with what to do', () => {
  test.each([
    [
      'levels.yaml: ServiceLevel a: spec.objektive: is not a known key; did you mean `objective`?',
      ['objektive: 99', GOOD[1]],
    ],
    [
      'levels.yaml: ServiceLevel a: spec.objective: must be at most 99.999, not 100',
      ['objective: 100', GOOD[1]],
    ],
    [
      'levels.yaml: ServiceLevel a: spec.indicator: must have exactly one of availability and latency; write `availability: {}` or `latency: { thresholdMs: 250 }`',
      [GOOD[0], 'indicator: {}'],
    ],
    [
      'levels.yaml: ServiceLevel a: spec.indicator.latency.thresholdMs: must be the edge of a bucket, not 200; did you mean 250? One of 0.5, 1, 2.5, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000',
      [GOOD[0], 'indicator: { latency: { thresholdMs: 200 } }'],
    ],
    [
      'levels.yaml: ServiceLevel a: spec.route: must be the name of a listener, or those of a route and its rule like orders/search',
      [...GOOD, 'route: "a b"'],
    ],
    ['levels.yaml: ServiceLevel a: spec.window: must be 30d, not "7d"', [...GOOD, 'window: 7d']],
  ])('%s', (problem, spec) => {
    expect(problemsOf(level('a', ...(spec as string[])))).toEqual([problem]);
  });

  test('two of one name', () => {
    const [problem, ...others] = problemsOf(level('a', ...GOOD), level('a', ...GOOD));
    expect(problem).toMatch(
      /^levels\.yaml: ServiceLevel a: metadata\.name: is a second ServiceLevel of that name; the first is at levels\.yaml:\d+; rename one of the two$/,
    );
    expect(others).toEqual([]);
  });
});
