/**
 * What a TrafficPolicy may say of the endpoints of a service (`spec`, strict: an unknown key is an error), and what holds without one.
 */
import { z } from 'zod';
import { concurrencySpec } from '../filters/concurrency/config.ts';
import { hedgeSpec } from '../filters/hedge/config.ts';
import { retrySpec } from '../filters/retry/config.ts';
import { loadBalancer } from './balancing/config.ts';
import { healthCheck } from './health/config.ts';
import { outlierDetection } from './outliers/config.ts';

const timeoutMs = z.int().min(1).max(3_600_000);

/** Beside those of the sidecar, which bound how long nothing may happen: how long something may take in all. */
const timeouts = z.strictObject({
  /** From the first byte of the request to the end of the response. */
  requestMs: timeoutMs.optional(),
  /** From the head of an attempt to the head of its response. */
  attemptMs: timeoutMs.optional(),
});

export const spec = z.strictObject({
  loadBalancer: loadBalancer.prefault({}),
  outlierDetection: outlierDetection.optional(),
  healthCheck: healthCheck.optional(),
  timeouts: timeouts.prefault({}),
  retry: retrySpec.optional(),
  hedge: hedgeSpec.optional(),
  concurrency: concurrencySpec.optional(),
});

/** Sections about the endpoints of a service: a route, which may send requests to several, has none. */
export const ENDPOINT_SECTIONS: readonly string[] = ['loadBalancer', 'outlierDetection', 'healthCheck'];

export type TrafficSpec = z.output<typeof spec>;

export const DEFAULT_TRAFFIC: TrafficSpec = Object.freeze(spec.parse({}));
