import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKeyAndCsr } from '../../sidecar/src/identity/csr.ts';
import { InvalidCsr, readCsr } from './csr.ts';

async function create(
  algorithm: webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams,
  hash: string,
): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const signingAlgorithm = { name: algorithm.name, hash };
  return (await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm })).toString('pem');
}

function toPem(der: Uint8Array): string {
  return `-----BEGIN CERTIFICATE REQUEST-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
}

function toDer(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[A-Z ]+-----/g, ''), 'base64');
}

describe('readCsr', () => {
  it('takes a P-256 request', async () => {
    const { publicKey: key } = await readCsr(await create({ name: 'ECDSA', namedCurve: 'P-256' }, 'SHA-256'));
    expect(key.algorithm).toMatchObject({ name: 'ECDSA', namedCurve: 'P-256' });
  });

  it.each([
    ['a P-384 key', () => create({ name: 'ECDSA', namedCurve: 'P-384' }, 'SHA-384'), 'P-256'],
    ['a P-521 key', () => create({ name: 'ECDSA', namedCurve: 'P-521' }, 'SHA-512'), 'P-256'],
    ['an Ed25519 key', () => create({ name: 'Ed25519', namedCurve: 'Ed25519' }, 'SHA-512'), 'P-256'],
    [
      'a P-256 key with another hash',
      () => create({ name: 'ECDSA', namedCurve: 'P-256' }, 'SHA-512'),
      'SHA-256',
    ],
    [
      'an RSA key',
      () =>
        create(
          {
            name: 'RSASSA-PKCS1-v1_5',
            modulusLength: 2048,
            publicExponent: new Uint8Array([1, 0, 1]),
            hash: 'SHA-256',
          },
          'SHA-256',
        ),
      'P-256',
    ],
    [
      'a short RSA key',
      () =>
        create(
          {
            name: 'RSASSA-PKCS1-v1_5',
            modulusLength: 1024,
            publicExponent: new Uint8Array([1, 0, 1]),
            hash: 'SHA-256',
          },
          'SHA-256',
        ),
      'P-256',
    ],
    ['text', async () => 'not a request', 'Not one PEM block'],
    ['nothing', async () => '', 'Not one PEM block'],
    ['another kind of PEM', async () => (await createKeyAndCsr()).keyPem, 'Not one PEM block'],
    ['two requests', async () => (await createKeyAndCsr()).csrPem.repeat(2), 'Not one PEM block'],
    ['PEM around garbage', async () => toPem(Buffer.from('garbage')), 'does not hold a PKCS#10 request'],
    [
      'a request that is too long',
      async () => ' '.repeat(4_000) + (await createKeyAndCsr()).csrPem,
      'longer than',
    ],
  ])('refuses %s', async (_, make, reason) => {
    const csr = await make();
    await expect(readCsr(csr)).rejects.toThrow(reason);
    await expect(readCsr(csr)).rejects.toBeInstanceOf(InvalidCsr);
  });

  it('refuses the key of another: no proof of possession', async () => {
    const [mine, theirs] = [toDer((await createKeyAndCsr()).csrPem), toDer((await createKeyAndCsr()).csrPem)];
    // The point of the key stands at the same place in both: after version, empty subject and algorithm.
    const at = mine.indexOf(Buffer.from('034200', 'hex')) + 3;
    theirs.copy(mine, at, at, at + 65);
    await expect(readCsr(toPem(mine))).rejects.toThrow('signature');
  });

  it('refuses a point that is not on the curve', async () => {
    const der = toDer((await createKeyAndCsr()).csrPem);
    const at = der.indexOf(Buffer.from('034200', 'hex')) + 4;
    der.fill(1, at, at + 64);
    await expect(readCsr(toPem(der))).rejects.toThrow(InvalidCsr);
  });

  it('never gives out another key than the one that signed, and calls whatever it refuses invalid', async () => {
    const { csrPem } = await createKeyAndCsr();
    const original = toDer(csrPem);
    const spki = async (pem: string) =>
      Buffer.from(await webcrypto.subtle.exportKey('spki', (await readCsr(pem)).publicKey));
    const signer = await spki(csrPem);
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(original.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const der = Buffer.from(original);
        der[at] = (der[at] ?? 0) ^ change;
        try {
          // Bytes around the signature may have a second spelling; the key and what it signed have none.
          expect(await spki(toPem(der))).toEqual(signer);
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidCsr);
          refused += 1;
        }
      }),
      { numRuns: 300 },
    );
    expect(refused).toBeGreaterThan(250);
  });
});
