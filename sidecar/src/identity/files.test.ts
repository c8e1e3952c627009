/** Real files with real certificates; only the pauses between two looks are virtual. */
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Authority, createAuthority } from '../../../mesh/ca/authority.ts';
import { issueSvid } from '../../../mesh/ca/issue-svid.ts';
import { ManualClock } from '../core/manual-clock.fixture.ts';
import { FILE_POLL_MS } from './files.ts';
import { type Identity, type IdentityEvent, startIdentity } from './identity.ts';
import type { Svid } from './svid.ts';

const SPIFFE_ID = 'spiffe://a.test/ns/b/sa/c';

let folder: string;
let authority: Authority;
let clock: ManualClock;
let events: IdentityEvent[];
let identity: Identity | null;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-identity-'));
  authority = await createAuthority({ trustDomain: 'a.test' });
  clock = new ManualClock(Date.now());
  events = [];
  identity = null;
});

afterEach(async () => {
  identity?.stop();
  await rm(folder, { recursive: true });
});

async function start(where = folder): Promise<Identity> {
  const source = {
    kind: 'files',
    certificateFile: join(where, 'svid.pem'),
    keyFile: join(where, 'svid.key'),
    rootsFile: join(where, 'roots.pem'),
  } as const;
  const deps = { clock, random: Math.random, report: (event: IdentityEvent) => events.push(event) };
  identity = await startIdentity({ trustDomain: 'a.test', minTlsVersion: 'TLSv1.3', source }, deps);
  return identity;
}

async function write(svid: Partial<Svid>, where = folder): Promise<void> {
  const parts = { 'svid.pem': svid.certificatePem, 'svid.key': svid.keyPem, 'roots.pem': svid.rootsPem };
  for (const [name, text] of Object.entries(parts)) {
    if (text !== undefined) await writeFile(join(where, name), text);
  }
}

/** Lets the sidecar look at its files, and waits until it is done with that. */
async function look(times = 1): Promise<void> {
  for (let round = 0; round < times; round += 1) {
    await clock.advance(FILE_POLL_MS);
    // The next look, and the end of an SVID that has not come to it.
    const pending = identity?.expired ? 1 : 2;
    await vi.waitFor(() => expect(clock.pendingTimers).toBe(pending), { timeout: 10_000, interval: 1 });
  }
}

const issue = () => issueSvid(authority, { spiffeId: SPIFFE_ID });

describe('an identity from files', () => {
  it('is read at start and follows a change', async () => {
    const [first, second] = [await issue(), await issue()];
    await write(first);
    const identity = await start();
    expect(identity.svid).toEqual(first);
    const heard: Svid[] = [];
    identity.onRotated((svid) => heard.push(svid));

    await write(second);
    await look();
    expect(identity.svid).toEqual(second);
    expect(heard).toEqual([second]);
  });

  it('follows a swap of symlinks, as Kubernetes does it', async () => {
    const [first, second] = [await issue(), await issue()];
    for (const [name, svid] of [
      ['v1', first],
      ['v2', second],
    ] as const) {
      await mkdir(join(folder, name));
      await write(svid, join(folder, name));
    }
    await symlink('v1', join(folder, 'data'));
    const identity = await start(join(folder, 'data'));
    await symlink('v2', join(folder, 'data.new'));
    await rename(join(folder, 'data.new'), join(folder, 'data'));
    await look();
    expect(identity.svid).toEqual(second);
  });

  it('keeps the last good set while the new one is half written, says so once, and takes it when complete', async () => {
    const [first, second] = [await issue(), await issue()];
    await write(first);
    const identity = await start();

    await write({ certificatePem: second.certificatePem });
    await look();
    await look(5);
    expect(identity.svid).toEqual(first);
    expect(events).toEqual([
      { kind: 'files_rejected', reason: expect.stringContaining('key: it does not belong') },
    ]);

    await write({ keyPem: second.keyPem });
    await look();
    expect(identity.svid).toEqual(second);
  });

  it.each([
    ['garbage', async () => ({ certificatePem: 'garbage' }), /no certificate in PEM/],
    [
      'a root that did not sign it',
      async () => ({ rootsPem: (await createAuthority({ trustDomain: 'a.test' })).trustBundle().rootsPem }),
      /does not lead to any/,
    ],
    [
      'an expired certificate',
      () => issueSvid(authority, { spiffeId: SPIFFE_ID, validFromMs: Date.now() - 86_400_000 }),
      /not now/,
    ],
  ])('keeps the last good set when the new one holds %s', async (_, change, reason) => {
    const first = await issue();
    await write(first);
    const identity = await start();
    await write(await change());
    await look();
    expect(events).toEqual([{ kind: 'files_rejected', reason: expect.stringMatching(reason) }]);
    expect(identity.svid).toEqual(first);
  });

  it('survives a file that is away', async () => {
    const [first, second] = [await issue(), await issue()];
    await write(first);
    const identity = await start();
    await rm(join(folder, 'svid.key'));
    await look();
    expect(events).toEqual([{ kind: 'files_rejected', reason: expect.stringContaining('ENOENT') }]);
    await write(second);
    await look();
    expect(identity.svid).toEqual(second);
  });

  it('says once when nobody renewed it in time', async () => {
    await write(await issue());
    const { svid } = await start();
    await clock.advance(3_500_000);
    await look();
    expect(events).toEqual([]);
    await clock.advance(100_000);
    await look(5);
    expect(events).toEqual([{ kind: 'expired', spiffeId: SPIFFE_ID, notAfterMs: svid.notAfterMs }]);
  });

  it('does not start with a set that does not work', async () => {
    await write({ ...(await issue()), keyPem: (await issue()).keyPem });
    await expect(start()).rejects.toThrow('key: it does not belong to the certificate');
  });

  it('does not start without files and names the missing one', async () => {
    await expect(start()).rejects.toThrow(/svid\.(pem|key)|roots\.pem/);
  });

  it('leaves no timer behind when stopped', async () => {
    await write(await issue());
    (await start()).stop();
    expect(clock.pendingTimers).toBe(0);
  });
});
