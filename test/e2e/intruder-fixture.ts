// Who might try to get at a worker that only the API may call: real certificates, each wrong in its own way.
import 'reflect-metadata';
import {
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  type JsonGeneralName,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { createAuthority } from '../../mesh/ca/authority.ts';
import { createRootCertificate, exportKey, generateKeys, toPem } from '../../mesh/ca/certificates.ts';
import { issueSvid } from '../../mesh/ca/issue-svid.ts';
import type { HandshakeFailure } from '../../sidecar/src/downstream/handshake-failure.ts';
import { NOBODY_DENIED } from '../../sidecar/src/identity/deny-list.ts';
import { NO_FOREIGN_ROOTS, type Svid } from '../../sidecar/src/identity/svid.ts';
import { API, type GuardedWorker } from './guarded-worker.ts';
import { openAuthority, spiffeId, TRUST_DOMAIN } from './mesh-fixture.ts';

const DAY_MS = 24 * 3_600_000;

export interface Intruder {
  readonly name: string;
  /** Null for one that speaks in clear. */
  readonly svid: Svid | null;
  /** What its handshake comes to; null for one that gets as far as the policy. */
  readonly reason: HandshakeFailure | null;
}

export async function findIntruders({ authority, careless }: GuardedWorker): Promise<Intruder[]> {
  const { rootsPem } = authority.trustBundle();
  const own = (id: string, validFromMs?: number) =>
    issueSvid(authority, { spiffeId: id, ...(validFromMs === undefined ? {} : { validFromMs }) });
  const strangers = await createAuthority({ trustDomain: 'strangers.test' });
  const foreign = 'spiffe://strangers.test/ns/e2e/sa/api';
  const url = (value: string): JsonGeneralName => ({ type: 'url', value });
  const odd = async (...names: JsonGeneralName[]) => ({ ...(await careless.certify(names)), rootsPem });
  const nobody = { ...(await own(API)), certificatePem: '', keyPem: '', spiffeId: '' };
  const foreigner = await issueSvid(strangers, { spiffeId: foreign });
  const forger = await issueSvid(await openAuthority(), { spiffeId: API });
  return [
    { name: 'one that speaks in clear', svid: null, reason: 'no_tls' },
    { name: 'one without a certificate', svid: nobody, reason: 'no_certificate' },
    { name: 'one of another trust domain', svid: { ...foreigner, rootsPem }, reason: 'untrusted' },
    { name: 'one whose authority is not ours', svid: { ...forger, rootsPem }, reason: 'untrusted' },
    { name: 'one whose time is over', svid: await own(API, Date.now() - DAY_MS), reason: 'expired' },
    {
      name: 'one whose time has not come',
      svid: await own(API, Date.now() + DAY_MS),
      reason: 'not_yet_valid',
    },
    {
      name: 'one whom ours certified for another trust domain',
      svid: await odd(url(foreign)),
      reason: 'no_identity',
    },
    {
      name: 'one with a DNS name alone',
      svid: await odd({ type: 'dns', value: 'api' }),
      reason: 'no_identity',
    },
    {
      name: 'one with two SPIFFE ids',
      svid: await odd(url(API), url(spiffeId('web'))),
      reason: 'no_identity',
    },
    { name: 'one that is not on the list', svid: await own(spiffeId('intruder')), reason: null },
  ];
}

/** An authority that certifies for anybody whatever they like. */
export class CarelessAuthority {
  readonly rootPem: string;
  private readonly root: X509Certificate;
  private readonly key: CryptoKey;

  private constructor(root: X509Certificate, key: CryptoKey) {
    this.root = root;
    this.rootPem = toPem(root);
    this.key = key;
  }

  static async open(): Promise<CarelessAuthority> {
    const keys = await generateKeys();
    return new CarelessAuthority(
      await createRootCertificate(keys, TRUST_DOMAIN, validity()),
      keys.privateKey,
    );
  }

  async certify(names: JsonGeneralName[]): Promise<Omit<Svid, 'rootsPem'>> {
    const keys = await generateKeys();
    const extensions: Extension[] = [
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth]),
      new SubjectAlternativeNameExtension(names),
    ];
    const { notBefore, notAfter } = validity();
    const certificate = await X509CertificateGenerator.create({
      ...{
        signingKey: this.key,
        issuer: this.root.subjectName,
        subject: 'O=Tulle',
        publicKey: keys.publicKey,
      },
      ...{ notBefore, notAfter, extensions, signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' } },
    });
    return {
      certificatePem: toPem(certificate),
      keyPem: await exportKey(keys.privateKey),
      ...{
        spiffeId: '',
        notBeforeMs: notBefore.getTime(),
        notAfterMs: notAfter.getTime(),
        denied: NOBODY_DENIED,
        foreign: NO_FOREIGN_ROOTS,
      },
    };
  }
}

function validity() {
  return { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
}
