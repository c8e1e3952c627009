/** Against a real authority behind its real server: who is believed, for how long, and how a lost workload comes back. */
import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ApiServerUnderTest, createJwt, startApiServer } from '../../../mesh/ca/api-server.fixture.ts';
import {
  type AuthorityUnderTest,
  SPIFFE_ID,
  startAuthorityUnderTest,
} from '../../../mesh/ca/authority.fixture.ts';
import { Kubernetes } from '../../../mesh/ca/kubernetes.ts';
import { createTokenReview } from '../../../mesh/ca/token-review.ts';
import type { AuthorityIdentity } from '../config/schema.ts';
import { systemClock } from '../core/clock.ts';
import { createEnrolment, startEnrolment } from './enrolment.ts';
import type { Identity, IdentityEvent } from './identity.ts';
import { type ObtainSvid, PermanentFailure } from './rotate.ts';
import { readSvid, type Svid } from './svid.ts';
import { loadSvid } from './svid-state.ts';

const NEVER = new AbortController().signal;

let folder: string;
let authority: AuthorityUnderTest;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-enrolment-'));
  authority = await startAuthorityUnderTest();
  await writeFile(join(folder, 'roots.pem'), authority.rootsPem);
  await writeToken();
});
afterEach(async () => {
  await authority.stop();
  await rm(folder, { recursive: true });
});

async function writeToken(): Promise<void> {
  await writeFile(join(folder, 'token'), `${await authority.tokens.create(SPIFFE_ID, 60)}\n`);
}

function source(stateDir: string | null = null): AuthorityIdentity {
  return {
    kind: 'authority',
    url: `https://127.0.0.1:${authority.server.port}`,
    rootsFile: join(folder, 'roots.pem'),
    evidence: { kind: 'join-token', file: join(folder, 'token') },
    stateDir,
    foreignTrustDomains: [],
  };
}

const open = (trustDomain = 'a.test', clock = systemClock): ObtainSvid =>
  createEnrolment(source(), trustDomain, { clock });

/** A clock for which every SVID has ended. */
const LATE = { ...systemClock, nowMs: () => Date.now() + 9_999_000 };

const proofs = () =>
  authority.decisions.map((decision) =>
    'proof' in decision ? decision.proof : 'code' in decision ? decision.code : decision.event,
  );

