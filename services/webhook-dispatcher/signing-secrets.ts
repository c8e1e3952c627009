/**
 * The secrets that sign webhooks, a tenant's own each: with a shared one, any tenant could forge another's webhooks.
 */
import { z } from 'zod';
import { slug } from '../lib/contracts.ts';
import { LIMITS } from '../lib/limits.ts';
import { signingSecret } from '../lib/webhook-signature.ts';

export type SigningSecrets = ReadonlyMap<string, readonly Buffer[]>;

export const signingSecretsFile = z
  .strictObject({
    tenants: z.record(slug, z.array(signingSecret).min(1).max(LIMITS.signingSecretsPerTenant)),
  })
  .refine(({ tenants }) => Object.keys(tenants).length <= LIMITS.tenants, `at most ${LIMITS.tenants} tenants`)
  .transform(({ tenants }): SigningSecrets => new Map(Object.entries(tenants)));
