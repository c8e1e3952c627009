// The rotation of the embedded authority, with its state on disk and a clock that the test sets.
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSvid } from '../../sidecar/src/identity/svid.ts';
import { type Authority, createAuthority } from './authority.ts';
import { issueSvid } from './issue-svid.ts';

const TTL_SECONDS = 3_600;
const SPREAD_SECONDS = 3_660;

let folder: string;
let nowMs: number;
let authority: Authority;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-rotation-'));
  nowMs = Date.UTC(2030, 0, 1);
  authority = await open();
});
afterEach(() => rm(folder, { recursive: true }));

function open(): Promise<Authority> {
  return createAuthority({
    trustDomain: 'a.test',
    state: { folder, passphrase: 'long enough for a passphrase' },
    spreadSeconds: SPREAD_SECONDS,
    nowMs: () => nowMs,
  });
}

const issue = () => issueSvid(authority, { spiffeId: 'spiffe://a.test/ns/b/sa/c', ttlSeconds: TTL_SECONDS });
const roles = () => authority.expiry.roots.map(({ role }) => role);
const passSeconds = (seconds: number) => {
  nowMs += seconds * 1000;
};

/** Whether who trusts the roots of one answer accepts the certificate of another. */
function accepts(rootsPem: string, svid: Awaited<ReturnType<typeof issue>>): boolean {
  try {
    readSvid({ ...svid, rootsPem }, 'a.test');
    return true;
  } catch {
    return false;
  }
}

describe('a rotation of the root', () => {
  it('leaves at no step anybody without trust who had the time to hear of the step before', async () => {
    const before = await issue();

    await authority.rotateRoot('prepare');
    expect(roles()).toEqual(['signing', 'next']);
    const prepared = await issue();
    expect(accepts(before.rootsPem, prepared)).toBe(true);

    passSeconds(SPREAD_SECONDS);
    await authority.rotateRoot('activate');
    expect(roles()).toEqual(['old', 'signing']);
    const activated = await issue();
    expect(accepts(prepared.rootsPem, activated)).toBe(true);
    expect(accepts(activated.rootsPem, prepared)).toBe(true);
    expect(accepts(before.rootsPem, activated)).toBe(false);

    passSeconds(TTL_SECONDS * 1.25);
    await authority.rotateRoot('retire');
    expect(roles()).toEqual(['signing']);
    const retired = await issue();
    expect(accepts(activated.rootsPem, retired)).toBe(true);
    expect(accepts(retired.rootsPem, activated)).toBe(true);
    expect(accepts(retired.rootsPem, prepared)).toBe(false);
  });

  it('goes on from where it was after a restart at every step', async () => {
    const serials = new Set([new X509Certificate(authority.trustBundle().rootsPem).serialNumber]);
    for (const step of ['prepare', 'activate', 'retire'] as const) {
      await authority.rotateRoot(step);
      const { expiry } = authority;
      const bundle = authority.trustBundle();
      authority = await open();
      expect(authority.expiry).toEqual(expiry);
      expect(authority.trustBundle()).toEqual(bundle);
      await issue();
      passSeconds(SPREAD_SECONDS * 2);
    }
    serials.add(new X509Certificate(authority.trustBundle().rootsPem).serialNumber);
    expect(serials.size).toBe(2);
    // The key of the old root is gone with it.
    expect((await readdir(folder)).filter((name) => name.startsWith('root-'))).toHaveLength(1);
  });

  it('refuses to sign by a root that a sidecar may not know yet', async () => {
    await authority.rotateRoot('prepare');
    passSeconds(SPREAD_SECONDS - 1);
    await expect(authority.rotateRoot('activate')).rejects.toThrow(
      /the time to hear .* wait 1 s, until 2030-/,
    );
    expect(roles()).toEqual(['signing', 'next']);
    await authority.rotateRoot('activate', { force: true });
    expect(roles()).toEqual(['old', 'signing']);
  });

  it('refuses to retire a root while a certificate of it is valid, also after a restart', async () => {
    await authority.rotateRoot('prepare');
    passSeconds(SPREAD_SECONDS);
    const { notAfterMs } = await issue();
    await authority.rotateRoot('activate');
    authority = await open();
    nowMs = notAfterMs - 1;
    await expect(authority.rotateRoot('retire')).rejects.toThrow('certificates that the old root signed');
    await authority.rotateRoot('retire', { force: true });
    expect(roles()).toEqual(['signing']);
  });

  it('goes step by step', async () => {
    await expect(authority.rotateRoot('activate', { force: true })).rejects.toThrow('no root is prepared');
    await expect(authority.rotateRoot('retire', { force: true })).rejects.toThrow('no old root');
    await expect(authority.rotateRoot('cancel')).rejects.toThrow('no root is prepared');
    await authority.rotateRoot('prepare');
    await expect(authority.rotateRoot('prepare')).rejects.toThrow('another rotation is under way');
    await authority.rotateRoot('activate', { force: true });
    await expect(authority.rotateRoot('prepare')).rejects.toThrow('another rotation is under way');
    await expect(authority.rotateRoot('cancel')).rejects.toThrow('no root is prepared');
  });

  it('can be taken back before the new root signs', async () => {
    const { rootsPem } = authority.trustBundle();
    await authority.rotateRoot('prepare');
    await authority.rotateRoot('cancel');
    expect(authority.trustBundle()).toEqual({ sequence: 3, rootsPem });
  });

  it('tells of every step', async () => {
    let told = 0;
    const unfollow = authority.onChanged(() => {
      told += 1;
    });
    await authority.rotateRoot('prepare');
    await authority.rotateRoot('activate', { force: true });
    await expect(authority.rotateRoot('prepare')).rejects.toThrow();
    await authority.rotateRoot('retire', { force: true });
    expect(told).toBe(3);
    unfollow();
    await authority.rotateRoot('prepare');
    expect(told).toBe(3);
  });
});
