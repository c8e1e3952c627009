/**
 * Worker queues: is the work done, how long does it wait, and what is never done.
 */
import { aggregate, gaugeOf, quantile, rate, sum, sumOf } from '../../alerts/src/promql.ts';
import {
  QUEUE_ATTEMPT_DURATION,
  QUEUE_ATTEMPTS,
  QUEUE_DEAD_LETTERS,
  QUEUE_JOBS,
  QUEUE_OLDEST_AGE,
  QUEUE_STALLED,
  QUEUE_SUBMISSIONS,
  QUEUE_UP,
  QUEUE_WAIT,
} from '../../services/lib/job-metrics.ts';
import {
  WEBHOOK_ATTEMPT_DURATION,
  WEBHOOK_ATTEMPTS,
  WEBHOOK_DELIVERIES,
  WEBHOOK_DELIVERY_DURATION,
} from '../../services/webhook-dispatcher/metrics.ts';
import { changesOf } from './annotations.ts';
import { createDashboard } from './dashboard.ts';
import { line } from './line.ts';
import { singleStat, timeSeries } from './panel.ts';
import { highest, perSecond, RATE } from './promql.ts';
import { IN_NAMESPACE, IN_QUEUE, QUEUE_VARIABLES } from './scopes.ts';
import { ratio } from './signals.ts';
import { valueTable } from './table.ts';
import { above, below, NONE_ALLOWED } from './thresholds.ts';

const WAITING = { ...IN_QUEUE, state: 'waiting' } as const;
const DEAD = { ...IN_QUEUE, state: 'failed' } as const;
const COMPLETED = { ...IN_QUEUE, outcome: 'completed' } as const;
const FAILED = { ...IN_QUEUE, outcome: 'failed' } as const;

const waitOf = (share: number) =>
  quantile(share, QUEUE_WAIT, { where: IN_QUEUE, window: RATE, by: ['queue'] });

