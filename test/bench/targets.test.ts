import { expect, test } from 'vitest';
import { type Cell, listCells } from './cells.ts';
import type { Sample } from './measurement.ts';
import { renderMisses, renderReport } from './report.ts';
import { type CellResult, ratioIn } from './results.ts';
import { isMissed, judge, missedCells, type Verdict } from './targets.ts';

const cell = listCells(/^features\/get-1k\/32\/saturated$/)[0] as Cell;

function sampleOf(cpuMicros: number, rssBytes = 1): Sample {
  return {
    answered: 1,
    cpuMicros,
    requestsPerSecond: 1,
    utilisation: 1,
    disturbance: 0,
    p50Ms: 1,
    p99Ms: 1,
    rssBytes,
  };
}

function resultOf(tulle: (Sample | null)[], envoy: (Sample | null)[]): CellResult {
  const failuresIn = (samples: (Sample | null)[]) =>
    samples.flatMap((sample) => (sample === null ? ['broke'] : []));
  const outcomes = new Map([
    ['tulle', { samples: tulle, failures: failuresIn(tulle) }],
    ['envoy', { samples: envoy, failures: failuresIn(envoy) }],
  ]);
  return { cell, outcomes };
}

function cpuVerdict(result: CellResult) {
  const verdict = judge([result]).find(({ target }) =>
    target.name.startsWith('hop with features, saturated'),
  );
  if (verdict === undefined) throw new Error('the CPU target does not apply to its own cell');
  return verdict;
}

test('the ratio is the median of the ratios of each round, not the ratio of medians', () => {
  const result = resultOf(
    [sampleOf(1), sampleOf(2), sampleOf(30)],
    [sampleOf(10), sampleOf(10), sampleOf(100)],
  );
  expect(ratioIn(result, 'tulle', 'envoy', ({ cpuMicros }) => cpuMicros)).toBe(0.2);
});

test('a target is met at its limit and missed above', () => {
  expect(isMissed(cpuVerdict(resultOf([sampleOf(35)], [sampleOf(100)])))).toBe(false);
  expect(isMissed(cpuVerdict(resultOf([sampleOf(36)], [sampleOf(100)])))).toBe(true);
});

test('one failed round of either side makes the cell missed, never counted', () => {
  const oneBroken = resultOf([sampleOf(1), null], [sampleOf(100), sampleOf(100)]);
  expect(missedCells(cpuVerdict(oneBroken))).toMatchObject([{ cell, value: null }]);
  const baselineBroken = resultOf([sampleOf(1)], [null]);
  expect(missedCells(cpuVerdict(baselineBroken))).toMatchObject([{ cell, value: null }]);
});

test('what tracing adds is a difference, the median of those of each round', () => {
  const [tracing] = listCells(/^tracing\/get-1k\/32\/saturated$/) as [Cell];
  const verdict = (added: number[]) => {
    const traced = added.map((micros, round) => sampleOf(10 * round + 20 + micros));
    const untraced = added.map((_, round) => sampleOf(10 * round + 20));
    const outcomes = new Map([
      ['tulle', { samples: traced, failures: [] }],
      ['tulle-untraced', { samples: untraced, failures: [] }],
    ]);
    const [only, ...others] = judge([{ cell: tracing, outcomes }]);
    expect(others).toEqual([]);
    return only as Verdict;
  };
  expect(verdict([9, 1.5, -2]).measured[0]?.value).toBe(1.5);
  expect(isMissed(verdict([9, 1.5, -2]))).toBe(false);
  expect(renderMisses([verdict([9, 1.6, -2])])).toEqual([
    'TARGET MISSED: ring of spans and 1 % traces, saturated: CPU at most 1.5 us over tulle-untraced: tracing/get-1k/32/saturated 1.60',
  ]);
});

test('targets that apply to no cell of the run are not judged', () => {
  const names = judge([resultOf([sampleOf(1)], [sampleOf(1)])]).map(({ target }) => target.name);
  expect(names).toEqual(['hop with features, saturated: CPU', 'loaded: resident memory']);
});

test('the report shows medians, ratios, failures and misses', () => {
  const results = [
    {
      scenario: 'features' as const,
      cells: [resultOf([null], [sampleOf(100)])],
      evidence: new Map(),
      absent: new Map(),
      notes: ['a note'],
    },
    {
      scenario: 'features' as const,
      cells: [
        resultOf([sampleOf(40), sampleOf(50), sampleOf(60)], [sampleOf(100), sampleOf(100), sampleOf(100)]),
      ],
      evidence: new Map(),
      absent: new Map(),
      notes: ['a note'],
    },
  ];
  const report = renderReport(results, ['a machine'], 'npm run bench');
  expect(report).toMatch(/tulle +\| \*\*FAILED\*\*: broke/);
  expect(report).toContain('- **a note**');
  expect(report).toMatch(/tulle +\| 50\.0 \(40\.0–60\.0\) +\| 0\.50/);
  expect(report).toMatch(/TARGET MISSED: hop with features, saturated: CPU at most 0\.35 of envoy: .*0\.50/);
});

test('a contender that could not be started says so in its rows, with the reason', () => {
  const result = resultOf([], [sampleOf(100)]);
  const absent = new Map([['tulle', 'no such file\nand a trace']]);
  const report = renderReport(
    [{ scenario: 'features', cells: [result], evidence: new Map(), absent, notes: [] }],
    [],
    'npm run bench',
  );
  expect(report).toMatch(/tulle +\| \*\*not started\*\*: no such file +\|/);
});

test('each scenario has its CPU targets: saturated, and where one was set, at the equal rate', () => {
  const namesFor = (pattern: RegExp) => {
    const [only] = listCells(pattern);
    if (only === undefined) throw new Error(`no cell ${pattern}`);
    const verdicts = judge([{ ...resultOf([sampleOf(1)], [sampleOf(1)]), cell: only }]);
    return verdicts.map(({ target }) => target).filter(({ name }) => name.endsWith('CPU'));
  };
  const limits = (pattern: RegExp) => namesFor(pattern).map(({ limit }) => limit);
  expect(limits(/^pair\/post-1k\/256\/saturated$/)).toEqual([0.35]);
  expect(limits(/^pair\/get-1k\/32\/equal-rate$/)).toEqual([0.6]);
  expect(limits(/^pair\/get-1m\/32\/saturated$/)).toEqual([1]);
  expect(limits(/^grpc\/unary-1k\/256\/saturated$/)).toEqual([0.4]);
  expect(limits(/^grpc\/unary-1k\/32\/equal-rate$/)).toEqual([]);
  expect(limits(/^tcp\/get-1m\/32\/equal-rate$/)).toEqual([0.9]);
});

test('what was disturbed all the same is marked, in its row and in the verdict', () => {
  const disturbed = resultOf([{ ...sampleOf(50), disturbance: 0.4 }], [sampleOf(100)]);
  const results = [
    { scenario: 'features' as const, cells: [disturbed], evidence: new Map(), absent: new Map(), notes: [] },
  ];
  const report = renderReport(results, [], 'npm run bench');
  expect(report).toMatch(/tulle +\| 50\.0 .* 40 % \(!\)/);
  expect(report).toMatch(/\*\*MISSED\*\*, 1 disturbed/);
  expect(report).toMatch(/saturated 0\.50 \(disturbed\)/);
});
