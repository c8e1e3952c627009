/**
 * The section `outlierDetection` of a TrafficPolicy: when an endpoint that others do better than is left out for a while.
 */
import { z } from 'zod';
import { policyMode } from '../../config/values.ts';

const MAX_MS = 3_600_000;
const MAX_HOSTS = 256;
const MAX_COUNT = 100_000;

/** 0 for a check that is not made. */
const inARow = (count: number) => z.int().min(0).max(1_000).default(count);
const atLeast = (least: number, most: number, count: number) => z.int().min(least).max(most).default(count);

export const outlierDetection = z
  .strictObject({
    mode: policyMode,
    consecutive: z
      .strictObject({ gatewayFailures: inARow(5), connectFailures: inARow(3), errors: inARow(0) })
      .prefault({}),
    intervalMs: atLeast(100, MAX_MS, 10_000),
    successRate: z
      .strictObject({
        factor: z.number().min(0.1).max(10).default(1.9),
        minHosts: atLeast(2, MAX_HOSTS, 5),
        minRequests: atLeast(1, MAX_COUNT, 100),
      })
      .optional(),
    latency: z
      .strictObject({
        factor: z.number().min(1.1).max(1_000).default(3),
        minMs: z.number().min(0).max(MAX_MS).default(10),
        minHosts: atLeast(2, MAX_HOSTS, 3),
        minRequests: atLeast(1, MAX_COUNT, 20),
      })
      .optional(),
    ejection: z
      .strictObject({
        baseMs: atLeast(100, MAX_MS, 10_000),
        maxMs: atLeast(100, MAX_MS, 300_000),
        jitter: z.number().min(0).max(1).default(0.2),
        maxShare: z.number().min(0).max(1).default(0.5),
      })
      .prefault({}),
  })
  .superRefine(({ ejection: { baseMs, maxMs } }, context) => {
    if (maxMs >= baseMs) return;
    context.addIssue({
      code: 'custom',
      path: ['ejection', 'maxMs'],
      message: `must not be less than baseMs, which is ${baseMs}`,
      params: { suggestion: `write a number from ${baseMs} on` },
    });
  });

export type OutlierSpec = z.output<typeof outlierDetection>;
