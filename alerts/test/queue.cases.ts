import {
  QUEUE_DEAD_LETTERS,
  QUEUE_JOBS,
  QUEUE_OLDEST_AGE,
  QUEUE_UP,
} from '../../services/lib/job-metrics.ts';
import { type AlertCase, series } from './case.ts';

const queue = 'workflow-runs';
const WORKER = { service_name: 'workflow-worker', queue };
const GATEWAY = { service_name: 'gateway', queue };
const PAGE = { severity: 'page', team: 'platform', queue };
const TICKET = { ...PAGE, severity: 'ticket' };
const dashboard = 'tulle-queues?var-queue=workflow-runs';

export const QUEUE_CASES: readonly AlertCase[] = [
  {
    alert: 'RedisAway',
    firing: {
      series: [series(QUEUE_UP, WORKER, '1 0x20'), series(QUEUE_UP, GATEWAY, '1 0x20')],
      at: '5m',
      expected: [
        {
          labels: PAGE,
          summary: 'Redis does not answer: queue workflow-runs stands still.',
          description:
            'No process that uses workflow-runs gets an answer from Redis. New jobs are refused with 503, and none is done.',
          dashboard,
        },
      ],
    },
    // One process has lost it: that is its own matter.
    silent: { series: [series(QUEUE_UP, WORKER, '1 0x20'), series(QUEUE_UP, GATEWAY, '1x20')], at: '5m' },
  },
  {
    alert: 'QueueStalls',
    firing: {
      series: [series(QUEUE_OLDEST_AGE, WORKER, '0+60x20')],
      at: '10m',
      expected: [
        {
          labels: PAGE,
          summary: 'Jobs in workflow-runs are not done in time.',
          description:
            'The first job in workflow-runs has waited for 10m 0s. Its workers are gone, hang, or are far too few.',
          dashboard,
        },
      ],
    },
    silent: { series: [series(QUEUE_OLDEST_AGE, WORKER, '0 60 120 180 240 299 5 5 5 5 5')], at: '10m' },
  },
  {
    alert: 'QueueBacklog',
    firing: {
      series: [
        series(QUEUE_JOBS, { ...WORKER, state: 'waiting' }, '2500x20'),
        series(QUEUE_JOBS, { ...GATEWAY, state: 'waiting' }, '2500x20'),
      ],
      at: '12m',
      expected: [
        {
          labels: TICKET,
          summary: 'workflow-runs has had more than 1000 waiting jobs for ten minutes.',
          description:
            '2.5k jobs wait in workflow-runs. More workers should have been started by now; when the queue is full, new jobs are refused.',
          dashboard,
        },
      ],
    },
    // Each of two processes says the same of one queue; what was given up does not wait.
    silent: {
      series: [
        series(QUEUE_JOBS, { ...WORKER, state: 'waiting' }, '900x20'),
        series(QUEUE_JOBS, { ...GATEWAY, state: 'waiting' }, '900x20'),
        series(QUEUE_JOBS, { ...WORKER, state: 'failed' }, '5000x20'),
      ],
      at: '12m',
    },
  },
  {
    alert: 'DeadLetters',
    firing: {
      series: [series(QUEUE_DEAD_LETTERS, WORKER, '0x4 1+1x20')],
      at: '12m',
      expected: [
        {
          labels: TICKET,
          summary: 'Jobs in workflow-runs were given up.',
          description:
            '8 jobs in workflow-runs became dead letters in ten minutes: every attempt failed. Nobody tries them again without being told.',
          dashboard,
        },
      ],
    },
    silent: { series: [series(QUEUE_DEAD_LETTERS, WORKER, '3x30')], at: '15m' },
  },
];
