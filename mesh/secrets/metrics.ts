/**
 * What of secrets is counted and alarmed on. Labels are names from the config; no value is ever one.
 */
import type { Registry } from 'prom-client';
import { register } from '../../sidecar/src/observe/family.ts';
import { counter, gauge } from '../../sidecar/src/observe/metric.ts';
import type { Secrets } from './open-secrets.ts';

export const SECRETS_STALE = gauge(
  'tulle_secrets_stale_seconds',
  'Since the first refresh of a secret that failed; 0 while all is well.',
  ['secret'],
);
export const SECRETS_LEASE = gauge(
  'tulle_secrets_lease_seconds',
  'Until the end of what Vault has lent, negative when it is over.',
  ['secret'],
);
export const SECRETS_ROTATIONS = counter(
  'tulle_secrets_rotations_total',
  'How often another secret took the place of the former.',
  ['secret'],
);
export const SECRETS_VAULT_UP = gauge('tulle_secrets_vault_up', 'Whether Vault is of use: 1 or 0.');

export function registerSecrets(registry: Registry, secrets: Secrets): void {
  register(registry, SECRETS_STALE, function* () {
    for (const { name, staleSeconds } of secrets.states()) yield [{ secret: name }, staleSeconds];
  });
  register(registry, SECRETS_LEASE, function* () {
    for (const { name, leaseSeconds } of secrets.states())
      if (leaseSeconds !== null) yield [{ secret: name }, leaseSeconds];
  });
  register(registry, SECRETS_ROTATIONS, function* () {
    for (const { name, rotations } of secrets.states()) yield [{ secret: name }, rotations];
  });
  register(registry, SECRETS_VAULT_UP, function* () {
    yield [{}, secrets.vaultAwayReason === null ? 1 : 0];
  });
}
