/**
 * Alerts on the queues of the platform, and on the Redis that holds them.
 */
import {
  QUEUE_DEAD_LETTERS,
  QUEUE_JOBS,
  QUEUE_OLDEST_AGE,
  QUEUE_UP,
} from '../../services/lib/job-metrics.ts';
import { aggregate, counterOf, gaugeOf, increase, sum, where } from './promql.ts';
import { type Alert, defineAlert, type Fields } from './rule.ts';

const TEAM = { team: 'platform' } as const;
const ofQueue = ({ labels }: Fields<'queue'>) => ({ name: 'queues', variables: { queue: labels.queue } });

/** Beyond which somebody is told. */
export interface QueueLimits {
  readonly oldestSeconds: number;
  readonly waiting: number;
}

export function queueAlerts({ oldestSeconds, waiting }: QueueLimits): readonly Alert[] {
  return [redisAway, queueStalls(oldestSeconds), queueBacklog(waiting), deadLetters];
}

const redisAway = defineAlert({
  ...TEAM,
  name: 'RedisAway',
  severity: 'page',
  expression: where(aggregate('max', gaugeOf(QUEUE_UP), ['queue']), '==', 0),
  holds: '1m',
  summary: ({ labels }) => `Redis does not answer: queue ${labels.queue} stands still.`,
  description: ({ labels }) =>
    `No process that uses ${labels.queue} gets an answer from Redis. New jobs are refused with 503, and none is done.`,
  dashboard: ofQueue,
});

const queueStalls = (oldestSeconds: number) =>
  defineAlert({
    ...TEAM,
    name: 'QueueStalls',
    severity: 'page',
    expression: where(aggregate('max', gaugeOf(QUEUE_OLDEST_AGE), ['queue']), '>', oldestSeconds),
    holds: '2m',
    summary: ({ labels }) => `Jobs in ${labels.queue} are not done in time.`,
    description: ({ labels, duration }) =>
      `The first job in ${labels.queue} has waited for ${duration}. Its workers are gone, hang, or are far too few.`,
    dashboard: ofQueue,
  });

const queueBacklog = (waiting: number) =>
  defineAlert({
    ...TEAM,
    name: 'QueueBacklog',
    severity: 'ticket',
    expression: where(aggregate('max', gaugeOf(QUEUE_JOBS, { state: 'waiting' }), ['queue']), '>', waiting),
    holds: '10m',
    summary: ({ labels }) => `${labels.queue} has had more than ${waiting} waiting jobs for ten minutes.`,
    description: ({ labels, value }) =>
      `${value} jobs wait in ${labels.queue}. More workers should have been started by now; when the queue is full, new jobs are refused.`,
    dashboard: ofQueue,
  });

const deadLetters = defineAlert({
  ...TEAM,
  name: 'DeadLetters',
  severity: 'ticket',
  expression: where(sum(increase(counterOf(QUEUE_DEAD_LETTERS), '10m'), ['queue']), '>', 0),
  holds: '0s',
  summary: ({ labels }) => `Jobs in ${labels.queue} were given up.`,
  description: ({ labels, value }) =>
    `${value} jobs in ${labels.queue} became dead letters in ten minutes: every attempt failed. Nobody tries them again without being told.`,
  dashboard: ofQueue,
});
