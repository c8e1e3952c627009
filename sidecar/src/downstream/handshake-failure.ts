/**
 * Why a peer did not get in by its TLS handshake: a closed list, so that metrics can have it as a label.
 */
export const HANDSHAKE_FAILURES = [
  'no_certificate',
  'expired',
  'not_yet_valid',
  /** Of an authority, or for a purpose, that does not count here. */
  'untrusted',
  /** A good certificate that does not say, in one SPIFFE id of the own trust domain, whose it is. */
  'no_identity',
  /** A good certificate whose owner or number is on the deny list. */
  'denied',
  /** What came was not TLS, or no TLS that is spoken here. */
  'no_tls',
  'timeout',
  /** The peer went away. */
  'aborted',
] as const;

export type HandshakeFailure = (typeof HANDSHAKE_FAILURES)[number];

/** `verification` is what the check of the peer's certificate came to, which `error` does not tell. */
export function handshakeFailureOf(error: Error, verification: unknown): HandshakeFailure {
  if (verification !== undefined && verification !== null) return ofVerification(String(verification));
  const { code = '' } = error as NodeJS.ErrnoException;
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return 'timeout';
  if (code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') return 'no_certificate';
  return code.startsWith('ERR_SSL_') ? 'no_tls' : 'aborted';
}

/** By the names that OpenSSL has for it. */
function ofVerification(reason: string): HandshakeFailure {
  if (reason === 'CERT_HAS_EXPIRED') return 'expired';
  return reason === 'CERT_NOT_YET_VALID' ? 'not_yet_valid' : 'untrusted';
}
