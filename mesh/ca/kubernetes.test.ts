import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ApiServerUnderTest, createJwt, startApiServer } from './api-server.fixture.ts';
import { type AuthorityUnderTest, bearer, startAuthorityUnderTest } from './authority.fixture.ts';
import { createAuthority } from './authority.ts';
import { Kubernetes, readVerdict } from './kubernetes.ts';
import { LIMITS } from './limits.ts';
import { Refusal } from './refusal.ts';
import { createTokenReview } from './token-review.ts';

const AUDIENCE = 'tulle-ca';
const POD = { namespace: 'shop', account: 'orders', audiences: [AUDIENCE], pod: 'orders-1' } as const;
const ID = 'spiffe://a.test/ns/shop/sa/orders';

let folder: string;
let apiServer: ApiServerUnderTest;
let nowMs: number;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-kubernetes-'));
  apiServer = await startApiServer(folder, await createAuthority({ trustDomain: 'cluster.test' }));
  nowMs = 0;
});
afterEach(async () => {
  apiServer.close();
  await rm(folder, { recursive: true });
});

function open(requirePod = true): Kubernetes {
  const review = createTokenReview(apiServer);
  return new Kubernetes({
    trustDomain: 'a.test',
    audience: AUDIENCE,
    requirePod,
    review,
    nowMs: () => nowMs,
  });
}

const claim = (token: string | null) => ({ token, keySha256: '', socket: null as unknown as TLSSocket });

describe('a service-account token', () => {
  it('proves the id of its account, and the API server is asked for the audience of the authority', async () => {
    const token = apiServer.addPod({ ...POD, audiences: ['other', AUDIENCE] });
    expect(await open().attest(claim(token))).toEqual({ spiffeId: ID });
    expect(apiServer.asked).toEqual([{ token, audiences: [AUDIENCE] }]);
  });

  it('proves nothing when the API server does not know it', async () => {
    await expect(open().attest(claim(createJwt({ aud: [AUDIENCE] })))).rejects.toMatchObject({
      status: 401,
      code: 'invalid_token',
    });
  });

  it('proves nothing when it was made for another audience', async () => {
    const token = apiServer.addPod({ ...POD, audiences: ['https://kubernetes.default.svc'] });
    await expect(open().attest(claim(token))).rejects.toMatchObject({ status: 401, code: 'invalid_token' });
  });

  it('proves nothing when the API server did not look at audiences', async () => {
    apiServer.knowsAudiences = false;
    const token = apiServer.addPod({ ...POD, audiences: ['vault'] });
    await expect(open().attest(claim(token))).rejects.toMatchObject({ status: 401, code: 'wrong_audience' });
  });

  it('proves nothing without a pod, unless that is allowed', async () => {
    const token = apiServer.addPod({ ...POD, pod: null });
    await expect(open().attest(claim(token))).rejects.toMatchObject({ status: 401, code: 'not_of_a_pod' });
    expect(await open(false).attest(claim(token))).toEqual({ spiffeId: ID });
  });

  it('proves nothing when it is that of a person', async () => {
    const token = createJwt({ sub: 'somebody' });
    apiServer.users.set(token, { username: 'kubernetes-admin', groups: ['system:masters'] });
    await expect(open(false).attest(claim(token))).rejects.toMatchObject({ code: 'no_service_account' });
  });

  it('is not sent to the API server when it cannot be one', async () => {
    const kubernetes = open();
    const long = `${'a'.repeat(LIMITS.serviceAccountTokenChars)}.b.c`;
    for (const token of [null, '', 'a.b', 'a.b.c.d', 'a.b.ü', 'a..c', long]) {
      await expect(kubernetes.attest(claim(token))).rejects.toMatchObject({
        status: 401,
        code: 'invalid_token',
      });
    }
    expect(apiServer.asked).toEqual([]);
  });
});

