/**
 * What can turn the public key of a workload into an X.509 SVID: the embedded authority, or a PKI elsewhere.
 *
 * Invariant: the SPIFFE id is the caller's decision, made from proof of who asks. An issuer takes nothing but the public key
 * from a request.
 */
import type { CheckedCsr } from './csr.ts';

export interface Issuer {
  readonly trustDomain: string;
  sign(request: SignRequest): Promise<SignedSvid>;
  /** For the HTTPS interface of the authority itself: DNS names and IP addresses, no SPIFFE id. */
  issueServerCertificate(names: readonly string[], ttlSeconds: number): Promise<ServerCertificate>;
  /** What peers must trust now. Roots are in it before anything is signed by them. */
  trustBundle(): TrustBundle;
  /** Called after the bundle changed, or another root began to sign. Returns the function that takes the listener off again. */
  onChanged(listener: () => void): () => void;
}

export interface SignRequest {
  readonly csr: CheckedCsr;
  readonly spiffeId: string;
  readonly ttlSeconds: number;
  /** When the lifetime starts; now, unless a test or demonstration needs an expired or a future one. */
  readonly validFromMs?: number;
}

export interface SignedSvid {
  /** The leaf first, then intermediates if any; the root is not part of it. */
  readonly certificatesPem: string;
  /** Hexadecimal. */
  readonly serialNumber: string;
  /** Earlier than the start of the lifetime, for peers whose clocks are late. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface TrustBundle {
  /** Grows with every change of the roots. */
  readonly sequence: number;
  /** Trust anchors, PEM; at least one. */
  readonly rootsPem: string;
}

export interface ServerCertificate {
  /** The leaf first, then intermediates if any. */
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly notAfterMs: number;
}
