/**
 * Our rules beside those that Sloth makes of the same objective: what they ask, and when they fire.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { findGoTool } from '../../test/parts/go-tools.ts';
import { readAlertData } from '../src/files.ts';
import { toRuleFile } from '../src/rule.ts';
import { SERVICE_FAULTS } from '../src/service-faults.ts';
import { BURNS, toGroup } from '../src/service-level.ts';
import { SLO_BUDGET_REMAINING, SLO_ERROR_RATIO, SLO_OBJECTIVE } from '../src/slo-metrics.ts';
import type { Windows } from '../src/windows.ts';
import { testRules } from './promtool.ts';
import { bare, burnsOf, type RuleFile, rulesOf, runSloth } from './sloth.ts';

const REQUESTS = 'http_server_request_duration_seconds';
const selector = (rest: string) => `{service_name="shop"${rest}}`;
const rate = (series: string) => `sum(rate(${series}[{{.window}}]))`;
const wellAnswered = rate(`${REQUESTS}_count${selector(', error_type=""')}`);

const INDICATORS = {
  availability: {
    indicator: { availability: {} },
    errors: `${rate(`${REQUESTS}_count${selector(`, error_type=~"${SERVICE_FAULTS.http.like}"`)}`)} or vector(0)`,
    total: rate(`${REQUESTS}_count${selector('')}`),
  },
  latency: {
    indicator: { latency: { thresholdMs: 250 } },
    errors: `${wellAnswered} - ${rate(`${REQUESTS}_bucket${selector(', error_type="", le="0.25"')}`)}`,
    total: wellAnswered,
  },
} as const;
type Kind = keyof typeof INDICATORS;

let windows: Windows;
beforeAll(async () => {
  windows = (await readAlertData()).windows;
  // Building Sloth takes two minutes on a machine that has not yet.
  await findGoTool('sloth');
}, 600_000);

const TABLE = [99.99, 99.9, 99.5, 99, 95].flatMap((objective) => [
  { objective, kind: 'availability' as const },
  { objective, kind: 'latency' as const },
]);

describe.each(TABLE)('$objective % $kind', ({ objective, kind }) => {
  let ours: RuleFile;
  let theirs: RuleFile;
  beforeAll(async () => {
    ours = ourRules(objective, kind, windows);
    theirs = await slothsRules(objective, kind);
  });

  test('asks for the same error ratio over the same windows', () => {
    const ourRatios = rulesOf(ours, SLO_ERROR_RATIO.name).map(
      ({ expr, labels }) => [labels.window, bare(expr)] as const,
    );
    const theirRatios = rulesOf(theirs, 'slo:sli_error:ratio_rate')
      .map(({ expr, labels }) => [labels.sloth_window, bare(expr)] as const)
      // Over the whole period both reckon from the shortest window, ours weighted by traffic: what comes of it is compared below.
      .filter(([window]) => window !== windows.period);
    expect(ourRatios.map(([window]) => window).sort()).toEqual(['1d', '1h', '2h', '30m', '3d', '5m', '6h']);
    expect(new Map(ourRatios)).toEqual(new Map(theirRatios));
  });

  test.each(['page', 'ticket'] as const)('%s: the same pairs of windows have the same limits', (severity) => {
    const our = burnsOf(ours, ({ alert }) => alert === BURNS[severity]);
    const their = burnsOf(theirs, ({ labels }) => labels.sloth_severity === severity);
    expect(our.map((pair) => pair.windows)).toEqual(their.map((pair) => pair.windows));
    expect(our).toHaveLength(2);
    for (const [at, { limit }] of our.entries()) expect(limit).toBeCloseTo(their[at]?.limit ?? Number.NaN, 9);
  });

  test('the objective is the same', () => {
    const value = (file: RuleFile, record: string) =>
      Number(/^vector\((.*)\)$/.exec(rulesOf(file, record)[0]?.expr ?? '')?.[1]);
    expect(value(ours, SLO_OBJECTIVE.name)).toBeCloseTo(value(theirs, 'slo:objective:ratio'), 9);
  });
});

test('both fire and end at the same minutes, whatever happens', async () => {
  const immediately = {
    ...windows,
    page: { ...windows.page, for: '0s' },
    ticket: { ...windows.ticket, for: '0s' },
  };
  const firing = (labels: string) => `(count(ALERTS{alertstate="firing", ${labels}}) or vector(0))`;
  const ours = (severity: 'page' | 'ticket') => firing(`alertname="${BURNS[severity]}"`);
  const theirs = (severity: 'page' | 'ticket') => firing(`sloth_severity="${severity}"`);
  const verdict = await testRules(
    [ourRules(99.9, 'availability', immediately), await slothsRules(99.9, 'availability')],
    oneTest(
      // Of 1000 requests a minute: none fails, an outage, none, a slow leak, none.
      { requests: '0+1000x3085', errors: '0+0x60 0+500x20 10000+0x400 10000+8x2000 26000+0x600' },
      [
        ...Array.from({ length: 150 }, (_, at) => at * 20).flatMap((minute) => [
          value(`${ours('page')} == bool ${theirs('page')}`, minute, 1),
          value(`${ours('ticket')} == bool ${theirs('ticket')}`, minute, 1),
        ]),
        // Both did fire and end.
        value(ours('page'), 70, 1),
        value(ours('page'), 400, 0),
        value(ours('ticket'), 2_000, 1),
        value(ours('ticket'), 3_060, 0),
      ],
    ),
  );
  expect(verdict).toMatchObject({ succeeded: true, output: expect.stringContaining('SUCCESS') });
});

test('under even traffic the same share of the budget is left', async () => {
  const left = `sum(${SLO_BUDGET_REMAINING.name})`;
  const verdict = await testRules(
    [ourRules(99.9, 'availability', windows), await slothsRules(99.9, 'availability')],
    oneTest({ requests: '0+1000x600', errors: '0+0.5x600' }, [
      value(`abs(${left} - sum(slo:period_error_budget_remaining:ratio)) < bool 1e-9`, 500, 1),
      value(`round(${left}, 0.01)`, 500, 0.5),
    ]),
  );
  expect(verdict).toMatchObject({ succeeded: true, output: expect.stringContaining('SUCCESS') });
});

function ourRules(objective: number, kind: Kind, windows: Windows): RuleFile {
  const { indicator } = INDICATORS[kind];
  const spec = {
    service: 'shop',
    protocol: 'http',
    objective,
    window: '30d',
    team: 'shop',
    indicator,
  } as const;
  const links = { grafanaUrl: 'https://grafana.example', runbooksUrl: 'https://runbooks.example' };
  return toRuleFile([toGroup({ name: 'shop', spec }, windows)], links) as RuleFile;
}

function slothsRules(objective: number, kind: Kind): Promise<RuleFile> {
  const { errors, total } = INDICATORS[kind];
  return runSloth(objective, errors, total);
}

function oneTest(
  counters: { requests: string; errors: string },
  promql_expr_test: readonly object[],
): object {
  const input_series = [
    { series: `${REQUESTS}_count${selector('')}`, values: counters.requests },
    { series: `${REQUESTS}_count${selector(', error_type="500"')}`, values: counters.errors },
  ];
  return { evaluation_interval: '2m', tests: [{ interval: '1m', input_series, promql_expr_test }] };
}

function value(expr: string, minute: number, value: number): object {
  return { expr, eval_time: `${minute}m`, exp_samples: [{ labels: '{}', value }] };
}
