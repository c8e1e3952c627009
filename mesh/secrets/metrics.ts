/**
 * What of secrets is counted and alarmed on. Labels are names from the config; no value is ever one.
 */
import type { Registry } from 'prom-client';
import { registerCounter, registerGauge } from '../../sidecar/src/observe/family.ts';
import type { Secrets } from './open-secrets.ts';

export function registerSecrets(registry: Registry, secrets: Secrets): void {
  registerGauge(
    registry,
    'tulle_secrets_stale_seconds',
    'Since the first refresh of a secret that failed; 0 while all is well.',
    function* () {
      for (const { name, staleSeconds } of secrets.states()) yield [{ secret: name }, staleSeconds];
    },
  );
  registerGauge(
    registry,
    'tulle_secrets_lease_seconds',
    'Until the end of what Vault has lent, negative when it is over.',
    function* () {
      for (const { name, leaseSeconds } of secrets.states())
        if (leaseSeconds !== null) yield [{ secret: name }, leaseSeconds];
    },
  );
  registerCounter(
    registry,
    'tulle_secrets_rotations_total',
    'How often another secret took the place of the former.',
    function* () {
      for (const { name, rotations } of secrets.states()) yield [{ secret: name }, rotations];
    },
  );
  registerGauge(registry, 'tulle_secrets_vault_up', 'Whether Vault is of use: 1 or 0.', function* () {
    yield [{}, secrets.vaultAwayReason === null ? 1 : 0];
  });
}
