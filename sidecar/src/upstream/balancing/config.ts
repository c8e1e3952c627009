/**
 * The section `loadBalancer` of a TrafficPolicy.
 */
import { z } from 'zod';

/** Kept from one policy to the next, and bounded, because a window without an end would be a different weight. */
const MAX_WINDOW_MS = 3_600_000;
const MAX_NAME_BYTES = 128;

// RFC 9110 section 5.6.2, in lower case: names are compared without regard to case.
const fieldName = z
  .string()
  .max(MAX_NAME_BYTES)
  .regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, 'must be the name of a header field')
  .transform((name) => name.toLowerCase());
// RFC 6265 section 4.1.1.
const cookieName = z
  .string()
  .max(MAX_NAME_BYTES)
  .regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, 'must be the name of a cookie');

/** What keeps requests together: all that have the same value go to the same endpoint. */
const hash = z.union(
  [
    z.strictObject({ header: fieldName }),
    z.strictObject({ cookie: cookieName }),
    z.strictObject({ source: z.literal(true) }),
  ],
  { error: 'must be one of { header: name }, { cookie: name } and { source: true }' },
);

export const loadBalancer = z
  .strictObject({
    algorithm: z.enum(['peakEwma', 'leastRequest', 'roundRobin', 'ringHash', 'maglev']).default('peakEwma'),
    decayMs: z.int().min(100).max(600_000).default(10_000),
    hash: hash.optional(),
    loadBound: z.number().min(1.05).max(10).optional(),
    zoneAware: z.enum(['on', 'off']).default('on'),
    slowStart: z
      .strictObject({
        windowMs: z.int().min(0).max(MAX_WINDOW_MS).default(10_000),
        minShare: z.number().min(0.01).max(1).default(0.1),
      })
      .prefault({}),
    panicThreshold: z.number().min(0).max(1).default(0.5),
  })
  .superRefine(({ algorithm, hash, loadBound }, context) => {
    const hashes = algorithm === 'ringHash' || algorithm === 'maglev';
    const complain = (key: string, message: string, suggestion: string): void => {
      context.addIssue({ code: 'custom', path: [key], message, params: { suggestion } });
    };
    if (hashes && hash === undefined) {
      complain(
        'hash',
        `is required with ${algorithm}`,
        'write `hash: { header: x-session }`, or another source',
      );
    }
    if (hashes) return;
    for (const [key, value] of Object.entries({ hash, loadBound })) {
      if (value !== undefined)
        complain(key, `has no effect with ${algorithm}`, 'use ringHash or maglev, or remove it');
    }
  });

export type LoadBalancerSpec = z.output<typeof loadBalancer>;
export type HashSource = z.output<typeof hash>;
