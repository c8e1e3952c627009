/**
 * The `retry` section of a TrafficPolicy.
 */
import { z } from 'zod';
import { policyMode } from '../../config/values.ts';

/** Why an attempt may be repeated, beside the statuses that are listed by number. */
export const RETRY_CONDITIONS = ['connect-failure', 'reset', 'timeout'] as const;
export type RetryCondition = (typeof RETRY_CONDITIONS)[number];

export const RETRY_CONFIG_LIMITS = {
  attempts: 10,
  backoffMs: 60_000,
  /** More would be a cache of uploads. */
  bufferBytes: 1_048_576,
  minPerSecond: 1_000,
} as const;

const status = z.int().min(400).max(599);
const grpcStatus = z.int().min(1).max(16);
const backoffMs = z.int().min(0).max(RETRY_CONFIG_LIMITS.backoffMs);

export const retrySpec = z.strictObject({
  mode: policyMode,
  /** In all, the first included. */
  attempts: z.int().min(2).max(RETRY_CONFIG_LIMITS.attempts).default(3),
  on: z.array(z.enum(RETRY_CONDITIONS)).default([...RETRY_CONDITIONS]),
  statuses: z.array(status).max(32).default([502, 503, 504]),
  grpcStatuses: z.array(grpcStatus).max(16).default([14]),
  backoff: z
    .strictObject({ baseMs: backoffMs.default(25), maxMs: backoffMs.default(1_000) })
    .refine(({ baseMs, maxMs }) => baseMs <= maxMs, 'maxMs must not be below baseMs')
    .prefault({}),
  budget: z
    .strictObject({
      percent: z.number().min(0).max(100).default(20),
      minPerSecond: z.int().min(0).max(RETRY_CONFIG_LIMITS.minPerSecond).default(3),
    })
    .prefault({}),
  bufferBytes: z.int().min(0).max(RETRY_CONFIG_LIMITS.bufferBytes).default(65_536),
});

export type RetrySpec = z.output<typeof retrySpec>;
