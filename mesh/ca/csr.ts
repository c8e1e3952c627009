/**
 * Reads the one thing that counts in a certificate request: a P-256 public key whose owner signed the request.
 *
 * Subject, requested extensions and attributes are not looked at. Input is hostile: bounded first, then parsed strictly.
 */
import 'reflect-metadata';
import type { webcrypto } from 'node:crypto';
import { Pkcs10CertificateRequest } from '@peculiar/x509';

/** A request with a P-256 key takes about 350 bytes; this leaves room for names and attributes that are ignored. */
const MAX_CSR_LENGTH = 4096;

/** The sender's mistake; the message may be shown to them. */
export class InvalidCsr extends Error {}

/** A request that proved that its sender holds the private key. Whatever else it says counts for nothing. */
export interface CheckedCsr {
  readonly publicKey: webcrypto.CryptoKey;
  /** PKCS#10, for an issuer that wants the proof itself. */
  readonly pem: string;
}

/** Throws `InvalidCsr`. */
export async function readCsr(pem: string): Promise<CheckedCsr> {
  if (pem.length > MAX_CSR_LENGTH) {
    throw new InvalidCsr(`The request is longer than ${MAX_CSR_LENGTH} characters.`);
  }
  const body = PEM.exec(pem)?.[1];
  if (body === undefined) throw new InvalidCsr('Not one PEM block of type CERTIFICATE REQUEST.');
  try {
    return { publicKey: await readKey(new Pkcs10CertificateRequest(Buffer.from(body, 'base64'))), pem };
  } catch (error) {
    // The library parses late and throws from many places; hostile bytes are the only cause here.
    throw error instanceof InvalidCsr
      ? error
      : new InvalidCsr('The PEM block does not hold a PKCS#10 request.');
  }
}

const PEM =
  /^\s*-----BEGIN CERTIFICATE REQUEST-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END CERTIFICATE REQUEST-----\s*$/;

async function readKey(request: Pkcs10CertificateRequest): Promise<webcrypto.CryptoKey> {
  if (!isP256(request)) {
    throw new InvalidCsr('The key must be ECDSA P-256 and the request signed with SHA-256.');
  }
  // Importing checks that the point lies on the curve; the signature proves that the sender holds the private key.
  const key = await request.publicKey.export({ name: 'ECDSA', namedCurve: 'P-256' }, ['verify']);
  if (!(await request.verify())) {
    throw new InvalidCsr('The signature of the request does not belong to its key.');
  }
  return key;
}

function isP256({ publicKey, signatureAlgorithm }: Pkcs10CertificateRequest): boolean {
  const key = publicKey.algorithm as { name: string; namedCurve?: string };
  const signature = signatureAlgorithm as unknown as { name: string; hash?: { name: string } };
  return (
    key.name === 'ECDSA' &&
    key.namedCurve === 'P-256' &&
    signature.name === 'ECDSA' &&
    signature.hash?.name === 'SHA-256'
  );
}
