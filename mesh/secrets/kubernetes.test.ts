// Login by the token of a service account: a real OpenBao asks an API server (mesh/ca's stand-in for TokenReview) what the token is worth.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type ApiServerUnderTest, startApiServer } from '../ca/api-server.fixture.ts';
import { createAuthority } from '../ca/authority.ts';
import { recordedDeps, startVault, until, type Vault } from './vault.fixture.ts';
import { type VaultConfig, VaultSession } from './vault-session.ts';

const ORDERS = { namespace: 'shop', account: 'orders', audiences: ['vault'], pod: 'orders-1' };

let vault: Vault;
let api: ApiServerUnderTest;
let session: VaultSession | undefined;
let tokenFile: string;
beforeAll(async () => {
  vault = await startVault();
  const { bao } = vault;
  api = await startApiServer(vault.folder, await createAuthority({ trustDomain: 'cluster.test' }));
  await bao.call('POST', 'sys/auth/kubernetes', { type: 'kubernetes' });
  await bao.call('POST', 'auth/kubernetes/config', {
    kubernetes_host: api.url,
    kubernetes_ca_cert: readFileSync(api.rootsFile, 'utf8'),
    token_reviewer_jwt: api.accountToken,
    disable_local_ca_jwt: true,
  });
  const policy = 'path "secret/data/orders" { capabilities = ["read"] }';
  await bao.call('PUT', 'sys/policies/acl/orders', { policy });
  await bao.call('POST', 'secret/data/orders', { data: { key: 'the orders key' } });
  for (const [role, ttl] of [
    ['orders', '60s'],
    ['short', '2s'],
  ])
    await bao.call('POST', `auth/kubernetes/role/${role}`, {
      bound_service_account_names: 'orders',
      bound_service_account_namespaces: 'shop',
      audience: 'vault',
      token_policies: 'orders',
      token_ttl: ttl,
      token_max_ttl: '1h',
    });
  tokenFile = join(vault.folder, 'token');
});
afterEach(() => {
  session?.close();
  api.failure = null;
  api.asked.length = 0;
});
afterAll(async () => {
  api?.close();
  await vault?.stop();
});

function logIn(token: string, role = 'orders') {
  writeFileSync(tokenFile, token);
  const deps = recordedDeps();
  const kubernetes = { mount: 'kubernetes', role, tokenFile };
  session = new VaultSession({ address: vault.bao.url, auth: { kubernetes } } satisfies VaultConfig, deps);
  const countOf = (name: string) => deps.events.filter(({ event }) => event === name).length;
  return { session, events: deps.events, countOf };
}

test('the token of a service account is a login, with the rights of its role, and Vault asks for the audience of the role', async () => {
  const token = api.addPod(ORDERS);
  const { session } = logIn(token);
  await session.loggedIn;
  expect((await session.read('secret/data/orders')).data).toMatchObject({ data: { key: 'the orders key' } });
  await expect(session.read('secret/data/payments')).rejects.toMatchObject({ status: 403 });
  expect(api.asked).toEqual([{ token, audiences: ['vault'] }]);
});

test('a session outlives the tokens of Vault and of Kubernetes: it renews the one, and reads the other anew', async () => {
  const before = api.addPod(ORDERS);
  const { session, events, countOf } = logIn(before, 'short');
  await session.loggedIn;
  let failures = 0;
  const reading = setInterval(() => session.read('secret/data/orders').catch(() => failures++), 50);
  const after = api.addPod(ORDERS);
  try {
    // OpenBao asks again what the token is worth that the login was made with.
    await until('a renewal', () => api.asked.length === 2);
    expect(countOf('vault_login')).toBe(1);
    // The kubelet does the first long before the second happens.
    writeFileSync(tokenFile, after);
    api.removePod(before);
    await until('another login', () => countOf('vault_login') === 2);
  } finally {
    clearInterval(reading);
  }
  expect(failures).toBe(0);
  expect(countOf('vault_away')).toBe(0);
  expect(new Set(api.asked.map(({ token }) => token))).toEqual(new Set([before, after]));
  expect(inspect(events)).not.toContain(after);
});

test.each<[string, () => string]>([
  ['for another audience', () => api.addPod({ ...ORDERS, audiences: ['https://kubernetes.default.svc'] })],
  ['of another account', () => api.addPod({ ...ORDERS, account: 'payments' })],
  ['of another namespace', () => api.addPod({ ...ORDERS, namespace: 'stock' })],
  [
    'that is not good any more',
    () => {
      const token = api.addPod(ORDERS);
      api.removePod(token);
      return token;
    },
  ],
])('a token %s is refused, and the session says so without it', async (_what, create) => {
  const token = create();
  const { session, events, countOf } = logIn(token);
  await until('the alarm', () => countOf('vault_away') === 1);
  expect(session.awayReason).toMatch(/^log in: Vault answered (400|403) /);
  await expect(session.read('secret/data/orders')).rejects.toThrow('not logged in');
  expect(inspect(events)).not.toContain(token);
  // The kubelet brings a good one.
  writeFileSync(tokenFile, api.addPod(ORDERS));
  await session.loggedIn;
  await session.read('secret/data/orders');
});

test('an API server that is away delays the login, and nothing more', async () => {
  api.failure = 503;
  const { session, countOf } = logIn(api.addPod(ORDERS));
  await until('the alarm', () => countOf('vault_away') === 1);
  api.failure = null;
  await session.loggedIn;
  expect(countOf('vault_back')).toBe(1);
});
