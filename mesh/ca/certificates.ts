/**
 * The four certificates of a trust domain: root, intermediate, workload (X.509 SVID) and the authority's own server certificate.
 *
 * Invariants: P-256 and SHA-256 throughout. A workload certificate has exactly one URI name and no other: without a DNS name
 * and without a common name it can never pass for the authority, and the authority's certificate, without a URI, never for a
 * workload.
 */
import 'reflect-metadata';
import { createPrivateKey, randomBytes, type webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

export interface Signer {
  readonly certificate: X509Certificate;
  readonly certificatePem: string;
  readonly key: CryptoKey;
}

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNING_ALGORITHM = { name: 'ECDSA', hash: 'SHA-256' } as const;

export function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
}

/** PKCS#8 in PEM. */
export async function exportKey(key: CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', key));
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    .export({ type: 'pkcs8', format: 'pem' })
    .toString();
}

export async function createRootCertificate(
  keys: webcrypto.CryptoKeyPair,
  trustDomain: string,
  validity: Validity,
): Promise<X509Certificate> {
  const serialNumber = createSerialNumber();
  return X509CertificateGenerator.createSelfSigned({
    keys,
    serialNumber,
    // Two roots of one trust domain have different names, so that a verifier never mixes them up while one replaces the other.
    name: `O=Tulle, CN=Tulle root ${serialNumber.slice(0, 16)}`,
    ...validity,
    signingAlgorithm: SIGNING_ALGORITHM,
    // One intermediate may stand between root and leaf.
    extensions: await authorityExtensions(keys.publicKey, trustDomain, 1),
  });
}

export async function createIntermediateCertificate(
  root: Signer,
  publicKey: CryptoKey,
  trustDomain: string,
  validity: Validity,
): Promise<X509Certificate> {
  const serialNumber = createSerialNumber();
  return X509CertificateGenerator.create({
    signingKey: root.key,
    issuer: root.certificate.subjectName,
    subject: `O=Tulle, CN=Tulle intermediate ${serialNumber.slice(0, 16)}`,
    publicKey,
    serialNumber,
    ...validity,
    signingAlgorithm: SIGNING_ALGORITHM,
    extensions: [
      ...(await authorityExtensions(publicKey, trustDomain, 0)),
      await AuthorityKeyIdentifierExtension.create(root.certificate.publicKey),
    ],
  });
}

export function createSvidCertificate(
  signer: Signer,
  publicKey: CryptoKey,
  spiffeId: string,
  validity: Validity,
): Promise<X509Certificate> {
  return createLeaf(signer, publicKey, validity, [
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
    new SubjectAlternativeNameExtension([{ type: 'url', value: spiffeId }]),
  ]);
}

/** `names` are DNS names and IP addresses. */
export function createServerCertificate(
  signer: Signer,
  publicKey: CryptoKey,
  names: readonly string[],
  validity: Validity,
): Promise<X509Certificate> {
  return createLeaf(signer, publicKey, validity, [
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
    new SubjectAlternativeNameExtension(
      names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
    ),
  ]);
}

export async function importSigner(pair: { certificatePem: string; keyPem: string }): Promise<Signer> {
  const { certificatePem, keyPem } = pair;
  const pkcs8 = createPrivateKey(keyPem).export({ type: 'pkcs8', format: 'der' });
  const key = await crypto.subtle.importKey('pkcs8', pkcs8, KEY_ALGORITHM, false, ['sign']);
  return { certificate: new X509Certificate(certificatePem), certificatePem, key };
}

export function readValidity(certificatePem: string): Validity {
  return new X509Certificate(certificatePem);
}

export function endOfMs({ certificatePem }: { readonly certificatePem: string }): number {
  return readValidity(certificatePem).notAfter.getTime();
}

export function toPem(certificate: X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

/** `pathLength`: how many authorities may stand below. */
async function authorityExtensions(
  publicKey: CryptoKey,
  trustDomain: string,
  pathLength: number,
): Promise<Extension[]> {
  return [
    new BasicConstraintsExtension(true, pathLength, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    new SubjectAlternativeNameExtension([{ type: 'url', value: `spiffe://${trustDomain}` }]),
    await SubjectKeyIdentifierExtension.create(publicKey),
  ];
}

async function createLeaf(
  signer: Signer,
  publicKey: CryptoKey,
  validity: Validity,
  extensions: readonly Extension[],
): Promise<X509Certificate> {
  return X509CertificateGenerator.create({
    signingKey: signer.key,
    issuer: signer.certificate.subjectName,
    // Verifiers fall back to a common name where there is no DNS name, hence none.
    subject: 'O=Tulle',
    publicKey,
    serialNumber: createSerialNumber(),
    ...validity,
    signingAlgorithm: SIGNING_ALGORITHM,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      ...extensions,
      await SubjectKeyIdentifierExtension.create(publicKey),
      await AuthorityKeyIdentifierExtension.create(signer.certificate.publicKey),
    ],
  });
}

/** 126 random bits; the two fixed ones keep the number positive and its length the same. */
function createSerialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}
