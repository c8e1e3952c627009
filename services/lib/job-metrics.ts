/**
 * What is counted of job queues. Each process counts what it did itself; how deep a queue is, all that use it say alike.
 */
import { counter, gauge, histogram } from '../../sidecar/src/observe/metric.ts';
import type { ServiceMetrics } from './metrics.ts';
import type { QueueDepth } from './queue-depth.ts';

/** From what is done at once to what waits for a night. */
const WAIT_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600];
const ATTEMPT_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

export const QUEUE_UP = gauge('tulle_queue_up', 'Whether Redis told how deep the queue is: 1 or 0.', [
  'queue',
]);
export const QUEUE_JOBS = gauge(
  'tulle_queue_jobs',
  'Jobs in the queue; those that `failed` for good are its dead letters. Every process that uses the queue says the same.',
  ['queue', 'state'],
);
export const QUEUE_OLDEST_AGE = gauge(
  'tulle_queue_oldest_age_seconds',
  'How long the first of the waiting jobs has waited that was not tried yet; 0 without one.',
  ['queue'],
);
export const QUEUE_SUBMISSIONS = counter(
  'tulle_queue_submissions_total',
  'Jobs that were to be queued: `accepted`, or refused because the queue was `full` or Redis `unavailable`.',
  ['queue', 'outcome'],
);
export const QUEUE_WAIT = histogram(
  'tulle_queue_wait_seconds',
  'From the queueing of a job to the start of its first attempt.',
  ['queue'],
  WAIT_SECONDS,
);
export const QUEUE_ATTEMPTS = counter(
  'tulle_queue_attempts_total',
  'Attempts at jobs that ended: `completed`, `retried` later, or `failed` for good.',
  ['queue', 'outcome'],
);
export const QUEUE_ATTEMPT_DURATION = histogram(
  'tulle_queue_attempt_duration_seconds',
  'How long an attempt at a job took.',
  ['queue'],
  ATTEMPT_SECONDS,
);
export const QUEUE_DEAD_LETTERS = counter(
  'tulle_queue_dead_letters_total',
  'Jobs that became dead letters: an attempt failed for good, or their workers died too often.',
  ['queue'],
);
export const QUEUE_STALLED = counter(
  'tulle_queue_stalled_total',
  'Jobs that were taken back from a worker that had died or hung.',
  ['queue'],
);

export type Submission = 'accepted' | 'full' | 'unavailable';
export type AttemptOutcome = 'completed' | 'retried' | 'failed';

export function registerDepth(metrics: ServiceMetrics, queue: string, depth: QueueDepth): void {
  metrics.beforeScrape(() => depth.refresh());
  metrics.gauge(QUEUE_UP, () => [[{ queue }, depth.reading === null ? 0 : 1]]);
  metrics.gauge(QUEUE_JOBS, function* () {
    for (const [state, count] of Object.entries(depth.reading?.jobs ?? {})) yield [{ queue, state }, count];
  });
  metrics.gauge(QUEUE_OLDEST_AGE, function* () {
    if (depth.reading !== null) yield [{ queue }, depth.reading.oldestAgeMs / 1_000];
  });
}

/** Returns how one is counted. */
export function countSubmissions(metrics: ServiceMetrics, queue: string): (outcome: Submission) => void {
  const submissions = metrics.counter(QUEUE_SUBMISSIONS);
  // A rate needs the zero before the first.
  for (const outcome of ['accepted', 'full', 'unavailable']) submissions.inc({ queue, outcome }, 0);
  return (outcome) => submissions.inc({ queue, outcome });
}

export class WorkerMetrics {
  readonly onWaited: (ms: number) => void;
  readonly onAttempt: (outcome: AttemptOutcome, ms: number) => void;
  readonly onDeadLetter: () => void;
  readonly onStalled: () => void;

  constructor(metrics: ServiceMetrics, queue: string) {
    const wait = metrics.histogram(QUEUE_WAIT);
    const attempts = metrics.counter(QUEUE_ATTEMPTS);
    const duration = metrics.histogram(QUEUE_ATTEMPT_DURATION);
    const deadLetters = metrics.counter(QUEUE_DEAD_LETTERS);
    const stalled = metrics.counter(QUEUE_STALLED);
    for (const outcome of ['completed', 'retried', 'failed']) attempts.inc({ queue, outcome }, 0);
    for (const count of [deadLetters, stalled]) count.inc({ queue }, 0);
    this.onWaited = (ms) => wait.observe({ queue }, ms / 1_000);
    this.onAttempt = (outcome, ms) => {
      attempts.inc({ queue, outcome });
      duration.observe({ queue }, ms / 1_000);
    };
    this.onDeadLetter = () => deadLetters.inc({ queue });
    this.onStalled = () => stalled.inc({ queue });
  }
}
