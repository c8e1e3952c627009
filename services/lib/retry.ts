/**
 * When to try again: exponential back-off with jitter, a bounded number of attempts.
 *
 * Invariants: a delay is at least half of its step, so that a struggling target gets its rest, and at most `maxDelayMs`; what the target
 * asks for by retry-after can make a delay longer, never longer than `maxDelayMs`.
 */
import { z } from 'zod';
import { LIMITS } from './limits.ts';

const DAY_MS = 86_400_000;
const HTTP_DATE = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;

export const retryPolicy = z
  .strictObject({
    attempts: z.int().min(1).max(LIMITS.jobAttempts),
    firstDelayMs: z.int().min(1).max(DAY_MS),
    maxDelayMs: z.int().min(1).max(DAY_MS),
  })
  .refine((policy) => policy.firstDelayMs <= policy.maxDelayMs, 'firstDelayMs must not exceed maxDelayMs');

export type RetryPolicy = z.infer<typeof retryPolicy>;

/** The delay before the next attempt, or null when `failedAttempts` were all there may be. */
export function nextDelayMs(
  policy: RetryPolicy,
  failedAttempts: number,
  random: () => number,
  retryAfterMs = 0,
): number | null {
  if (failedAttempts >= policy.attempts) return null;
  const stepMs = Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** (failedAttempts - 1));
  const jitteredMs = stepMs / 2 + random() * (stepMs / 2);
  return Math.ceil(Math.max(jitteredMs, Math.min(retryAfterMs, policy.maxDelayMs)));
}

/** Reads retry-after (RFC 9110, section 10.2.3): seconds or a date. 0 when there is none or it cannot be read. */
export function parseRetryAfterMs(value: string | undefined, nowMs: number): number {
  if (value === undefined) return 0;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1_000;
  // Date.parse alone takes almost anything: "-1" would be a date in 2001.
  return HTTP_DATE.test(value) ? Math.max(0, Date.parse(value) - nowMs || 0) : 0;
}