describe('enrolment', () => {
  it('takes the token once, and renews with the SVID when the token is gone', async () => {
    const obtain = open();
    const first = await obtain(NEVER, null);
    await rm(join(folder, 'token'));
    const second = await obtain(NEVER, first);
    const third = await obtain(NEVER, second);
    expect(proofs()).toEqual(['join-token', 'renewal', 'renewal']);
    for (const svid of [first, second, third]) {
      expect(svid.spiffeId).toBe(SPIFFE_ID);
      expect(readSvid(svid, 'a.test')).toEqual(svid);
    }
    expect(new Set([first, second, third].map(({ keyPem }) => keyPem)).size).toBe(3);
  });

  it('spends one token though the answer is lost, again and again', async () => {
    const obtain = open();
    const { trustBundle } = authority.issuer;
    let lost = 0;
    // Asked when the token is spent and the answer is made.
    authority.issuer.trustBundle = () => {
      if (lost++ < 3) throw new Error('lost');
      return trustBundle();
    };
    for (let round = 0; round < 3; round++) await expect(obtain(NEVER, null)).rejects.toThrow('answered 500');
    const svid = await obtain(NEVER, null);
    expect(svid.spiffeId).toBe(SPIFFE_ID);
    const next = await obtain(NEVER, svid);
    expect(next.keyPem).not.toBe(svid.keyPem);
  });

  it('fails for good when the token was used by somebody else, with the reason', async () => {
    await open()(NEVER, null);
    const late = open()(NEVER, null);
    await expect(late).rejects.toThrow(/answered 401: The join token was used before/);
    await expect(late).rejects.toBeInstanceOf(PermanentFailure);
  });

  it('enrols anew with another token when the SVID has ended', async () => {
    const obtain = open('a.test', LATE);
    const ended = await open()(NEVER, null);
    await rm(join(folder, 'token'));
    await expect(obtain(NEVER, ended)).rejects.toThrow('token: cannot be read (ENOENT); without an SVID');
    await writeToken();
    expect((await obtain(NEVER, ended)).spiffeId).toBe(SPIFFE_ID);
    expect(proofs()).toEqual(['join-token', 'join-token']);
  });

  it('enrols anew with another token when it is not renewed any more, and says both reasons without one', async () => {
    const obtain = open();
    const first = await obtain(NEVER, null);
    await rm(join(authority.folder, 'enrolled'), { recursive: true });
    await expect(obtain(NEVER, first)).rejects.toThrow(
      /is not renewed: .*; and for the token: .*The join token was used before/,
    );
    await rm(join(folder, 'token'));
    await expect(obtain(NEVER, first)).rejects.toThrow(/is not renewed: .* not any more\.$/);
    await writeToken();
    expect((await obtain(NEVER, first)).spiffeId).toBe(SPIFFE_ID);
    expect(proofs().slice(-2)).toEqual(['not_enrolled', 'join-token']);
  });

  it('does not show the token when renewal fails for now', async () => {
    const obtain = open();
    const first = await obtain(NEVER, null);
    authority.issuer.sign = () => Promise.reject(new Error('away'));
    await expect(obtain(NEVER, first)).rejects.toThrow('answered 500');
    expect(proofs()).toEqual(['join-token', 'internal_error']);
  });

  it('believes an authority with a new root once the SVID has brought it', async () => {
    const obtain = open();
    const svid = await obtain(NEVER, null);
    const next = await startAuthorityUnderTest();
    await writeFile(join(folder, 'roots.pem'), next.rootsPem);
    await next.stop();
    expect((await obtain(NEVER, svid)).spiffeId).toBe(SPIFFE_ID);
  });

  it('refuses an SVID of another trust domain', async () => {
    await expect(open('b.test')(NEVER, null)).rejects.toThrow('is not of trust domain b.test');
  });

  it.each(['', 'two words', 'one\ntwo', 'naïve'])('does not send the malformed token "%s"', async (text) => {
    await writeFile(join(folder, 'token'), text);
    await expect(open()(NEVER, null)).rejects.toThrow(/token: must hold one token/);
    expect(proofs()).toEqual([]);
  });

  it.each(['token', 'roots.pem'])('names the file %s when it is away', async (name) => {
    await rm(join(folder, name));
    await expect(open()(NEVER, null)).rejects.toThrow(new RegExp(`${name}: cannot be read \\(ENOENT\\)`));
  });
});

describe('enrolment of a pod', () => {
  const POD = { namespace: 'b', account: 'c', audiences: ['tulle-ca'], pod: 'c-1' };
  let apiServer: ApiServerUnderTest;
  let obtain: ObtainSvid;
  beforeEach(async () => {
    apiServer = await startApiServer(folder, authority.issuer);
    await authority.stop();
    const review = createTokenReview(apiServer);
    const kubernetes = new Kubernetes({
      trustDomain: 'a.test',
      audience: 'tulle-ca',
      requirePod: true,
      review,
    });
    authority = await startAuthorityUnderTest({
      issuer: authority.issuer,
      attestors: [['kubernetes', kubernetes]],
    });
    await writeFile(join(folder, 'token'), apiServer.addPod(POD));
    const file = join(folder, 'token');
    const pod: AuthorityIdentity = { ...source(), evidence: { kind: 'kubernetes', file } };
    obtain = createEnrolment(pod, 'a.test', { clock: systemClock });
  });
  afterEach(() => apiServer.close());

  it('shows the token of the pod each time, as it is by then', async () => {
    const first = await obtain(NEVER, null);
    await writeFile(join(folder, 'token'), apiServer.addPod(POD));
    const second = await obtain(NEVER, first);
    expect([first.spiffeId, second.spiffeId]).toEqual([SPIFFE_ID, SPIFFE_ID]);
    expect(second.keyPem).not.toBe(first.keyPem);
    expect(proofs()).toEqual(['kubernetes', 'kubernetes']);
    expect(apiServer.asked).toHaveLength(2);
  });

  it('may be tried again when the API server is away, and not when it says no', async () => {
    const first = await obtain(NEVER, null);
    await writeFile(join(folder, 'token'), apiServer.addPod(POD));
    apiServer.failure = 500;
    const away = obtain(NEVER, first);
    await expect(away).rejects.toThrow('answered 503: The API server cannot be asked now');
    await expect(away).rejects.not.toBeInstanceOf(PermanentFailure);
    apiServer.failure = null;
    expect((await obtain(NEVER, first)).spiffeId).toBe(SPIFFE_ID);
    await writeFile(join(folder, 'token'), createJwt({}));
    await expect(obtain(NEVER, first)).rejects.toBeInstanceOf(PermanentFailure);
  });

  it('leaves an SVID that cannot renew itself, so that it ends with the pod', async () => {
    const { certificatePem: cert, keyPem: key } = await obtain(NEVER, null);
    expect(await authority.ask('renewal', { cert, key })).toMatchObject({ body: { code: 'not_enrolled' } });
  });
});

