/**
 * Every alert fires when it should, with all that whoever is told gets to see, and is silent when something looks alike.
 */
import { describe, expect, test } from 'vitest';
import { groupFiles, readAlertData } from '../src/files.ts';
import { type Alert, toRuleFile } from '../src/rule.ts';
import type { AlertCase, Scraped } from './case.ts';
import { CONTROL_CASES } from './control.cases.ts';
import { withAnswer } from './expressions.ts';
import { MESH_CASES } from './mesh.cases.ts';
import { checkRules, testRules } from './promtool.ts';
import { QUEUE_CASES } from './queue.cases.ts';
import { SERVICE_LEVEL_CASES } from './service-level.cases.ts';
import { SIDECAR_CASES } from './sidecar.cases.ts';

const data = await readAlertData();
const GROUPS = [...groupFiles(data).values()].flat();
const ALERTS = GROUPS.flatMap(({ alerts }) => alerts);
const CASES = [...MESH_CASES, ...SIDECAR_CASES, ...CONTROL_CASES, ...QUEUE_CASES, ...SERVICE_LEVEL_CASES];
/** It is never silent: that is what it is for. */
const WATCHDOG = 'Watchdog';

test('promtool has nothing to say of the rules', async () => {
  const { succeeded, output } = await checkRules(toRuleFile(GROUPS, data.links));
  expect(succeeded).toBe(true);
  expect(output).toMatch(/SUCCESS: \d+ rules found$/);
});

test('every alert has a case, and every case an alert', () => {
  const names = new Set(ALERTS.map(({ name }) => name));
  names.delete(WATCHDOG);
  expect(new Set(CASES.map(({ alert }) => alert))).toEqual(names);
});

describe.each(CASES)('$alert', (played) => {
  const { alert, firing, silent } = played;

  test('fires', async () => {
    const expected = firing.expected.map(({ labels, dashboard, ...texts }) => ({
      exp_labels: labels,
      exp_annotations: {
        ...texts,
        runbook_url: `${data.links.runbooksUrl}/${alert}.md`,
        dashboard_url: `${data.links.grafanaUrl}/d/${dashboard}`,
      },
    }));
    expect(firing.expected).not.toHaveLength(0);
    expect(await play(played, firing, expected)).toEqual({
      succeeded: true,
      output: expect.stringContaining('SUCCESS'),
    });
  });

  test('is silent', async () => {
    expect(await play(played, silent, [])).toEqual({
      succeeded: true,
      output: expect.stringContaining('SUCCESS'),
    });
  });
});

test('the watchdog fires when there is nothing else', async () => {
  const test = {
    promql_expr_test: [
      {
        expr: `ALERTS{alertname="${WATCHDOG}"}`,
        eval_time: '0m',
        exp_samples: [
          {
            labels: `ALERTS{alertname="${WATCHDOG}",alertstate="firing",severity="none",team="mesh"}`,
            value: 1,
          },
        ],
      },
    ],
  };
  const verdict = await testRules([toRuleFile(GROUPS, data.links)], {
    tests: [{ interval: '1m', input_series: [], ...test }],
  });
  expect(verdict).toEqual({ succeeded: true, output: expect.stringContaining('SUCCESS') });
});

/** The rules that the case is about alone, as those of all would be reckoned for every case. */
function play(
  { alert, firing }: AlertCase,
  { series, at, every = '1m' }: Scraped,
  exp_alerts: readonly object[],
) {
  const slo = firing.expected[0]?.labels.slo;
  const isMeant = ({ name, labels }: Alert) => name === alert && labels?.slo === slo;
  const groups = GROUPS.map((group) => ({ ...group, alerts: group.alerts.filter(isMeant) }));
  const meant = groups.flatMap(({ alerts }) => alerts);
  const rules = toRuleFile(
    groups.filter(({ alerts }) => alerts.length > 0),
    data.links,
  );
  return testRules([rules], {
    evaluation_interval: every,
    tests: [
      {
        interval: every,
        input_series: series,
        alert_rule_test: [{ eval_time: at, alertname: alert, exp_alerts }],
        // It has something to look at, also where it is silent.
        promql_expr_test: meant.map(({ expression }) => ({
          expr: `count(${withAnswer(expression.text)}) > bool 0`,
          eval_time: at,
          exp_samples: [{ labels: '{}', value: 1 }],
        })),
      },
    ],
  });
}
