// Everything of the platform that speaks to Redis, busy: a service's commands, its job queue with a worker, and a sidecar's shared rate limits. Each counts
// what it did and why what failed did.

import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { until } from '../../mesh/secrets/vault.fixture.ts';
import { openJobQueue } from '../../services/lib/job-queue.ts';
import { RetryableFailure, startJobWorker } from '../../services/lib/job-worker.ts';
import type { Logger } from '../../services/lib/log.ts';
import { ServiceMetrics } from '../../services/lib/metrics.ts';
import { openRedis, redisAccess } from '../../services/lib/redis.ts';
import type { WatchSecret } from '../../services/lib/service-secrets.ts';
import { systemClock } from '../../sidecar/src/core/clock.ts';
import { spec } from '../../sidecar/src/filters/rate-limit/config.ts';
import { compileWindow } from '../../sidecar/src/filters/rate-limit/gcra.ts';
import { RateLimits } from '../../sidecar/src/filters/rate-limit/rate-limits.ts';
import type { SharedStore } from '../../sidecar/src/filters/rate-limit/shared-store.ts';

export interface LoadOptions {
  readonly redisPort: number;
  /** Where the agent renders the credentials of the sidecar. */
  readonly credentialsFile: string;
  readonly watchSecret: WatchSecret;
  readonly log: Logger;
  readonly report: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

export interface Counts {
  /** Commands, jobs and questions that were answered. */
  done: number;
  /** By reason. */
  readonly failures: Map<string, number>;
}

export interface Load {
  /** What was counted since the last call. */
  take(): Counts;
  /** Resolves with the number of jobs that were accepted and never done. */
  stop(): Promise<number>;
}

const CALLERS = 4;
const PAUSE_MS = 4;
const QUESTION_MS = 500;
const DRAIN_MS = 20_000;

export async function startLoad(options: LoadOptions): Promise<Load> {
  const { log, report, watchSecret } = options;
  const url = `redis://127.0.0.1:${options.redisPort}`;
  const access = redisAccess({ config: { redis: { url }, secrets: { redis: true } }, log, watchSecret });
  const redis = openRedis(access);
  const metrics = new ServiceMetrics('rotation');
  const queue = openJobQueue('rotation', redis, metrics);
  const open = new Set<string>();
  const worker = startJobWorker({
    queueName: 'rotation',
    redis: access,
    concurrency: CALLERS,
    retry: { attempts: 50, firstDelayMs: 100, maxDelayMs: 1_000 },
    keptFailures: 100,
    workSchema: z.strictObject({ fails: z.boolean() }),
    ...{ log, metrics },
    random: Math.random,
    async process({ id, work, attempt }) {
      // Delayed jobs make the worker's connection wait longer than idle ones.
      if (work.fails && attempt === 1) throw new RetryableFailure('on purpose');
      open.delete(id);
    },
  });
  const limits = new RateLimits({ clock: systemClock, random: Math.random, report });
  const store = openStore(limits, options);
  let counts: Counts = { done: 0, failures: new Map() };
  let running = true;
  let jobs = 0;

  const count = async (who: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
      counts.done++;
    } catch (error) {
      const cause = (error as Error).cause as Error | undefined;
      const reason = `${who}: ${cause?.message ?? (error as Error).message}`;
      counts.failures.set(reason, (counts.failures.get(reason) ?? 0) + 1);
    }
  };
  const repeat = async (who: string, work: () => Promise<unknown>): Promise<void> => {
    while (running) {
      await count(who, work);
      await sleep(PAUSE_MS);
    }
  };
  const addJob = async () => {
    const id = `job-${jobs++}`;
    open.add(id);
    try {
      await queue.add({ id, tenant: 'rotation', work: { fails: jobs % 10 === 0 } });
    } catch (error) {
      open.delete(id);
      throw error;
    }
  };
  await until('connections', () => redis.status === 'ready' && [...limits.stores()].every(({ up }) => up));
  const callers = Promise.all([
    ...Array.from({ length: CALLERS }, () => repeat('command', () => redis.incr('rotation'))),
    repeat('job', addJob),
    ...Array.from({ length: CALLERS }, () => repeat('question', () => ask(store))),
  ]);
  return {
    take() {
      const taken = counts;
      counts = { done: 0, failures: new Map() };
      return taken;
    },
    async stop() {
      running = false;
      await callers;
      const deadline = performance.now() + DRAIN_MS;
      while (open.size > 0 && performance.now() < deadline) await sleep(20);
      await worker.drain();
      await queue.close();
      redis.disconnect();
      limits.close();
      return open.size;
    },
  };
}

function openStore(limits: RateLimits, { redisPort, credentialsFile }: LoadOptions): SharedStore {
  const policy = spec.parse({
    limits: [{ name: 'all', scope: 'global', windows: [{ quota: 1, windowSeconds: 1 }] }],
    redis: { endpoints: [`127.0.0.1:${redisPort}`], deadlineMs: QUESTION_MS, credentialsFile },
  });
  const { store } = limits.compile({ namespace: 'rotation', name: 'all', spec: policy });
  return store as SharedStore;
}

function ask(store: SharedStore): Promise<void> {
  return new Promise((resolve, reject) => {
    const taken = store.ask({
      id: 'rotation/all',
      key: 'key',
      cost: 1,
      windows: [compileWindow({ quota: 100_000, windowSeconds: 1, burst: 100_000 })],
      onAnswer: () => resolve(),
      onFailure: () => reject(new Error('the store did not answer')),
    });
    if (!taken) reject(new Error('the store took no question'));
  });
}
