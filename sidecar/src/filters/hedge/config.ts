/**
 * The `hedge` section of a TrafficPolicy.
 */
import { z } from 'zod';
import { policyMode } from '../../config/values.ts';

export const hedgeSpec = z.strictObject({
  mode: policyMode,
  /** A second attempt begins when the first has taken longer than this share of the service's answers took lately. */
  percentile: z.number().min(50).max(99.9).default(95),
  /** Not before, however fast the service is. */
  minDelayMs: z.int().min(1).max(60_000).default(10),
  budget: z
    .strictObject({
      percent: z.number().min(0).max(100).default(10),
      minPerSecond: z.int().min(0).max(1_000).default(1),
    })
    .prefault({}),
});

export type HedgeSpec = z.output<typeof hedgeSpec>;
