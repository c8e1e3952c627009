/**
 * Who may talk: TLS options for both sides of a connection between sidecars, and the identity of the peer.
 *
 * Invariants: TLS 1.3, or 1.2 with its strong suites where that is asked for; both sides present a P-256 certificate and verify the other's. A peer is known by the SPIFFE id
 * of its certificate and by nothing else; host names play no part. Roots vouch for their own trust domain alone. A full handshake with certificates precedes every
 * connection: sessions are not resumed, since a resumed one would outlive the certificate that it began with.
 */
import { constants, type X509Certificate } from 'node:crypto';
import {
  type ConnectionOptions,
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls';
import type { TlsVersion } from '../config/schema.ts';
import { type DenyList, isDenied } from './deny-list.ts';
import { checkChain, readCertificates, type Svid } from './svid.ts';
import { spiffeIdOf, trustDomainOf } from './uri-name.ts';

/** For `tls.createServer`, and again for `server.setSecureContext` when the SVID was rotated: open connections go on with theirs. */
export function serverTlsOptions(
  svid: Svid,
  minVersion: TlsVersion = 'TLSv1.3',
): SecureContextOptions & TlsOptions {
  const roots = [svid.rootsPem, ...svid.foreign.values()];
  return { ...contextOptions(svid, minVersion, roots), requestCert: true, rejectUnauthorized: true };
}

/** For `tls.connect`. Ask for them anew for each connection: that is how a rotated SVID comes into use. */
export function clientTlsOptions(
  svid: Svid,
  expectedPeerId: string,
  minVersion: TlsVersion = 'TLSv1.3',
): ConnectionOptions {
  return {
    secureContext: clientContext(svid, trustDomainOf(expectedPeerId), minVersion),
    rejectUnauthorized: true,
    checkServerIdentity: (_host, certificate) => refusal(certificate, expectedPeerId, svid.denied),
  };
}

/**
 * The verified peer of a new connection, on either side. Null when there is none, when its certificate is not a leaf with exactly one
 * SPIFFE id, when its chain does not lead to a root of the trust domain of that id, or when it is denied: then close the connection.
 */
export function peerSpiffeId(socket: TLSSocket, { denied, rootsPem, foreign }: Trusted): string | null {
  if (!socket.authorized) return null;
  const certificate = socket.getPeerCertificate();
  const peerId = leafId(certificate);
  const own = socket.getCertificate();
  const ownId = own === null || !('subjectaltname' in own) ? null : spiffeIdOf(own.subjectaltname);
  if (peerId === null || ownId === null || isDenied(denied, peerId, certificate.serialNumber)) return null;
  const ownTrustDomain = trustDomainOf(ownId);
  const trustDomain = trustDomainOf(peerId);
  // Where all roots are of one trust domain, the handshake has led the chain to one of them.
  if (foreign.size === 0) return trustDomain === ownTrustDomain ? peerId : null;
  const roots = trustDomain === ownTrustDomain ? rootsPem : foreign.get(trustDomain);
  return roots !== undefined && leadsTo(chainOf(socket), roots) ? peerId : null;
}

/** Of a peer that `peerSpiffeId` is null for because it is denied, its id; null for all others. */
export function deniedSpiffeId(socket: TLSSocket, { denied }: Pick<Trusted, 'denied'>): string | null {
  if (!socket.authorized) return null;
  const certificate = socket.getPeerCertificate();
  const peerId = leafId(certificate);
  return peerId !== null && isDenied(denied, peerId, certificate.serialNumber) ? peerId : null;
}

/** Whether an open connection has to end: its peer is denied by now, or its trust domain not accepted any more. The end of a certificate or of a root ends none. */
export function isRefused(socket: TLSSocket, { denied, foreign, spiffeId }: Svid): boolean {
  const certificate = socket.getPeerCertificate();
  const peerId = leafId(certificate);
  if (peerId === null || isDenied(denied, peerId, certificate.serialNumber)) return true;
  const trustDomain = trustDomainOf(peerId);
  return trustDomain !== trustDomainOf(spiffeId) && !foreign.has(trustDomain);
}

/** The peer's certificate first. As far as it is known, and no longer than a chain may be. */
function chainOf(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next = socket.getPeerX509Certificate();
  while (
    next !== undefined &&
    chain.length < MAX_CHAIN &&
    next.fingerprint256 !== chain.at(-1)?.fingerprint256
  ) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}

const MAX_CHAIN = 8;

/** The handshake has found some way to some root: this is about a way to these ones. */
function leadsTo(chain: readonly X509Certificate[], rootsPem: string, nowMs = Date.now()): boolean {
  const isValid = ({ validFromDate, validToDate }: X509Certificate) =>
    validFromDate.getTime() <= nowMs && nowMs < validToDate.getTime();
  try {
    checkChain(chain, readCertificates(rootsPem, 'roots'));
    return chain.every(isValid);
  } catch {
    return false;
  }
}

/** What decides on a peer. */
export type Trusted = Pick<Svid, 'rootsPem' | 'foreign' | 'denied'>;

/** Building a context parses every certificate; connections of one SVID share it. */
const CLIENT_CONTEXTS = new WeakMap<Svid, Map<string, SecureContext>>();

/** Whose id is expected is known beforehand, so the roots of its trust domain alone are trusted; none when that is not an accepted one. */
function clientContext(svid: Svid, trustDomain: string, minVersion: TlsVersion): SecureContext {
  const contexts = CLIENT_CONTEXTS.get(svid) ?? new Map<string, SecureContext>();
  CLIENT_CONTEXTS.set(svid, contexts);
  const key = `${minVersion} ${trustDomain}`;
  let context = contexts.get(key);
  if (context === undefined) {
    const isOwn = trustDomain === trustDomainOf(svid.spiffeId);
    const roots = isOwn ? svid.rootsPem : svid.foreign.get(trustDomain);
    context = createSecureContext(contextOptions(svid, minVersion, roots === undefined ? [] : [roots]));
    contexts.set(key, context);
  }
  return context;
}

/** RFC 9325, section 4.2: forward secrecy and authenticated encryption, with the only kind of key that an SVID may have. */
const TLS_1_2_CIPHERS = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
];
/** All suites of TLS 1.3 are strong; this order puts the one that costs least with AES instructions first. */
const TLS_1_3_CIPHERS = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];

