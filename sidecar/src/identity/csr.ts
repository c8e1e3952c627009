/**
 * A fresh P-256 key and the PKCS#10 request (RFC 2986) that proves its possession.
 *
 * The request is written by hand because it never varies: empty subject, no attribute, one key type. Everything around the
 * key is a constant, whereas an X.509 library would add some 20 MB to the memory of every sidecar. Reading such requests,
 * where bytes come from somebody else, is the authority's work and does use a library.
 *
 * Invariant: the request names nobody. Who the key belongs to is decided by the authority from proof that comes with it.
 */
import { generateKeyPair, sign } from 'node:crypto';
import { promisify } from 'node:util';

export interface KeyAndCsr {
  readonly keyPem: string;
  readonly csrPem: string;
}

const generateKeyPairAsync = promisify(generateKeyPair);

export async function createKeyAndCsr(): Promise<KeyAndCsr> {
  const { publicKey, privateKey } = await generateKeyPairAsync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const info = sequence(VERSION_0, EMPTY_SUBJECT, spki, NO_ATTRIBUTES);
  const signature = sign('sha256', info, privateKey);
  const request = sequence(info, ECDSA_WITH_SHA256, element(BIT_STRING, ZERO_UNUSED_BITS, signature));
  return {
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    csrPem: toPem('CERTIFICATE REQUEST', request),
  };
}

const SEQUENCE = 0x30;
const BIT_STRING = 0x03;
const VERSION_0 = Buffer.from([0x02, 0x01, 0x00]);
const EMPTY_SUBJECT = Buffer.from([SEQUENCE, 0x00]);
const NO_ATTRIBUTES = Buffer.from([0xa0, 0x00]);
const ZERO_UNUSED_BITS = Buffer.from([0x00]);
/** AlgorithmIdentifier with the object identifier 1.2.840.10045.4.3.2. */
const ECDSA_WITH_SHA256 = Buffer.from('300a06082a8648ce3d040302', 'hex');

function sequence(...parts: readonly Buffer[]): Buffer {
  return element(SEQUENCE, ...parts);
}

function element(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  // DER wants the shortest length form. A P-256 request stays below 256 bytes, so two forms are all there is.
  const head = content.length < 0x80 ? [tag, content.length] : [tag, 0x81, content.length];
  return Buffer.concat([Buffer.from(head), content]);
}

function toPem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
