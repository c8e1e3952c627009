/**
 * The embedded authority as part of the process: opened with the passphrase of its keys, maintained, and measured.
 */
import type { Registry } from 'prom-client';
import { createAuthority } from './authority.ts';
import type { Rotation } from './commands.ts';
import type { AuthorityConfig } from './config.ts';
import type { Issuer } from './issuer.ts';
import { LIMITS } from './limits.ts';
import { registerIntermediateExpiry } from './metrics.ts';
import { readPassphrase } from './sealed-key.ts';

/** An issuer, its metrics, and how it ends. */
export interface OpenIssuer {
  readonly issuer: Issuer;
  /** Null where the root is kept elsewhere. */
  readonly rotation: Rotation | null;
  register(registry: Registry): void;
  close(): void;
}

type Report = (event: { readonly event: string; readonly reason: string }) => void;

export async function openEmbedded(config: AuthorityConfig, report: Report): Promise<OpenIssuer> {
  const { trustDomain, stateDir, passphraseFile, svidTtlSeconds, trustRefreshSeconds } = config;
  if (passphraseFile === null) throw new Error('no passphraseFile: config.ts lets none through');
  const issuer = await createAuthority({
    trustDomain,
    state: { folder: stateDir, passphrase: await readPassphrase(passphraseFile) },
    intermediateTtlSeconds: config.intermediateTtlSeconds,
    // Whoever could not hear of the new root for that long has no valid certificate any more.
    spreadSeconds: svidTtlSeconds + trustRefreshSeconds,
  });
  const maintain = () =>
    issuer.maintain().catch(({ message }: Error) => report({ event: 'maintenance_failed', reason: message }));
  await maintain();
  const timer = setInterval(() => void maintain(), LIMITS.maintenanceMs).unref();
  return {
    issuer,
    rotation: issuer,
    register: (registry) => registerIntermediateExpiry(registry, () => issuer.expiry.intermediateEndMs),
    close: () => clearInterval(timer),
  };
}
