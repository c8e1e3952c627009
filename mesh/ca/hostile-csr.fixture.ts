/** Certificate requests of a workload that was taken over and asks for more than a key. */
import 'reflect-metadata';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
} from '@peculiar/x509';
import { type CheckedCsr, readCsr } from './csr.ts';

interface Wish {
  readonly name?: string;
  readonly extensions: readonly Extension[];
}

const OTHER_ID = new SubjectAlternativeNameExtension([
  { type: 'url', value: 'spiffe://a.test/ns/b/sa/other' },
]);
const AUTHORITY = [
  new BasicConstraintsExtension(true, 5, true),
  new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
];
const OTHER_USES = new ExtendedKeyUsageExtension([
  ExtendedKeyUsage.codeSigning,
  ExtendedKeyUsage.ocspSigning,
]);

/** By what it asks for. */
export const WISHES: Readonly<Record<string, Wish>> = {
  'the id of another': { extensions: [OTHER_ID] },
  'two ids': {
    extensions: [
      new SubjectAlternativeNameExtension([
        { type: 'url', value: 'spiffe://a.test/ns/b/sa/c' },
        { type: 'url', value: 'spiffe://b.test/ns/b/sa/c' },
      ]),
    ],
  },
  'the names of the authority': {
    name: 'CN=localhost, O=Tulle',
    extensions: [
      new SubjectAlternativeNameExtension([
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
      ]),
    ],
  },
  'to be an authority': { extensions: AUTHORITY },
  'other uses': { extensions: [OTHER_USES] },
  everything: { name: 'CN=localhost, O=Somebody', extensions: [OTHER_ID, ...AUTHORITY, OTHER_USES] },
};

export async function createHostileCsr(wish = 'everything'): Promise<CheckedCsr> {
  const { name = '', extensions = [] } = WISHES[wish] ?? {};
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
    'verify',
  ]);
  const csr = await Pkcs10CertificateRequestGenerator.create({
    name,
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [...extensions],
  });
  return readCsr(csr.toString('pem'));
}