describe('the state folder', () => {
  let events: IdentityEvent[];
  let running: Identity | null;
  let stateDir: string;
  beforeEach(() => {
    events = [];
    running = null;
    stateDir = join(folder, 'state');
  });
  afterEach(() => running?.stop());

  async function start(): Promise<Svid> {
    running?.stop();
    const report = (event: IdentityEvent) => events.push(event);
    running = await startEnrolment(source(stateDir), 'a.test', {
      clock: systemClock,
      random: () => 0.999,
      report,
    });
    return running.svid;
  }

  it('keeps the SVID over a restart, for its owner alone, so that neither token nor authority is needed', async () => {
    const first = await start();
    expect((await stat(join(stateDir, 'svid.json'))).mode & 0o777).toBe(0o600);
    await rm(join(folder, 'token'));
    expect(await start()).toEqual(first);
    expect(proofs()).toEqual(['join-token']);
    expect(events).toEqual([]);
  });

  it('is damaged or out of date: that is told, without a piece of the key, and the token is taken', async () => {
    const { keyPem } = await start();
    const path = join(stateDir, 'svid.json');
    await writeFile(path, (await readFile(path, 'utf8')).slice(0, -20));
    await writeToken();
    await start();
    expect(proofs()).toEqual(['join-token', 'join-token']);
    expect(events).toEqual([{ kind: 'state_rejected', reason: `${path}: is damaged` }]);
    expect(JSON.stringify(events)).not.toContain(keyPem.split('\n')[1]);
  });

  it('counts as none, whatever stands in it', async () => {
    await mkdir(stateDir);
    const report = (event: IdentityEvent) => void events.push(event);
    const member = fc.oneof(
      fc.string(),
      fc.constant('-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----'),
    );
    const record = fc.record({ certificatePem: member, keyPem: member, rootsPem: member });
    const content = fc.oneof(
      fc.string(),
      fc.json(),
      record.map((svid) => JSON.stringify(svid)),
    );
    await fc.assert(
      fc.asyncProperty(content, async (text) => {
        await writeFile(join(stateDir, 'svid.json'), text, { mode: 0o600 });
        expect(await loadSvid(stateDir, 'a.test', [], { clock: systemClock, report })).toBeNull();
      }),
    );
    expect(events.every(({ kind }) => kind === 'state_rejected')).toBe(true);
  });

  it('is refused when others can read the key', async () => {
    await start();
    await chmod(join(stateDir, 'svid.json'), 0o640);
    await expect(start()).rejects.toThrow(/svid\.json: .*chmod 600/);
  });

  it('cannot be written: that is told, and the SVID is used all the same', async () => {
    await symlink(join(folder, 'nowhere', 'state'), stateDir);
    expect((await start()).spiffeId).toBe(SPIFFE_ID);
    expect(events).toMatchObject([{ kind: 'state_not_kept', reason: expect.stringContaining('state') }]);
  });
});
