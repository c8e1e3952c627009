/**
 * Whether what another authority has signed is what was asked for: nothing else is handed out under this authority's name.
 *
 * Invariant: a certificate that passes has the key of the request, the one SPIFFE id and no other name, is no authority's, is good for both sides of a connection now and no longer
 * than asked, and its chain leads to one of the roots.
 */
import { createPublicKey, type webcrypto, type X509Certificate } from 'node:crypto';
import { checkChain } from '../../sidecar/src/identity/svid.ts';

export interface Wanted {
  readonly publicKey: webcrypto.CryptoKey;
  readonly spiffeId: string;
  readonly ttlSeconds: number;
}

/** Clocks of two machines. */
const SKEW_MS = 60_000;
const SERVER_AND_CLIENT = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'];

/** `chain`: the leaf first, without the root. Throws an error that says what is wrong. */
export async function checkSvid(
  chain: readonly X509Certificate[],
  roots: readonly X509Certificate[],
  wanted: Wanted,
  nowMs: number,
): Promise<void> {
  const [leaf] = chain;
  const refuse = (what: string): never => {
    throw new Error(`the certificate that was signed ${what}; look at the role`);
  };
  if (leaf === undefined) return refuse('is none');
  if (!leaf.publicKey.equals(await toKeyObject(wanted.publicKey))) refuse('has another key');
  if (leaf.subjectAltName !== `URI:${wanted.spiffeId}`) {
    refuse(`has the names "${leaf.subjectAltName}", not ${wanted.spiffeId} alone`);
  }
  // Verifiers fall back to a common name where there is no DNS name.
  if (/^CN=/m.test(leaf.subject)) refuse('has a common name');
  if (leaf.ca) refuse('is that of an authority');
  if (!SERVER_AND_CLIENT.every((usage) => leaf.keyUsage?.includes(usage))) {
    refuse('is not for servers and clients');
  }
  const endMs = leaf.validToDate.getTime();
  if (leaf.validFromDate.getTime() > nowMs + SKEW_MS || endMs <= nowMs) refuse('is not valid now');
  if (endMs > nowMs + wanted.ttlSeconds * 1_000 + SKEW_MS) refuse(`lives longer than ${wanted.ttlSeconds} s`);
  checkChain(chain, roots);
}

async function toKeyObject(key: webcrypto.CryptoKey) {
  const spki = Buffer.from(await crypto.subtle.exportKey('spki', key));
  return createPublicKey({ key: spki, format: 'der', type: 'spki' });
}
