/**
 * An X.509 SVID with its private key and the trust anchors for its peers: the unit that is obtained, rotated and used as a
 * whole.
 *
 * Invariant: what `readSvid` returns works. The key belongs to the certificate, the chain leads to one of the roots, the
 * certificate is a valid leaf of the trust domain. A broken set therefore never replaces a good one. Whether it is valid now
 * is for the reader of `notBeforeMs` and `notAfterMs` to decide.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { type DenyList, NOBODY_DENIED } from './deny-list.ts';
import { spiffeIdOf, trustDomainOf } from './uri-name.ts';

export interface Svid {
  /** The leaf first, then intermediates if any. */
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly rootsPem: string;
  readonly spiffeId: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Peers that are refused though a root vouches for them. */
  readonly denied: DenyList;
  /** Roots of other trust domains whose workloads are peers, PEM, by the name of the domain: each vouches for that one alone. */
  readonly foreign: ForeignRoots;
}

export type ForeignRoots = ReadonlyMap<string, string>;

export const NO_FOREIGN_ROOTS: ForeignRoots = new Map();

export interface SvidFiles {
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly rootsPem: string;
}

/** Throws an error that says which part is wrong and what to do. */
export function readSvid(files: SvidFiles, trustDomain: string): Svid {
  const chain = readCertificates(files.certificatePem, 'certificate');
  const roots = readCertificates(files.rootsPem, 'roots');
  const [leaf] = chain;
  if (leaf === undefined) throw new Error('certificate: no certificate in it');
  if (leaf.ca) throw new Error('certificate: the first one belongs to an authority; put the leaf first');
  const spiffeId = spiffeIdOf(leaf.subjectAltName);
  if (spiffeId === null) throw new Error('certificate: the leaf must have exactly one URI name, a SPIFFE id');
  if (trustDomainOf(spiffeId) !== trustDomain) {
    throw new Error(`certificate: ${spiffeId} is not of trust domain ${trustDomain}`);
  }
  if (leaf.publicKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new Error('certificate: the key of the leaf must be ECDSA P-256');
  }
  if (!leaf.checkPrivateKey(readKey(files.keyPem))) {
    throw new Error('key: it does not belong to the certificate; replace both together');
  }
  checkChain(chain, roots);
  const { certificatePem, keyPem, rootsPem } = files;
  return {
    certificatePem,
    keyPem,
    rootsPem,
    spiffeId,
    notBeforeMs: leaf.validFromDate.getTime(),
    notAfterMs: leaf.validToDate.getTime(),
    denied: NOBODY_DENIED,
    foreign: NO_FOREIGN_ROOTS,
  };
}

/** PEM. `part` names it in errors. */
export function readCertificates(pem: string, part: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new Error(`${part}: no certificate in PEM format`);
  return blocks.map((block) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw new Error(`${part}: a certificate in it cannot be parsed`);
    }
  });
}

function readKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw new Error('key: not an unencrypted private key in PEM format');
  }
}

/** Each certificate is signed by the next one, which belongs to an authority, the last one by a root. Throws. */
export function checkChain(chain: readonly X509Certificate[], roots: readonly X509Certificate[]): void {
  for (let index = 0; index < chain.length; index += 1) {
    const certificate = chain[index] as X509Certificate;
    const issuers = index + 1 < chain.length ? chain.slice(index + 1, index + 2) : roots;
    if (!issuers.some((issuer) => isSignedBy(certificate, issuer))) {
      throw new Error('certificate: its chain does not lead to any of the roots');
    }
  }
}

function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

export function checkValidity(svid: Svid, nowMs: number): void {
  const { notBeforeMs, notAfterMs } = svid;
  if (nowMs >= notBeforeMs && nowMs < notAfterMs) return;
  const period = `${new Date(notBeforeMs).toISOString()} to ${new Date(notAfterMs).toISOString()}`;
  throw new Error(`certificate: valid from ${period}, which is not now; check the clocks or renew it`);
}
