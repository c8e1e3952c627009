/**
 * Who asks for a certificate: evidence becomes a SPIFFE id, or a `Refusal`.
 *
 * Invariant: the id comes from evidence alone. Nothing of the certificate request but the hash of its key gets here.
 */
import type { TLSSocket } from 'node:tls';

export interface Attestor {
  /** Throws a `Refusal`. */
  attest(claim: Claim): Promise<Attested>;
}

export interface Attested {
  /** Whom the evidence proves. */
  readonly spiffeId: string;
  /**
   * Spends evidence that is good for one certificate: called when that is signed, and it is given away only after this resolved, so that an issuer that is away costs nobody
   * their evidence. Throws a `Refusal`.
   */
  readonly spend?: () => Promise<void>;
}

export interface Claim {
  /** The bearer token of the request, or null. */
  readonly token: string | null;
  /** The connection it came by, with the certificate of the peer if there was one. */
  readonly socket: TLSSocket;
  /** SHA-256 of the public key whose owner has signed the request (DER of SubjectPublicKeyInfo), hexadecimal. */
  readonly keySha256: string;
}
