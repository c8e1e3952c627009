/** Against a real authority behind its real server: a new root is known without a renewal, and what fails changes nothing. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  type AuthorityUnderTest,
  SPIFFE_ID,
  startAuthorityUnderTest,
  TRUST_DOMAIN,
} from '../../../mesh/ca/authority.fixture.ts';
import { type Authority, createAuthority } from '../../../mesh/ca/authority.ts';
import { systemClock } from '../core/clock.ts';
import { startEnrolment } from './enrolment.ts';
import type { Identity, IdentityEvent } from './identity.ts';
import { writeSpiffeBundle } from './spiffe-bundle.ts';
import { delayMs } from './trust-refresh.ts';

const PATIENCE = { timeout: 20_000, interval: 20 };

let folder: string;
let issuer: Authority;
let authority: AuthorityUnderTest;
let identity: Identity | null;
let events: IdentityEvent[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-trust-'));
  issuer = await createAuthority({ trustDomain: TRUST_DOMAIN });
  authority = await startAuthorityUnderTest({ issuer });
  await writeFile(join(folder, 'roots.pem'), authority.rootsPem);
  identity = null;
  events = [];
});
afterEach(async () => {
  identity?.stop();
  await authority.stop();
  await rm(folder, { recursive: true });
});

async function enrol(foreignTrustDomains: readonly string[] = []): Promise<Identity> {
  await writeFile(join(folder, 'token'), await authority.tokens.create(SPIFFE_ID, 60));
  identity = await startEnrolment(
    {
      kind: 'authority',
      url: `https://127.0.0.1:${authority.server.port}`,
      rootsFile: join(folder, 'roots.pem'),
      evidence: { kind: 'join-token', file: join(folder, 'token') },
      stateDir: join(folder, 'state'),
      foreignTrustDomains,
    },
    TRUST_DOMAIN,
    { clock: systemClock, random: Math.random, report: (event) => events.push(event) },
  );
  return identity;
}

const rootsOf = ({ svid }: Identity) => svid.rootsPem.match(/-----BEGIN/g)?.length;
const kinds = () => events.map(({ kind }) => kind);

describe('a sidecar with an authority', () => {
  it('trusts the next root without having renewed, tells whoever uses it, and keeps it', async () => {
    const running = await enrol();
    const { certificatePem } = running.svid;
    const heard: (number | undefined)[] = [];
    running.onRotated(() => heard.push(rootsOf(running)));
    await issuer.rotateRoot('prepare');
    await vi.waitFor(() => expect(rootsOf(running)).toBe(2), PATIENCE);
    expect(running.svid.certificatePem).toBe(certificatePem);
    expect(heard).toEqual([2]);
    expect(events).toEqual([{ kind: 'trust_changed', sequence: 2, denied: 0 }]);
    const stored = () => readFile(join(folder, 'state', 'svid.json'), 'utf8').then(JSON.parse);
    await vi.waitFor(async () => expect((await stored()).rootsPem).toBe(running.svid.rootsPem), PATIENCE);
    await issuer.rotateRoot('cancel');
    await vi.waitFor(() => expect(rootsOf(running)).toBe(1), PATIENCE);
  });

  it('keeps who is denied through a renewal, in use and on disk', async () => {
    await authority.stop();
    authority = await startAuthorityUnderTest({ issuer, svidTtlSeconds: 3 });
    const running = await enrol();
    const other = 'spiffe://a.test/ns/b/sa/thief';
    await authority.denials.deny({ spiffeId: other });
    await vi.waitFor(() => expect(running.svid.denied.spiffeIds.has(other)).toBe(true), PATIENCE);
    const known = running.svid.certificatePem;
    await vi.waitFor(() => expect(running.svid.certificatePem).not.toBe(known), PATIENCE);
    expect(running.svid.denied.spiffeIds.has(other)).toBe(true);
    const stored = () => readFile(join(folder, 'state', 'svid.json'), 'utf8').then(JSON.parse);
    await vi.waitFor(async () => {
      const { certificatePem, denied } = await stored();
      expect(certificatePem).toBe(running.svid.certificatePem);
      expect(denied.spiffe_ids).toEqual([other]);
    }, PATIENCE);
  });

  it('keeps the last good bundle while there is none to be had, says so once, and goes on afterwards', async () => {
    const running = await enrol();
    const { rootsPem } = running.svid;
    const { trustBundle } = authority.issuer;
    let asked = 0;
    authority.issuer.trustBundle = () => {
      asked += 1;
      throw new Error('away');
    };
    await vi.waitFor(() => expect(asked).toBeGreaterThan(2), PATIENCE);
    authority.issuer.trustBundle = () => ({ sequence: 9, rootsPem: 'noise' });
    await vi.waitFor(() => expect(kinds()).toContain('trust_not_refreshed'), PATIENCE);
    expect(running.svid.rootsPem).toBe(rootsPem);
    authority.issuer.trustBundle = trustBundle;
    await issuer.rotateRoot('prepare');
    await vi.waitFor(() => expect(rootsOf(running)).toBe(2), PATIENCE);
    expect(kinds()).toEqual(['trust_not_refreshed', 'trust_changed']);
  });

  it('takes of the foreign trust domains that the authority passes on those that its config accepts, and keeps them', async () => {
    await authority.stop();
    const foreign = await Promise.all(
      ['b.test', 'c.test'].map(async (trustDomain) => {
        const { rootsPem } = (await createAuthority({ trustDomain })).trustBundle();
        const file = join(folder, `${trustDomain}.json`);
        await writeFile(
          file,
          JSON.stringify(writeSpiffeBundle({ sequence: 1, rootsPem, refreshSeconds: null })),
        );
        return { trustDomain, source: { kind: 'file', file } } as const;
      }),
    );
    authority = await startAuthorityUnderTest({ issuer, foreign });
    const running = await enrol(['b.test', 'd.test']);
    expect([...running.svid.foreign.keys()]).toEqual(['b.test']);
    const stored = () => readFile(join(folder, 'state', 'svid.json'), 'utf8').then(JSON.parse);
    await vi.waitFor(async () => expect(Object.keys((await stored()).foreign)).toEqual(['b.test']), PATIENCE);
    running.stop();
    expect([...(await enrol()).svid.foreign.keys()]).toEqual([]);
  });

  it('does not believe roots of another trust domain', async () => {
    const stranger = await createAuthority({ trustDomain: 'b.test' });
    const running = await enrol();
    authority.issuer.trustBundle = () => stranger.trustBundle();
    await vi.waitFor(() => expect(kinds()).toContain('trust_not_refreshed'), PATIENCE);
    expect(events[0]).toMatchObject({ reason: expect.stringContaining('is for spiffe://b.test') });
    expect(running.svid.rootsPem).toBe(authority.rootsPem);
  });

  it('asks nothing more after it was stopped', async () => {
    const running = await enrol();
    let asked = 0;
    const { trustBundle } = authority.issuer;
    authority.issuer.trustBundle = () => {
      asked += 1;
      return trustBundle();
    };
    await vi.waitFor(() => expect(asked).toBeGreaterThan(0), PATIENCE);
    running.stop();
    const atStop = asked;
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(asked).toBeLessThanOrEqual(atStop + 1);
  });
});

describe('the pause between two questions', () => {
  it('is never longer than the authority asks for, and after failures shorter', () => {
    const refresh = fc.integer({ min: 1_000, max: 3_600_000 });
    fc.assert(
      fc.property(
        refresh,
        fc.nat(60),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (refreshMs, failures, random) => {
          const pauseMs = delayMs(refreshMs, failures, random);
          expect(pauseMs).toBeGreaterThan(0);
          expect(pauseMs).toBeLessThanOrEqual(refreshMs);
          if (failures === 0) expect(pauseMs).toBeGreaterThanOrEqual(refreshMs * 0.8);
          if (failures === 1) expect(pauseMs).toBeLessThanOrEqual(500);
        },
      ),
    );
  });
});
