/**
 * Who asks for a certificate: evidence becomes a SPIFFE id, or a `Refusal`.
 *
 * Invariant: the id comes from evidence alone. Nothing of the certificate request but the hash of its key gets here.
 */
import type { TLSSocket } from 'node:tls';

export interface Attestor {
  /** The SPIFFE id that the evidence proves. Throws a `Refusal`. */
  attest(claim: Claim): Promise<string>;
}

export interface Claim {
  /** The bearer token of the request, or null. */
  readonly token: string | null;
  /** The connection it came by, with the certificate of the peer if there was one. */
  readonly socket: TLSSocket;
  /** SHA-256 of the public key whose owner has signed the request (DER of SubjectPublicKeyInfo), hexadecimal. */
  readonly keySha256: string;
}
