import { createPublicKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { readCsr } from '../../../mesh/ca/csr.ts';
import { createKeyAndCsr } from './csr.ts';

describe('createKeyAndCsr', () => {
  // ECDSA signatures vary in length, and with them the lengths around them.
  it('makes requests that an X.509 library reads, verifies and finds the key in', async () => {
    for (let round = 0; round < 32; round += 1) {
      const { keyPem, csrPem } = await createKeyAndCsr();
      const key = Buffer.from(await crypto.subtle.exportKey('spki', (await readCsr(csrPem)).publicKey));
      expect(key).toEqual(createPublicKey(keyPem).export({ type: 'spki', format: 'der' }));
    }
  });

  it('makes another key each time', async () => {
    const [first, second] = await Promise.all([createKeyAndCsr(), createKeyAndCsr()]);
    expect(first.keyPem).not.toBe(second.keyPem);
  });
});