export const queues = createDashboard({
  name: 'queues',
  title: 'Worker queues',
  description: 'Whether work is done, how long it waits, and what is never done.',
  variables: QUEUE_VARIABLES,
  annotations: changesOf(IN_NAMESPACE),
  rows: [
    {
      title: 'Is the work done?',
      panels: [
        singleStat({
          title: 'Waiting',
          description: 'Jobs that wait for a worker, in all chosen queues.',
          unit: 'short',
          thresholds: above(100, 1_000),
          query: sum(highest(QUEUE_JOBS, WAITING, ['queue'])),
        }),
        singleStat({
          title: 'Oldest',
          description:
            'How long the first of the waiting jobs has waited. A deep queue that moves is busy; an old one is stuck.',
          unit: 's',
          thresholds: above(30, 300),
          query: highest(QUEUE_OLDEST_AGE, IN_QUEUE),
        }),
        singleStat({
          title: 'Done',
          description: 'Jobs a second that were completed.',
          unit: 'ops',
          query: perSecond(QUEUE_ATTEMPTS, COMPLETED),
        }),
        singleStat({
          title: 'Failed for good',
          description: 'Share of the attempts that ended for good without success. Each left a dead letter.',
          unit: 'percentunit',
          thresholds: above(0.001, 0.01),
          query: ratio(perSecond(QUEUE_ATTEMPTS, FAILED), perSecond(QUEUE_ATTEMPTS, IN_QUEUE)),
        }),
        singleStat({
          title: 'Dead letters',
          description: 'Jobs that failed for good and lie there until somebody redrives or drops them.',
          unit: 'short',
          thresholds: NONE_ALLOWED,
          query: sum(highest(QUEUE_JOBS, DEAD, ['queue'])),
        }),
        singleStat({
          title: 'Queues that answer',
          description: 'Share of the processes to which Redis tells how deep a queue is.',
          unit: 'percentunit',
          thresholds: below(1, 0.5),
          query: aggregate('avg', gaugeOf(QUEUE_UP, IN_QUEUE)),
        }),
      ],
    },
    {
      title: 'Depth and age',
      panels: [
        timeSeries({
          title: 'Queue depth',
          description: 'Jobs by state: waiting for a worker, in work, delayed until a retry.',
          unit: 'short',
          lines: [
            line(
              highest(QUEUE_JOBS, { ...IN_QUEUE, state: { not: 'failed' } }, ['queue', 'state']),
              ({ queue, state }) => `${queue} ${state}`,
            ),
          ],
        }),
        timeSeries({
          title: 'Age of the oldest',
          description:
            'How long the first of the waiting jobs has waited that was not tried yet. It grows by a second a second when nobody works.',
          unit: 's',
          thresholds: above(30, 300),
          lines: [line(highest(QUEUE_OLDEST_AGE, IN_QUEUE, ['queue']), ({ queue }) => queue)],
        }),
        timeSeries({
          title: 'Wait before the first attempt',
          description:
            'From the queueing of a job to the start of its first attempt: what callers do not see and customers do.',
          unit: 's',
          lines: [
            line(waitOf(0.5), ({ queue }) => `${queue} p50`),
            line(waitOf(0.95), ({ queue }) => `${queue} p95`),
            line(waitOf(0.99), ({ queue }) => `${queue} p99`),
          ],
        }),
      ],
    },
    {
      title: 'Throughput',
      panels: [
        timeSeries({
          title: 'In and out',
          description:
            'Jobs a second that were queued, and that were completed or given up. Where more comes than goes, the queue grows.',
          unit: 'ops',
          lines: [
            line(
              perSecond(QUEUE_SUBMISSIONS, { ...IN_QUEUE, outcome: 'accepted' }, ['queue']),
              ({ queue }) => `${queue} queued`,
            ),
            line(
              perSecond(QUEUE_ATTEMPTS, { ...IN_QUEUE, outcome: { not: 'retried' } }, ['queue']),
              ({ queue }) => `${queue} done`,
            ),
          ],
        }),
        timeSeries({
          title: 'Attempts by outcome',
          description: 'A second. Retries are work that is done twice.',
          unit: 'ops',
          stacked: true,
          lines: [
            line(
              perSecond(QUEUE_ATTEMPTS, IN_QUEUE, ['queue', 'outcome']),
              ({ queue, outcome }) => `${queue} ${outcome}`,
            ),
          ],
        }),
        timeSeries({
          title: 'Jobs not accepted',
          description: 'A second: the queue is full, or Redis is away. Their callers got 503.',
          unit: 'ops',
          lines: [
            line(
              perSecond(QUEUE_SUBMISSIONS, { ...IN_QUEUE, outcome: { not: 'accepted' } }, [
                'queue',
                'outcome',
              ]),
              ({ queue, outcome }) => `${queue} ${outcome}`,
            ),
          ],
        }),
        timeSeries({
          title: 'Duration of attempts p95',
          description: 'One of twenty attempts takes longer than this.',
          unit: 's',
          lines: [
            line(
              quantile(0.95, QUEUE_ATTEMPT_DURATION, { where: IN_QUEUE, window: RATE, by: ['queue'] }),
              ({ queue }) => queue,
            ),
          ],
        }),
        timeSeries({
          title: 'Busy workers',
          description:
            'Attempts under way on average. Where it stays at what workers may do at once, more workers would help.',
          unit: 'short',
          lines: [
            line(sum(rate(sumOf(QUEUE_ATTEMPT_DURATION, IN_QUEUE), RATE), ['queue']), ({ queue }) => queue),
          ],
        }),
        timeSeries({
          title: 'Dead letters and stalled jobs',
          description: 'A second. A stalled job was taken back from a worker that died or hung.',
          unit: 'ops',
          lines: [
            line(perSecond(QUEUE_DEAD_LETTERS, IN_QUEUE, ['queue']), ({ queue }) => `${queue} dead`),
            line(perSecond(QUEUE_STALLED, IN_QUEUE, ['queue']), ({ queue }) => `${queue} stalled`),
          ],
        }),
      ],
    },
    {
      title: 'Each queue, and webhooks',
      panels: [
        valueTable({
          title: 'Queues',
          description: 'Each with its depth, the age of its oldest job, its throughput and its dead letters.',
          width: 12,
          rows: { queue: 'queue' },
          columns: [
            {
              head: 'waiting',
              unit: 'short',
              thresholds: above(100, 1_000),
              query: highest(QUEUE_JOBS, WAITING, ['queue']),
            },
            {
              head: 'oldest',
              unit: 's',
              thresholds: above(30, 300),
              query: highest(QUEUE_OLDEST_AGE, IN_QUEUE, ['queue']),
            },
            { head: 'done', unit: 'ops', query: perSecond(QUEUE_ATTEMPTS, COMPLETED, ['queue']) },
            {
              head: 'dead letters',
              unit: 'short',
              thresholds: NONE_ALLOWED,
              query: highest(QUEUE_JOBS, DEAD, ['queue']),
            },
          ],
        }),
        timeSeries({
          title: 'Webhooks by outcome',
          description:
            'Attempts a second by what the target made of them, and deliveries that came to their end.',
          unit: 'ops',
          width: 6,
          lines: [
            line(
              perSecond(WEBHOOK_ATTEMPTS, IN_NAMESPACE, ['outcome']),
              ({ outcome }) => `attempt ${outcome}`,
            ),
            line(
              perSecond(WEBHOOK_DELIVERIES, IN_NAMESPACE, ['outcome']),
              ({ outcome }) => `delivery ${outcome}`,
            ),
          ],
        }),
        timeSeries({
          title: 'Webhooks p95',
          description:
            'One of twenty targets takes longer than this to answer; one of twenty deliveries takes longer than this with all its retries.',
          unit: 's',
          width: 6,
          lines: [
            line(quantile(0.95, WEBHOOK_ATTEMPT_DURATION, { where: IN_NAMESPACE, window: RATE }), 'attempt'),
            line(
              quantile(0.95, WEBHOOK_DELIVERY_DURATION, { where: IN_NAMESPACE, window: RATE }),
              'delivery',
            ),
          ],
        }),
      ],
    },
  ],
});