describe('the API server', () => {
  it('is asked once for a token within a short time, whatever the answer, and again afterwards', async () => {
    const kubernetes = open();
    const [good, bad] = [apiServer.addPod(POD), createJwt({ aud: 'x' })];
    for (let round = 0; round < 3; round++) {
      await Promise.all([kubernetes.attest(claim(good)), kubernetes.attest(claim(good))]);
      await expect(kubernetes.attest(claim(bad))).rejects.toMatchObject({ code: 'invalid_token' });
    }
    expect(apiServer.asked).toHaveLength(2);
    nowMs += LIMITS.verdictMs;
    expect(await kubernetes.attest(claim(good))).toEqual({ spiffeId: ID });
    expect(apiServer.asked).toHaveLength(3);
  });

  it('is asked within a rate', async () => {
    const kubernetes = open();
    const tokens = Array.from({ length: LIMITS.tokenReviewBurst + 10 }, () => apiServer.addPod(POD));
    const outcomes: unknown[] = [];
    for (const token of tokens) {
      const outcome = kubernetes.attest(claim(token)).then(({ spiffeId }) => spiffeId);
      outcomes.push(await outcome.catch(({ code }) => code));
    }
    expect(outcomes.filter((outcome) => outcome === ID)).toHaveLength(LIMITS.tokenReviewBurst);
    expect(outcomes.filter((outcome) => outcome === 'attestation_busy')).toHaveLength(10);
    nowMs += 1_000;
    expect(await kubernetes.attest(claim(tokens.at(-1) ?? ''))).toEqual({ spiffeId: ID });
  });

  it.each([500, 403, 429])(
    'answers %i: that is no verdict, and the next attempt asks again',
    async (status) => {
      const kubernetes = open();
      const token = apiServer.addPod(POD);
      apiServer.failure = status;
      await expect(kubernetes.attest(claim(token))).rejects.toMatchObject({
        status: 503,
        code: 'attestation_unavailable',
        headers: { 'retry-after': '5' },
        cause: new Error(`the API server answered ${status}`),
      });
      apiServer.failure = null;
      expect(await kubernetes.attest(claim(token))).toEqual({ spiffeId: ID });
    },
  );

  it('does not answer in time, or is away', async () => {
    const kubernetes = open();
    const token = apiServer.addPod(POD);
    apiServer.failure = 'silence';
    const late = kubernetes.attest(claim(token));
    await expect(late).rejects.toMatchObject({
      status: 503,
      cause: new Error(`the API server did not answer: not within ${LIMITS.tokenReviewMs} ms`),
    });
    apiServer.close();
    await expect(kubernetes.attest(claim(token))).rejects.toMatchObject({
      code: 'attestation_unavailable',
      cause: new Error('the API server did not answer: ECONNREFUSED'),
    });
  });

  it('is believed only with a certificate of the roots that are in the file by then', async () => {
    const kubernetes = open();
    const token = apiServer.addPod(POD);
    const other = await createAuthority({ trustDomain: 'cluster.test' });
    await writeFile(apiServer.rootsFile, other.trustBundle().rootsPem);
    await expect(kubernetes.attest(claim(token))).rejects.toMatchObject({ code: 'attestation_unavailable' });
    expect(apiServer.asked).toEqual([]);
  });

  it('gets the token of the authority as it is in the file by then', async () => {
    const kubernetes = open();
    await kubernetes.attest(claim(apiServer.addPod(POD)));
    apiServer.accountToken = 'rotated';
    await writeFile(apiServer.tokenFile, 'rotated');
    expect(await kubernetes.attest(claim(apiServer.addPod(POD)))).toEqual({ spiffeId: ID });
  });
});

describe('readVerdict', () => {
  const options = { trustDomain: 'a.test', audience: AUDIENCE, requirePod: false };
  const names = fc.oneof(
    fc.string(),
    fc.constantFrom('..', '.', 'a/b', 'a:b', 'A', 'a%2fb', 'ns/x/sa/y', 'a\n'),
  );

  it('gives out an id of the given account or none, whatever is called what', () => {
    fc.assert(
      fc.property(names, names, (namespace, account) => {
        const user = { username: `system:serviceaccount:${namespace}:${account}` };
        try {
          const id = readVerdict({ authenticated: true, audiences: [AUDIENCE], user }, options);
          expect(id).toBe(`spiffe://a.test/ns/${namespace}/sa/${account}`);
          expect(`${namespace}${account}`).toMatch(/^[a-z0-9.-]+$/);
        } catch (error) {
          expect(error).toBeInstanceOf(Refusal);
        }
      }),
    );
  });

  it('refuses whatever is not plainly authenticated', () => {
    const anything = fc.record(
      { authenticated: fc.anything(), audiences: fc.anything(), user: fc.record({ username: fc.string() }) },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(anything, (status) => {
        expect(() => readVerdict(status as never, options)).toThrow(Refusal);
      }),
    );
  });
});

describe('POST /v1/svid/kubernetes', () => {
  let authority: AuthorityUnderTest;
  beforeEach(async () => {
    authority = await startAuthorityUnderTest({ attestors: [['kubernetes', open()]] });
  });
  afterEach(() => authority.stop());

  it('issues for the account, again and again, and says why not', async () => {
    const token = bearer(apiServer.addPod(POD));
    for (let round = 0; round < 2; round++) {
      expect(await authority.ask('kubernetes', token)).toMatchObject({ status: 200, body: { spiffeId: ID } });
    }
    expect(authority.decisions).toMatchObject([{ proof: 'kubernetes' }, { proof: 'kubernetes' }]);
    apiServer.failure = 500;
    const answer = await authority.ask('kubernetes', bearer(apiServer.addPod(POD)));
    expect(answer).toMatchObject({ status: 503, body: { code: 'attestation_unavailable' } });
    expect(JSON.stringify(answer.body)).not.toContain('500');
    expect(authority.decisions.at(-1)).toMatchObject({
      detail: expect.stringMatching(/ask.* \(Error: the API server answered 500\)$/),
    });
  });
});
