/**
 * API keys of the tenants. The file holds the SHA-256 of each key, so that reading it gives nobody a key.
 *
 * Invariants: a presented key is compared with every stored hash in constant time, so that timing tells neither a hash nor a tenant;
 * SHA-256 without salt is enough only because keys are long random strings, which the README asks for.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { slug } from '../lib/contracts.ts';
import { LIMITS } from '../lib/limits.ts';

const keyHash = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, 'must be sha256: followed by 64 lower-case hex digits')
  .transform((text) => Buffer.from(text.slice('sha256:'.length), 'hex'));

export const apiKeysFile = z
  .strictObject({
    keys: z
      .array(z.strictObject({ tenant: slug, hash: keyHash }))
      .min(1)
      .max(LIMITS.apiKeys),
  })
  .refine(({ keys }) => new Set(keys.map((key) => key.hash.toString('hex'))).size === keys.length, {
    error: 'the same hash stands there twice: a key belongs to one tenant',
    path: ['keys'],
  });

export type ApiKeys = z.infer<typeof apiKeysFile>['keys'];

/** The tenant whose key this is, or null. */
export function findTenant(keys: ApiKeys, presented: string): string | null {
  if (presented.length > LIMITS.apiKeyChars) return null;
  const hash = createHash('sha256').update(presented).digest();
  let tenant: string | null = null;
  for (const key of keys) {
    if (timingSafeEqual(key.hash, hash)) tenant = key.tenant;
  }
  return tenant;
}
