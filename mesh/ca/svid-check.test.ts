import { X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { createKeyAndCsr } from '../../sidecar/src/identity/csr.ts';
import { createAuthority } from './authority.ts';
import { type CheckedCsr, readCsr } from './csr.ts';
import type { Issuer } from './issuer.ts';
import { checkSvid } from './svid-check.ts';

const ID = 'spiffe://a.test/ns/b/sa/c';
const TTL_SECONDS = 600;

let issuer: Issuer;
let csr: CheckedCsr;
let chain: X509Certificate[];
beforeAll(async () => {
  issuer = await createAuthority({ trustDomain: 'a.test' });
  csr = await readCsr((await createKeyAndCsr()).csrPem);
  const { certificatesPem } = await issuer.sign({ csr, spiffeId: ID, ttlSeconds: TTL_SECONDS });
  chain = certificatesPem
    .split(/(?=-----BEGIN)/)
    .filter((block) => block.includes('BEGIN'))
    .map((block) => new X509Certificate(block));
});

const rootsOf = (from: Issuer) => [new X509Certificate(from.trustBundle().rootsPem)];

async function check(changes: { spiffeId?: string; ttlSeconds?: number; csr?: CheckedCsr; nowMs?: number }) {
  const wanted = {
    publicKey: (changes.csr ?? csr).publicKey,
    spiffeId: changes.spiffeId ?? ID,
    ttlSeconds: changes.ttlSeconds ?? TTL_SECONDS,
  };
  await checkSvid(chain, rootsOf(issuer), wanted, changes.nowMs ?? Date.now());
}

describe('checkSvid', () => {
  it('accepts what was asked for', async () => {
    await check({});
  });

  it.each([
    ['another id', { spiffeId: `${ID}2` }, 'has the names'],
    ['a longer lifetime', { ttlSeconds: TTL_SECONDS - 120 }, 'lives longer than 480 s'],
    ['one that has ended', { nowMs: Date.now() + TTL_SECONDS * 1_000 + 1_000 }, 'is not valid now'],
    ['one that has not begun', { nowMs: Date.now() - 3_600_000 }, 'is not valid now'],
  ])('refuses %s', async (_, changes, reason) => {
    await expect(check(changes)).rejects.toThrow(reason);
  });

  it('refuses another key', async () => {
    const other = await readCsr((await createKeyAndCsr()).csrPem);
    await expect(check({ csr: other })).rejects.toThrow('has another key');
  });

  it('refuses nothing at all, and a chain that leads elsewhere', async () => {
    const wanted = { publicKey: csr.publicKey, spiffeId: ID, ttlSeconds: TTL_SECONDS };
    await expect(checkSvid([], rootsOf(issuer), wanted, Date.now())).rejects.toThrow('is none');
    const stranger = await createAuthority({ trustDomain: 'a.test' });
    await expect(checkSvid(chain, rootsOf(stranger), wanted, Date.now())).rejects.toThrow(
      'does not lead to any',
    );
  });
});
