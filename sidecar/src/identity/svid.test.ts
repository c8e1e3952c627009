import { generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Authority, createAuthority } from '../../../mesh/ca/authority.ts';
import { issueSvid } from '../../../mesh/ca/issue-svid.ts';
import { checkValidity, readSvid, type Svid } from './svid.ts';

const SPIFFE_ID = 'spiffe://a.test/ns/b/sa/c';

let authority: Authority;
let svid: Svid;

beforeAll(async () => {
  authority = await createAuthority({ trustDomain: 'a.test' });
  svid = await issueSvid(authority, { spiffeId: SPIFFE_ID });
});

describe('readSvid', () => {
  it('reads what the authority issued', () => {
    expect(readSvid(svid, 'a.test')).toEqual(svid);
  });

  it('takes a bundle of several roots', async () => {
    const other = await createAuthority({ trustDomain: 'a.test' });
    expect(
      readSvid({ ...svid, rootsPem: other.trustBundle().rootsPem + svid.rootsPem }, 'a.test').spiffeId,
    ).toBe(SPIFFE_ID);
  });

  it.each([
    [
      'the key of another certificate',
      async () => ({ keyPem: (await another()).keyPem }),
      /^key: .*does not belong/,
    ],
    [
      'the root of another authority',
      async () => ({ rootsPem: (await stranger()).trustBundle().rootsPem }),
      /does not lead to any/,
    ],
    ['no certificate', () => ({ certificatePem: '' }), /^certificate: no certificate/],
    [
      'half a certificate',
      () => ({ certificatePem: svid.certificatePem.slice(0, 200) }),
      /^certificate: no certificate/,
    ],
    [
      'a damaged certificate',
      () => ({ certificatePem: svid.certificatePem.replace(/MI../, 'AAAA') }),
      /cannot be parsed/,
    ],
    ['no root', () => ({ rootsPem: 'none' }), /^roots: no certificate/],
    ['no key', () => ({ keyPem: '' }), /^key: not an unencrypted private key/],
    [
      'a root in place of the leaf',
      () => ({ certificatePem: authority.trustBundle().rootsPem }),
      /belongs to an authority/,
    ],
    [
      'a certificate without a SPIFFE id',
      () => authority.issueServerCertificate(['localhost'], 60),
      /exactly one URI/,
    ],
    ['a key of another kind', () => ({ keyPem: rsaKey() }), /^key: .*does not belong/],
  ])('refuses %s and says so', async (_, change, reason) => {
    const broken = { ...svid, ...(await change()) };
    expect(() => readSvid(broken, 'a.test')).toThrow(reason);
  });

  it('refuses an id of another trust domain', () => {
    expect(() => readSvid(svid, 'b.test')).toThrow(`${SPIFFE_ID} is not of trust domain b.test`);
  });

  const another = () => issueSvid(authority, { spiffeId: SPIFFE_ID });
  const stranger = () => createAuthority({ trustDomain: 'a.test' });
  const rsaKey = () =>
    generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
});

describe('checkValidity', () => {
  it('takes every moment of the period and none outside', () => {
    const { notBeforeMs, notAfterMs } = svid;
    for (const inside of [notBeforeMs, notAfterMs - 1])
      expect(() => checkValidity(svid, inside)).not.toThrow();
    for (const outside of [notBeforeMs - 1, notAfterMs]) {
      expect(() => checkValidity(svid, outside)).toThrow(/valid from .* to .* not now/);
    }
  });
});
