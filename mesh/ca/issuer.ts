/**
 * What can turn a certificate request into an X.509 SVID. The embedded authority is the one implementation.
 *
 * Invariant: the SPIFFE id is the caller's decision, made from proof of who asks. An issuer takes nothing but the public key
 * from a request.
 */
export interface Issuer {
  readonly trustDomain: string;
  /** Trust anchors, PEM. */
  readonly rootsPem: string;
  /** Throws `InvalidCsr` when the request is at fault. */
  issue(request: IssueRequest): Promise<IssuedSvid>;
}

export interface IssueRequest {
  /** PKCS#10 in PEM. */
  readonly csr: string;
  readonly spiffeId: string;
  readonly ttlSeconds: number;
  /** When the lifetime starts; now, unless a test or demonstration needs an expired or a future one. */
  readonly validFromMs?: number;
}

export interface IssuedSvid {
  /** The leaf first, then intermediates if any; the root is not part of it. */
  readonly certificatesPem: string;
  readonly spiffeId: string;
  /** Hexadecimal. */
  readonly serialNumber: string;
  /** Earlier than the start of the lifetime, for peers whose clocks are late. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}
