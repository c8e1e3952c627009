/**
 * Who may talk: TLS options for both sides of a connection between sidecars, and the identity of the peer.
 *
 * Invariants: TLS 1.3, or 1.2 with its strong suites where that is asked for; both sides present a P-256 certificate and verify the other's. A peer is known by the SPIFFE id
 * of its certificate and by nothing else; host names play no part. A full handshake with certificates precedes every
 * connection: sessions are not resumed, since a resumed one would outlive the certificate that it began with.
 */
import { constants } from 'node:crypto';
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
import type { Svid } from './svid.ts';
import { spiffeIdOf, trustDomainOf } from './uri-name.ts';

/** For `tls.createServer`, and again for `server.setSecureContext` when the SVID was rotated: open connections go on with theirs. */
export function serverTlsOptions(
  svid: Svid,
  minVersion: TlsVersion = 'TLSv1.3',
): SecureContextOptions & TlsOptions {
  return { ...contextOptions(svid, minVersion), requestCert: true, rejectUnauthorized: true };
}

/** For `tls.connect`. Ask for them anew for each connection: that is how a rotated SVID comes into use. */
export function clientTlsOptions(
  svid: Svid,
  expectedPeerId: string,
  minVersion: TlsVersion = 'TLSv1.3',
): ConnectionOptions {
  return {
    secureContext: clientContext(svid, minVersion),
    rejectUnauthorized: true,
    checkServerIdentity: (_host, certificate) => refusal(certificate, expectedPeerId, svid.denied),
  };
}

/**
 * The verified peer of an established connection, on either side. Null when there is none, when its certificate is not a leaf with
 * exactly one SPIFFE id, when that id belongs to another trust domain than our own, or when it is denied: then close the connection.
 */
export function peerSpiffeId(socket: TLSSocket, denied: DenyList): string | null {
  if (!socket.authorized) return null;
  const certificate = socket.getPeerCertificate();
  const peerId = leafId(certificate);
  const own = socket.getCertificate();
  const ownId = own === null || !('subjectaltname' in own) ? null : spiffeIdOf(own.subjectaltname);
  if (peerId === null || ownId === null || isDenied(denied, peerId, certificate.serialNumber)) return null;
  return trustDomainOf(peerId) === trustDomainOf(ownId) ? peerId : null;
}

/** Building a context parses every certificate; connections of one SVID share it. */
const CLIENT_CONTEXTS = {
  'TLSv1.2': new WeakMap<Svid, SecureContext>(),
  'TLSv1.3': new WeakMap<Svid, SecureContext>(),
};

function clientContext(svid: Svid, minVersion: TlsVersion): SecureContext {
  const contexts = CLIENT_CONTEXTS[minVersion];
  let context = contexts.get(svid);
  if (context === undefined) {
    context = createSecureContext(contextOptions(svid, minVersion));
    contexts.set(svid, context);
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

function contextOptions(svid: Svid, minVersion: TlsVersion): SecureContextOptions {
  const ciphers = minVersion === 'TLSv1.3' ? TLS_1_3_CIPHERS : [...TLS_1_3_CIPHERS, ...TLS_1_2_CIPHERS];
  return {
    cert: svid.certificatePem,
    key: svid.keyPem,
    ca: svid.rootsPem,
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
