/**
 * What a FaultPolicy says: which requests are delayed or answered with an error on purpose, to see how the caller bears it.
 */
import { z } from 'zod';
import { policyMode } from '../../config/values.ts';
import { headerMatches } from '../../routing/field-match.ts';

/** An hour, as for timeouts. */
const MAX_DELAY_MS = 3_600_000;

const percentage = z.number().min(0).max(100).default(100);

export const spec = z
  .strictObject({
    mode: policyMode,
    headers: headerMatches,
    delay: z.strictObject({ percentage, delayMs: z.int().min(1).max(MAX_DELAY_MS) }).optional(),
    abort: z
      .strictObject({
        percentage,
        httpStatus: z.int().min(400).max(599).default(503),
        grpcStatus: z.int().min(1).max(16).default(14),
      })
      .optional(),
  })
  .superRefine(({ delay, abort }, context) => {
    if (delay !== undefined || abort !== undefined) return;
    context.addIssue({
      code: 'custom',
      message: 'must have at least one of delay and abort',
      params: { suggestion: 'add `delay: { delayMs: 200 }` or `abort: { httpStatus: 503 }`' },
    });
  });

export type FaultSpec = z.output<typeof spec>;
