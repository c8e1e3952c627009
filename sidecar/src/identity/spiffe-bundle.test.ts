import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { createAuthority } from '../../../mesh/ca/authority.ts';
import { issueSvid } from '../../../mesh/ca/issue-svid.ts';
import { readSpiffeBundle, writeSpiffeBundle } from './spiffe-bundle.ts';

let roots: readonly string[];
let leafPem: string;
beforeAll(async () => {
  const authorities = await Promise.all([1, 2, 3].map(() => createAuthority({ trustDomain: 'a.test' })));
  roots = authorities.map((authority) => authority.trustBundle().rootsPem);
  const [authority] = authorities;
  if (authority !== undefined)
    leafPem = (await issueSvid(authority, { spiffeId: 'spiffe://a.test/ns/b/sa/c' })).certificatePem;
});

const documentOf = (rootsPem: string) =>
  writeSpiffeBundle({ sequence: 7, rootsPem, refreshSeconds: 30 }) as {
    keys: Record<string, unknown>[];
  } & Record<string, unknown>;

describe('the SPIFFE bundle', () => {
  it('has the shape of the standard: a JWK set with the certificates, a sequence and a hint', () => {
    const document = documentOf(roots.slice(0, 1).join(''));
    expect(document).toEqual({
      keys: [
        {
          use: 'x509-svid',
          kty: 'EC',
          crv: 'P-256',
          x: expect.stringMatching(/^[\w-]{43}$/),
          y: expect.stringMatching(/^[\w-]{43}$/),
          x5c: [expect.stringMatching(/^[A-Za-z0-9+/]+=*$/)],
        },
      ],
      spiffe_sequence: 7,
      spiffe_refresh_hint: 30,
    });
  });

  it('comes back as it was, through JSON', () => {
    fc.assert(
      fc.property(
        fc.subarray([0, 1, 2], { minLength: 1 }),
        fc.nat(),
        fc.option(fc.nat()),
        (chosen, sequence, refreshSeconds) => {
          const rootsPem = chosen.map((index) => (roots[index] as string).trim()).join('\n');
          const text = JSON.stringify(writeSpiffeBundle({ sequence, rootsPem, refreshSeconds }));
          const read = readSpiffeBundle(JSON.parse(text), 'a.test');
          expect({ ...read, rootsPem: read.rootsPem.trim() }).toEqual({ sequence, rootsPem, refreshSeconds });
        },
      ),
    );
  });

  it('may hold what is not known: other uses, keys without one, members of others', () => {
    const document = documentOf(roots[0] as string);
    const others = [{ use: 'jwt-svid', kid: 'x' }, { kty: 'EC' }, { use: 'of-tomorrow', x5c: ['?', '?'] }];
    const wider = { ...document, keys: [...others, ...document.keys], more: true };
    expect(readSpiffeBundle(wider, 'a.test')).toEqual(readSpiffeBundle(document, 'a.test'));
  });

  it.each<[string, (document: ReturnType<typeof documentOf>) => unknown, RegExp]>([
    ['nothing', () => null, /not a SPIFFE bundle/],
    ['no keys', () => ({}), /not a SPIFFE bundle: keys/],
    ['no roots', () => ({ keys: [] }), /no root/],
    ['too many keys', ({ keys }) => ({ keys: Array(65).fill(keys[0]) }), /keys/],
    ['a negative sequence', (document) => ({ ...document, spiffe_sequence: -1 }), /spiffe_sequence/],
    ['a key without a certificate', () => ({ keys: [{ use: 'x509-svid' }] }), /exactly one certificate/],
    [
      'a key with two',
      ({ keys }) => ({ keys: keys.map((key) => ({ ...key, x5c: [key.x5c, key.x5c].flat() })) }),
      /exactly one certificate/,
    ],
    ['noise', () => ({ keys: [{ use: 'x509-svid', x5c: ['bm9pc2U='] }] }), /cannot be parsed/],
    ['a workload for a root', () => ({ keys: [leafKey()] }), /not that of an authority/],
    ['a good key and a bad one', ({ keys }) => ({ keys: [...keys, leafKey()] }), /not that of an authority/],
  ])('is refused with %s', (_, change, reason) => {
    expect(() => readSpiffeBundle(change(documentOf(roots[0] as string)), 'a.test')).toThrow(reason);
  });

  it('is refused when a root says that it is of another trust domain', () => {
    expect(() => readSpiffeBundle(documentOf(roots[0] as string), 'b.test')).toThrow(
      'is for spiffe://a.test, not for trust domain b.test',
    );
  });

  it('is an error or a bundle, whatever it is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(() => readSpiffeBundle(value, 'a.test')).toThrow(Error);
      }),
    );
  });
});

function leafKey(): object {
  const [, body = ''] = /-----BEGIN CERTIFICATE-----([^-]+)-/.exec(leafPem) ?? [];
  return { use: 'x509-svid', x5c: [body.replace(/\s/g, '')] };
}
