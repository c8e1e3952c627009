/**
 * The `concurrency` section of a TrafficPolicy.
 */
import { z } from 'zod';
import { policyMode } from '../../config/values.ts';

export const CONCURRENCY_CONFIG_LIMITS = { limit: 100_000, queue: 10_000, queueTimeoutMs: 60_000 } as const;

const limit = z.int().min(1).max(CONCURRENCY_CONFIG_LIMITS.limit);

export const concurrencySpec = z
  .strictObject({
    mode: policyMode,
    /** Exchanges at once; with `adaptive` the most that it may come to. */
    limit,
    /** Finds the limit by itself, from how latency answers to load. */
    adaptive: z.strictObject({ initial: limit.default(20), min: limit.default(1) }).optional(),
    queue: z
      .strictObject({
        size: z.int().min(0).max(CONCURRENCY_CONFIG_LIMITS.queue).default(0),
        timeoutMs: z.int().min(1).max(CONCURRENCY_CONFIG_LIMITS.queueTimeoutMs).default(500),
      })
      .prefault({}),
  })
  .refine(
    ({ limit: most, adaptive }) =>
      adaptive === undefined || (adaptive.min <= adaptive.initial && adaptive.initial <= most),
    'adaptive.min, adaptive.initial and limit must not fall',
  );

export type ConcurrencySpec = z.output<typeof concurrencySpec>;
