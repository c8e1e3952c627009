/**
 * What the authority has that ends, and whether that is too soon: read from the state folder, without the passphrase and whether the authority runs or not.
 *
 * Invariants: a root that is about to be retired does not count, as its end is meant. Nothing that counts is an error and never all right.
 */
import type { X509Certificate } from 'node:crypto';
import { readCertificates } from '../../sidecar/src/identity/svid.ts';
import { readAuthorityState } from './authority-store.ts';
import type { AuthorityConfig } from './config.ts';
import { readBundle } from './vault-state.ts';

export interface Expiry {
  readonly certificate: 'root' | 'intermediate';
  readonly id: string;
  readonly notAfterMs: number;
  /** It has to last that much longer from now. */
  readonly thresholdMs: number;
}

export interface Thresholds {
  /** Time to prepare and to spread another one. */
  readonly rootMs: number;
  /** It is replaced at half of its lifetime. */
  readonly intermediateMs: number;
}

/** Throws when there is nothing to look at. */
export async function readExpiries(
  { stateDir, vault }: Pick<AuthorityConfig, 'stateDir' | 'vault'>,
  { rootMs, intermediateMs }: Thresholds,
): Promise<readonly Expiry[]> {
  const toRoot = (root: X509Certificate): Expiry => ({
    certificate: 'root',
    id: rootId(root),
    notAfterMs: root.validToDate.getTime(),
    thresholdMs: rootMs,
  });
  if (vault !== null) {
    const bundle = await readBundle(stateDir);
    if (bundle === null)
      throw new Error(`${stateDir}: holds no trust bundle; has the authority been started?`);
    // Which one signs is known to Vault alone: the last to end is the one to go on with.
    const roots = readCertificates(bundle.rootsPem, 'roots').map(toRoot);
    return roots.sort((one, other) => other.notAfterMs - one.notAfterMs).slice(0, 1);
  }
  const state = await readAuthorityState(stateDir);
  if (state === null) throw new Error(`${stateDir}: holds no authority; has it been started?`);
  const [intermediate] = readCertificates(state.intermediate.certificatePem, 'intermediate') as [
    X509Certificate,
  ];
  const counting = state.roots.filter(({ role }) => role !== 'old');
  return [
    ...counting.flatMap(({ certificatePem }) => readCertificates(certificatePem, 'root').map(toRoot)),
    {
      certificate: 'intermediate',
      id: rootId(intermediate),
      notAfterMs: intermediate.validToDate.getTime(),
      thresholdMs: intermediateMs,
    },
  ];
}

export function isDue({ notAfterMs, thresholdMs }: Expiry, nowMs: number): boolean {
  return notAfterMs - nowMs < thresholdMs;
}

/** As the commands and files of the authority call it. */
export function rootId({ serialNumber }: X509Certificate): string {
  return serialNumber.toLowerCase().slice(0, 16);
}
