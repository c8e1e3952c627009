// Who is denied, on disk and at the authority's real interface.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createKeyAndCsr } from '../../sidecar/src/identity/csr.ts';
import { MAX_DENIED } from '../../sidecar/src/identity/deny-list.ts';
import { type AuthorityUnderTest, bearer, SPIFFE_ID, startAuthorityUnderTest } from './authority.fixture.ts';
import { Denials } from './denials.ts';
import { LIMITS } from './limits.ts';

let folder: string;
let nowMs: number;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-denials-'));
  nowMs = Date.UTC(2030, 0, 1);
});
afterEach(() => rm(folder, { recursive: true }));

const open = () => Denials.open(folder, 'a.test', () => nowMs);
const idOf = (name: string) => `spiffe://a.test/ns/b/sa/${name}`;

describe('denials', () => {
  it('are kept over a restart, ids until they are taken back, serial numbers until the certificate must have ended', async () => {
    const denials = await open();
    expect(await denials.deny({ spiffeId: idOf('c') })).toBe(true);
    expect(await denials.deny({ serialNumber: 'AB12' })).toBe(true);
    expect(await denials.deny({ serialNumber: 'ab12' })).toBe(false);
    const restarted = await open();
    expect(restarted.list).toEqual({ spiffeIds: new Set([idOf('c')]), serialNumbers: new Set(['ab12']) });
    expect([restarted.has(idOf('c')), restarted.has(idOf('d')), restarted.has(idOf('d'), 'AB12')]).toEqual([
      true,
      false,
      true,
    ]);
    nowMs += LIMITS.deniedSerialMs;
    expect(restarted.has(idOf('d'), 'AB12')).toBe(false);
    expect(restarted.has(idOf('c'))).toBe(true);
    expect(await restarted.allow({ spiffeId: idOf('c') })).toBe(true);
    expect(await restarted.allow({ spiffeId: idOf('c') })).toBe(false);
    expect((await open()).has(idOf('c'))).toBe(false);
  });

  it('are bounded, also when many are made at once', async () => {
    const serials = Array.from({ length: MAX_DENIED - 1 }, (_, index) => ({
      serialNumber: index.toString(16),
      untilMs: nowMs + 1,
    }));
    await writeFile(join(folder, 'denied.json'), JSON.stringify(serials));
    const denials = await open();
    const outcomes = await Promise.allSettled(
      ['x', 'y', 'z'].map((name) => denials.deny({ spiffeId: idOf(name) })),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    nowMs += 1;
    expect(await denials.deny({ spiffeId: idOf('y') })).toBe(true);
  });

  it.each([
    { spiffeId: 'spiffe://b.test/ns/b/sa/c' },
    { spiffeId: 'c' },
    { spiffeId: idOf('x'.repeat(600)) },
    { serialNumber: '' },
    { serialNumber: '12 34' },
    { serialNumber: 'f'.repeat(41) },
  ])('are not made for %j', async (denied) => {
    await expect((await open()).deny(denied)).rejects.toThrow(/^a (SPIFFE id|serial number) is/);
  });

  it('that are damaged are an error, never nobody', async () => {
    await writeFile(join(folder, 'denied.json'), '[{"spiffeId"');
    await expect(open()).rejects.toThrow('says who must not be let in');
  });
});

describe('the authority', () => {
  let authority: AuthorityUnderTest;
  beforeEach(async () => {
    authority = await startAuthorityUnderTest();
  });
  afterEach(() => authority.stop());

  async function enrol() {
    const token = await authority.tokens.create(SPIFFE_ID, 60);
    const { keyPem, csrPem } = await createKeyAndCsr();
    const answer = await authority.ask('join-token', bearer(token), csrPem);
    const issued = authority.decisions.at(-1);
    const serialNumber = issued?.event === 'issued' ? issued.serialNumber : '';
    return { answer, serialNumber, tls: { cert: String(answer.body.certificates), key: keyPem } };
  }

  it('gives a denied id nothing, whatever the proof, and goes on when that is taken back', async () => {
    const { tls } = await enrol();
    await authority.denials.deny({ spiffeId: SPIFFE_ID });
    expect(await authority.ask('renewal', tls)).toMatchObject({ status: 403, body: { code: 'denied' } });
    const token = await authority.tokens.create(SPIFFE_ID, 60);
    expect(await authority.ask('join-token', bearer(token))).toMatchObject({
      status: 403,
      body: { code: 'denied' },
    });
    await authority.denials.allow({ spiffeId: SPIFFE_ID });
    expect((await authority.ask('join-token', bearer(token))).status).toBe(200);
    expect((await authority.ask('renewal', tls)).status).toBe(200);
  });

  it('does not renew a denied certificate, and renews others of the same id', async () => {
    const [first, second] = [await enrol(), await enrol()];
    await authority.denials.deny({ serialNumber: first.serialNumber });
    expect(await authority.ask('renewal', first.tls)).toMatchObject({
      status: 403,
      body: { code: 'denied' },
    });
    expect((await authority.ask('renewal', second.tls)).status).toBe(200);
  });

  it('tells everybody who is denied, with the bundle', async () => {
    await authority.denials.deny({ spiffeId: SPIFFE_ID });
    const { body } = await authority.send('/v1/bundle');
    expect(body).toMatchObject({
      spiffe_sequence: 1,
      tulle_denied: { spiffe_ids: [SPIFFE_ID], serial_numbers: [] },
    });
  });
});
