/**
 * Rate limits: who is limited, by which limit, and whether the shared store answers.
 */
import { aggregate, gaugeOf, quantile } from '../../alerts/src/promql.ts';
import {
  RATE_LIMIT_DECISIONS,
  RATE_LIMIT_EVICTIONS,
  RATE_LIMIT_KEYS,
  RATE_LIMIT_OVERFLOWS,
  RATE_LIMIT_REDIS_DURATION,
  RATE_LIMIT_REDIS_FAILURES,
  RATE_LIMIT_REDIS_UP,
} from '../../sidecar/src/filters/rate-limit/metrics.ts';
import { changesOf } from './annotations.ts';
import { createDashboard } from './dashboard.ts';
import { line } from './line.ts';
import { columnOf, linkTo } from './links.ts';
import { singleStat, timeSeries } from './panel.ts';
import { perSecond, RATE, total } from './promql.ts';
import { IN_SERVICE, SERVICE_VARIABLES } from './scopes.ts';
import { ratio } from './signals.ts';
import { valueTable } from './table.ts';
import { above, below, NONE_ALLOWED } from './thresholds.ts';

const ENFORCED = { ...IN_SERVICE, mode: 'enforce' } as const;
const LIMITED = { ...ENFORCED, decision: 'limited' } as const;
const SHADOW = { ...IN_SERVICE, mode: 'shadow', decision: 'limited' } as const;
const LIMIT = ['service_name', 'policy', 'limit'] as const;

type LimitLabels = { readonly policy: string; readonly limit: string };
const limitName = ({ policy, limit }: LimitLabels) => `${policy}/${limit}`;

export const rateLimits = createDashboard({
  name: 'rate-limits',
  title: 'Rate limits',
  description: 'Who is limited, by which limit, and whether the store that sidecars share answers.',
  variables: SERVICE_VARIABLES,
  annotations: changesOf(IN_SERVICE),
  rows: [
    {
      title: 'Is anybody limited?',
      panels: [
        singleStat({
          title: 'Limited',
          description: 'Requests a second that were refused with 429.',
          unit: 'reqps',
          query: perSecond(RATE_LIMIT_DECISIONS, LIMITED),
        }),
        singleStat({
          title: 'Share limited',
          description:
            'Of all decisions. A few percent is a limit at work; most of them is a caller that does not back off, or a limit that is too low.',
          unit: 'percentunit',
          thresholds: above(0.05, 0.3),
          query: ratio(perSecond(RATE_LIMIT_DECISIONS, LIMITED), perSecond(RATE_LIMIT_DECISIONS, ENFORCED)),
        }),
        singleStat({
          title: 'Decided without the store',
          description:
            'Share of the decisions that had to do without an answer of the shared store, as `onFailure` says. Then limits hold for each sidecar alone, or not at all.',
          unit: 'percentunit',
          thresholds: NONE_ALLOWED,
          query: ratio(
            perSecond(RATE_LIMIT_DECISIONS, { ...ENFORCED, source: 'fallback' }),
            perSecond(RATE_LIMIT_DECISIONS, ENFORCED),
          ),
        }),
        singleStat({
          title: 'Stores up',
          description: 'Share of the connections of sidecars to shared stores that are of use.',
          unit: 'percentunit',
          thresholds: below(1, 0.9),
          query: aggregate('avg', gaugeOf(RATE_LIMIT_REDIS_UP, IN_SERVICE)),
        }),
        singleStat({
          title: 'Store p99',
          description:
            'One of a hundred answers of the shared store takes longer than this. Requests wait for it up to `deadlineMs`.',
          unit: 's',
          thresholds: above(0.005, 0.02),
          query: quantile(0.99, RATE_LIMIT_REDIS_DURATION, { where: IN_SERVICE, window: RATE }),
        }),
        singleStat({
          title: 'Would be limited',
          description:
            'Requests a second that limits in shadow mode would have refused: what turning them on would do.',
          unit: 'reqps',
          without: '0',
          query: perSecond(RATE_LIMIT_DECISIONS, SHADOW),
        }),
      ],
    },
    {
      title: 'By limit',
      panels: [
        timeSeries({
          title: 'Limited requests',
          description: 'A second, by policy and limit.',
          unit: 'reqps',
          stacked: true,
          lines: [line(perSecond(RATE_LIMIT_DECISIONS, LIMITED, ['policy', 'limit']), limitName)],
        }),
        timeSeries({
          title: 'Decisions',
          description:
            'A second, by what was decided and who did: the sidecar by itself, the shared store, or the memory that the store had refused.',
          unit: 'reqps',
          stacked: true,
          lines: [
            line(
              perSecond(RATE_LIMIT_DECISIONS, ENFORCED, ['decision', 'source']),
              ({ decision, source }) => `${decision} by ${source}`,
            ),
          ],
        }),
        valueTable({
          title: 'Limits',
          description: 'Each limit with what it decides and how much of it is a refusal.',
          width: 8,
          rows: { service_name: 'service', policy: 'policy', limit: 'limit' },
          columns: [
            { head: 'decisions', unit: 'reqps', query: perSecond(RATE_LIMIT_DECISIONS, ENFORCED, LIMIT) },
            {
              head: 'limited',
              unit: 'percentunit',
              thresholds: above(0.05, 0.3),
              query: ratio(
                perSecond(RATE_LIMIT_DECISIONS, LIMITED, LIMIT),
                perSecond(RATE_LIMIT_DECISIONS, ENFORCED, LIMIT),
              ),
            },
          ],
          links: [linkTo('service', 'Service', { service: columnOf('service') })],
        }),
      ],
    },
    {
      title: 'State',
      panels: [
        timeSeries({
          title: 'Keys',
          description: 'Tenants, or whatever a limit counts by, that have state in a sidecar.',
          unit: 'short',
          width: 6,
          lines: [line(total(RATE_LIMIT_KEYS, IN_SERVICE, ['policy', 'limit']), limitName)],
        }),
        timeSeries({
          title: 'Keys without room',
          description:
            'A second. Evicted ones were far below their limit; overflows share state, so that one may be limited for another: raise `maxKeys`.',
          unit: 'cps',
          width: 6,
          lines: [
            line(
              perSecond(RATE_LIMIT_EVICTIONS, IN_SERVICE, ['policy', 'limit']),
              (labels) => `${limitName(labels)} evicted`,
            ),
            line(
              perSecond(RATE_LIMIT_OVERFLOWS, IN_SERVICE, ['policy', 'limit']),
              (labels) => `${limitName(labels)} overflow`,
            ),
          ],
        }),
        timeSeries({
          title: 'Store latency',
          description: 'Answers of the shared store, from question to answer.',
          unit: 's',
          width: 6,
          lines: [
            line(
              quantile(0.5, RATE_LIMIT_REDIS_DURATION, { where: IN_SERVICE, window: RATE, by: ['store'] }),
              ({ store }) => `${store} p50`,
            ),
            line(
              quantile(0.99, RATE_LIMIT_REDIS_DURATION, { where: IN_SERVICE, window: RATE, by: ['store'] }),
              ({ store }) => `${store} p99`,
            ),
          ],
        }),
        timeSeries({
          title: 'Store failures',
          description: 'Questions a second that the shared store did not answer, by reason.',
          unit: 'cps',
          width: 6,
          lines: [
            line(
              perSecond(RATE_LIMIT_REDIS_FAILURES, IN_SERVICE, ['store', 'reason']),
              ({ store, reason }) => `${store} ${reason}`,
            ),
          ],
        }),
      ],
    },
  ],
});
