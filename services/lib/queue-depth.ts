/**
 * How deep a queue is, asked of Redis when somebody wants to know.
 *
 * Invariants: one question at a time, and none while the last answer is fresh; whoever asks waits for `queueDepthMs` at most; what Redis did not tell
 * in that time is not known, rather than old.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { waitListOf } from './contracts.ts';
import { LIMITS } from './limits.ts';

export interface DepthReading {
  readonly jobs: Readonly<Record<(typeof STATES)[number], number>>;
  /** 0 without a waiting job that was not tried yet. */
  readonly oldestAgeMs: number;
}

const STATES = ['waiting', 'active', 'delayed', 'failed'] as const;

export class QueueDepth {
  /** Null while Redis is away. */
  reading: DepthReading | null = null;
  private readonly queue: Queue;
  private readonly redis: Redis;
  private readAtMs = Number.NEGATIVE_INFINITY;
  private question: Promise<void> | null = null;

  constructor(queue: Queue, redis: Redis) {
    this.queue = queue;
    this.redis = redis;
  }

  async refresh(): Promise<void> {
    if (performance.now() - this.readAtMs < LIMITS.queueDepthFreshMs) return;
    this.question ??= this.ask().finally(() => {
      this.question = null;
    });
    const late = sleep(LIMITS.queueDepthMs, 'late', { ref: false });
    if ((await Promise.race([this.question, late])) === 'late') this.reading = null;
  }

  private async ask(): Promise<void> {
    try {
      const [jobs, oldestAgeMs] = await Promise.all([
        this.queue.getJobCounts(...STATES),
        this.readOldestAgeMs(),
      ]);
      this.reading = { jobs: jobs as DepthReading['jobs'], oldestAgeMs };
      this.readAtMs = performance.now();
    } catch {
      // That Redis is away is told by its connection, and by `reading`.
      this.reading = null;
    }
  }

  /** Of a job that was tried before nobody knows when its back-off was over. */
  private async readOldestAgeMs(): Promise<number> {
    const next = await this.redis.lrange(waitListOf(this.queue.name), -LIMITS.queueLookAhead, -1);
    const jobs = await Promise.all(
      next.reverse().map((id) => this.redis.hmget(this.queue.toKey(id), 'timestamp', 'ats')),
    );
    const [timestamp] = jobs.find(([timestamp, started]) => timestamp !== null && started === null) ?? [];
    return timestamp ? Math.max(0, Date.now() - Number(timestamp)) : 0;
  }
}
