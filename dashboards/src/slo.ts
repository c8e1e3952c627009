/**
 * What was promised: how much of each error budget is left, and how fast it burns.
 */
import { aggregate, divide, gaugeOf, type Query, remainderOf } from '../../alerts/src/promql.ts';
import {
  SLO_BUDGET_REMAINING,
  SLO_ERROR_RATE,
  SLO_ERROR_RATIO,
  SLO_OBJECTIVE,
  SLO_REQUEST_RATE,
} from '../../alerts/src/slo-metrics.ts';
import { changesOf } from './annotations.ts';
import { createDashboard } from './dashboard.ts';
import { line } from './line.ts';
import { columnOf, linkTo } from './links.ts';
import { singleStat, timeSeries } from './panel.ts';
import { highest, total } from './promql.ts';
import { valueTable } from './table.ts';
import { above, below, NONE_ALLOWED } from './thresholds.ts';
import { chosen, labelVariable, metricsSource } from './variables.ts';

const HERE = { slo: chosen('slo') } as const;
const LEVEL = ['slo', 'service_name', 'team'] as const;

/** Those of the alerts: alerts/windows.yaml. */
const PAGE = 14.4;
const TICKET = 3;

/** How many times faster than what would just use up the budget in its period. */
function burnOver(window: string): Query<(typeof LEVEL)[number]> {
  const allowed = remainderOf(highest(SLO_OBJECTIVE, HERE, LEVEL));
  return divide(highest(SLO_ERROR_RATIO, { ...HERE, window }, LEVEL), allowed);
}

export const slo = createDashboard({
  name: 'slo',
  title: 'Service levels',
  description: 'What was promised: how much of each error budget is left, and how fast it burns.',
  variables: [
    metricsSource(),
    labelVariable('slo', { label: 'slo', title: 'Service level', selector: gaugeOf(SLO_OBJECTIVE).text }),
  ],
  annotations: changesOf({}),
  from: 'now-24h',
  rows: [
    {
      title: 'Do we keep our promises?',
      panels: [
        singleStat({
          title: 'Promises',
          description: 'How many are promised.',
          unit: 'short',
          query: aggregate('count', gaugeOf(SLO_OBJECTIVE, HERE)),
        }),
        singleStat({
          title: 'Least budget left',
          description:
            'Of the service level that is worst off. Below zero a promise is broken: ship reliability, not features.',
          unit: 'percentunit',
          thresholds: below(0.5, 0.1),
          query: aggregate('min', gaugeOf(SLO_BUDGET_REMAINING, HERE)),
        }),
        singleStat({
          title: 'Fastest burn, 1 h',
          description: `Times faster than what would just use up the budget in its period, of the worst service level. At ${PAGE} somebody is paged.`,
          unit: 'x',
          thresholds: above(TICKET, PAGE),
          query: aggregate('max', burnOver('1h')),
        }),
        singleStat({
          title: 'Fastest burn, 3 d',
          description: 'The same over three days. Above 1 the budget does not last.',
          unit: 'x',
          thresholds: above(1, TICKET),
          query: aggregate('max', burnOver('3d')),
        }),
        singleStat({
          title: 'Bad requests now',
          description: 'A second, of all service levels that are chosen.',
          unit: 'reqps',
          thresholds: NONE_ALLOWED,
          query: total(SLO_ERROR_RATE, HERE),
        }),
        singleStat({
          title: 'Requests',
          description: 'A second, that are judged by a service level.',
          unit: 'reqps',
          query: total(SLO_REQUEST_RATE, HERE),
        }),
      ],
    },
    {
      title: 'Each service level',
      panels: [
        valueTable({
          title: 'Service levels',
          description: 'What is promised, what is left of the budget, and how fast it burns.',
          width: 24,
          height: 9,
          rows: { slo: 'service level', service_name: 'service', team: 'team' },
          columns: [
            {
              head: 'budget left',
              unit: 'percentunit',
              thresholds: below(0.5, 0.1),
              query: highest(SLO_BUDGET_REMAINING, HERE, LEVEL),
            },
            { head: 'objective', unit: 'percentunit', query: highest(SLO_OBJECTIVE, HERE, LEVEL) },
            { head: 'burn 5m', unit: 'x', thresholds: above(TICKET, PAGE), query: burnOver('5m') },
            { head: 'burn 1h', unit: 'x', thresholds: above(TICKET, PAGE), query: burnOver('1h') },
            { head: 'burn 6h', unit: 'x', thresholds: above(1, 6), query: burnOver('6h') },
            { head: 'burn 3d', unit: 'x', thresholds: above(1, TICKET), query: burnOver('3d') },
          ],
          links: [linkTo('service', 'Service', { service: columnOf('service') })],
        }),
      ],
    },
    {
      title: 'Budget and burn',
      panels: [
        timeSeries({
          title: 'Budget left',
          description:
            'Share of the error budget of the period. It falls while the service is bad, and recovers as bad days leave the period.',
          unit: 'percentunit',
          max: 1,
          signed: true,
          lines: [line(highest(SLO_BUDGET_REMAINING, HERE, ['slo']), ({ slo: name }) => name)],
        }),
        timeSeries({
          title: 'Burn rate, short windows',
          description: `Over 5 minutes and an hour. Both above ${PAGE}: somebody is paged.`,
          unit: 'x',
          thresholds: above(TICKET, PAGE),
          lines: [
            line(burnOver('5m'), ({ slo: name }) => `${name} 5m`),
            line(burnOver('1h'), ({ slo: name }) => `${name} 1h`),
          ],
        }),
        timeSeries({
          title: 'Burn rate, long windows',
          description: 'Over six hours and three days. Above 1 for days: a ticket.',
          unit: 'x',
          thresholds: above(1, TICKET),
          lines: [
            line(burnOver('6h'), ({ slo: name }) => `${name} 6h`),
            line(burnOver('3d'), ({ slo: name }) => `${name} 3d`),
          ],
        }),
        timeSeries({
          title: 'Bad requests',
          description: 'A second, by service level.',
          unit: 'reqps',
          width: 12,
          lines: [line(total(SLO_ERROR_RATE, HERE, ['slo']), ({ slo: name }) => name)],
        }),
        timeSeries({
          title: 'Judged requests',
          description: 'A second, by service level: with few of them a single bad one burns much.',
          unit: 'reqps',
          width: 12,
          lines: [line(total(SLO_REQUEST_RATE, HERE, ['slo']), ({ slo: name }) => name)],
        }),
      ],
    },
  ],
});
