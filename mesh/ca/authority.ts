/**
 * The embedded certificate authority: one self-signed root that signs workload certificates directly.
 *
 * Invariants: it issues for its own trust domain only, whoever asks; nothing it signs outlives the root. With a state folder
 * the root is kept across restarts and its public part stands beside it as `roots.pem`; without one it lives as long as the
 * process (tests, benchmarks).
 */
import type { webcrypto } from 'node:crypto';
import { isTrustDomain, parseWorkloadId } from '../../sidecar/src/identity/spiffe-id.ts';
import {
  createRootCertificate,
  createServerCertificate,
  createSvidCertificate,
  importSigner,
  KEY_ALGORITHM,
  toPem,
  type Validity,
} from './certificates.ts';
import type { Issuer, SignedSvid, SignRequest } from './issuer.ts';
import { loadRoot, publishRoots, type RootPair, storeRoot } from './root-store.ts';

export interface AuthorityOptions {
  readonly trustDomain: string;
  readonly stateDir?: string;
  readonly nowMs?: () => number;
}

export type Authority = Issuer;

/** How far a peer's clock may be behind the authority's. */
const CLOCK_SKEW_MS = 5 * 60_000;
const ROOT_LIFETIME_MS = 10 * 365 * 24 * 3_600_000;

export async function createAuthority(options: AuthorityOptions): Promise<Authority> {
  const { trustDomain, nowMs = Date.now } = options;
  if (!isTrustDomain(trustDomain)) throw new Error(`"${trustDomain}" is not a SPIFFE trust domain`);
  const root = await openRoot(options, nowMs);
  const signer = await importSigner(root);
  if (signer.trustDomain !== trustDomain) {
    throw new Error(`The stored root belongs to trust domain ${signer.trustDomain}, not to ${trustDomain}`);
  }
  if (options.stateDir !== undefined) await publishRoots(options.stateDir, root.certificatePem);

  function validity(ttlSeconds: number, validFromMs: number): Validity {
    const rootEndMs = signer.certificate.notAfter.getTime();
    if (rootEndMs <= validFromMs)
      throw new Error('The root has expired: move it away to start with a new one');
    return {
      notBefore: new Date(wholeSeconds(validFromMs - CLOCK_SKEW_MS)),
      notAfter: new Date(Math.min(wholeSeconds(validFromMs) + ttlSeconds * 1000, rootEndMs)),
    };
  }

  return {
    trustDomain,
    // There is one root, for good.
    trustBundle: () => ({ sequence: 1, rootsPem: root.certificatePem }),
    onChanged: () => () => {},

    async sign({ csr, spiffeId, ttlSeconds, validFromMs = nowMs() }: SignRequest): Promise<SignedSvid> {
      if (parseWorkloadId(spiffeId)?.trustDomain !== trustDomain) {
        throw new Error(`"${spiffeId}" is not spiffe://${trustDomain}/ns/<namespace>/sa/<service account>`);
      }
      const period = validity(ttlSeconds, validFromMs);
      const certificate = await createSvidCertificate(signer, csr.publicKey, spiffeId, period);
      return {
        certificatesPem: toPem(certificate),
        serialNumber: certificate.serialNumber,
        notBeforeMs: period.notBefore.getTime(),
        notAfterMs: period.notAfter.getTime(),
      };
    },

    async issueServerCertificate(names, ttlSeconds) {
      const keys = await generateKeys();
      const period = validity(ttlSeconds, nowMs());
      const certificate = await createServerCertificate(signer, keys.publicKey, names, period);
      return { certificatePem: toPem(certificate), keyPem: await exportKey(keys.privateKey) };
    },
  };
}

async function openRoot({ trustDomain, stateDir }: AuthorityOptions, nowMs: () => number): Promise<RootPair> {
  const stored = stateDir === undefined ? null : await loadRoot(stateDir);
  if (stored !== null) return stored;
  const keys = await generateKeys();
  const startMs = wholeSeconds(nowMs());
  const certificate = await createRootCertificate(keys, trustDomain, {
    notBefore: new Date(startMs - CLOCK_SKEW_MS),
    notAfter: new Date(startMs + ROOT_LIFETIME_MS),
  });
  const created = { keyPem: await exportKey(keys.privateKey), certificatePem: toPem(certificate) };
  return stateDir === undefined ? created : storeRoot(stateDir, created);
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
}

async function exportKey(key: CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', key));
  return `-----BEGIN PRIVATE KEY-----\n${der.toString('base64').replace(/.{1,64}/g, '$&\n')}-----END PRIVATE KEY-----\n`;
}

/** Certificates do not know fractions of a second. */
function wholeSeconds(timeMs: number): number {
  return Math.floor(timeMs / 1000) * 1000;
}