function contextOptions(svid: Svid, minVersion: TlsVersion, roots: string[]): SecureContextOptions {
  const ciphers = minVersion === 'TLSv1.3' ? TLS_1_3_CIPHERS : [...TLS_1_3_CIPHERS, ...TLS_1_2_CIPHERS];
  return {
    cert: svid.certificatePem,
    key: svid.keyPem,
    ca: roots,
    minVersion,
    maxVersion: 'TLSv1.3',
    ciphers: ciphers.join(':'),
    // Only what a P-256 certificate can sign.
    sigalgs: 'ecdsa_secp256r1_sha256',
    // Without stateless tickets and without a session store nothing can be resumed. Who could renegotiate could have a server do
    // handshakes for nothing.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  };
}

function refusal(certificate: PeerCertificate, expectedPeerId: string, denied: DenyList): Error | undefined {
  const peerId = leafId(certificate);
  if (peerId === expectedPeerId) {
    const isRefused = isDenied(denied, peerId, certificate.serialNumber);
    return isRefused ? new Error(`The peer is ${peerId}, which is denied`) : undefined;
  }
  return new Error(`The peer is ${peerId ?? 'without a SPIFFE id'}, expected ${expectedPeerId}`);
}

/** Certificates of authorities must not authenticate anybody, whatever they are named. */
function leafId(certificate: PeerCertificate): string | null {
  return certificate.ca ? null : spiffeIdOf(certificate.subjectaltname);
}
