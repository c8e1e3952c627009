import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { dataOf, recordedDeps, startVault, until, type Vault } from './vault.fixture.ts';
import { VaultClient } from './vault-client.ts';
import { type VaultConfig, VaultSession } from './vault-session.ts';

const READ_ORDERS = 'path "secret/data/orders" { capabilities = ["read"] }';

let vault: Vault;
let session: VaultSession | undefined;
beforeAll(async () => {
  vault = await startVault();
  await vault.bao.call('POST', 'secret/data/orders', { data: { key: 'the orders key' } });
});
afterEach(() => session?.close());
afterAll(() => vault.stop());

function open(config: VaultConfig, deps = recordedDeps()) {
  session = new VaultSession(config, deps);
  return { session, events: deps.events };
}

const countOf = (events: readonly { event: string }[], name: string) =>
  events.filter(({ event }) => event === name).length;

describe('a session', () => {
  test('reads what its policy allows, and is told of what it does not', async () => {
    const { session } = open(await vault.addRole('plain', READ_ORDERS));
    await expect(session.read('secret/data/orders')).rejects.toThrow('not logged in');
    await until('a login', () => session.awayReason === null);
    expect((await session.read('secret/data/orders')).data).toMatchObject({
      data: { key: 'the orders key' },
    });
    await expect(session.read('secret/data/payments')).rejects.toMatchObject({
      status: 403,
      message: expect.stringMatching(
        /^read secret\/data\/payments: Vault answered 403 \(.*permission denied/,
      ),
    });
    await expect(session.write('secret/data/orders', { data: {} })).rejects.toMatchObject({ status: 403 });
  });

  test('logs in anew before its token cannot be renewed any more, and tells who holds leases', async () => {
    const { session, events } = open(
      await vault.addRole('short', READ_ORDERS, { token_ttl: '2s', token_max_ttl: '3s' }),
    );
    let told = 0;
    session.onLogin(() => told++);
    let failures = 0;
    const reading = setInterval(() => {
      if (session.awayReason === null) session.read('secret/data/orders').catch(() => failures++);
    }, 50);
    await until('three logins', () => countOf(events, 'vault_login') === 3).finally(() =>
      clearInterval(reading),
    );
    expect(told).toBe(2);
    expect(failures).toBe(0);
  });

  test('logs in anew when its token was revoked', async () => {
    const { session, events } = open(await vault.addRole('revoked', READ_ORDERS));
    await until('a login', () => session.awayReason === null);
    const { keys } = await dataOf(vault.bao.call('LIST', 'auth/token/accessors'));
    for (const accessor of keys as string[]) {
      const { policies } = await dataOf(vault.bao.call('POST', 'auth/token/lookup-accessor', { accessor }));
      if ((policies as string[]).includes('revoked'))
        await vault.bao.call('POST', 'auth/token/revoke-accessor', { accessor });
    }
    await expect(session.read('secret/data/orders')).rejects.toMatchObject({ status: 403 });
    await until('another login', () => countOf(events, 'vault_login') === 2);
    await session.read('secret/data/orders');
  });

  test('goes on trying while Vault is sealed, and finds a secret id that was rotated meanwhile', async () => {
    const config = await vault.addRole('sealed', READ_ORDERS, { token_ttl: '2s', token_max_ttl: '2s' });
    const { session, events } = open(config);
    await until('a login', () => session.awayReason === null);
    await vault.bao.seal();
    await until('the alarm', () => countOf(events, 'vault_away') === 1);
    expect(session.awayReason).toMatch(/Vault answered 503 \(Vault is sealed\)/);
    await vault.bao.unseal();
    vault.writeSecretId('sealed', 'no such secret id');
    await until('a refusal', () => session.awayReason?.includes('400'));
    const { secret_id } = await dataOf(vault.bao.call('POST', 'auth/approle/role/sealed/secret-id'));
    vault.writeSecretId('sealed', String(secret_id));
    await until('another login', () => session.awayReason === null);
    expect(inspect(events)).not.toContain('no such secret id');
  });

  test('opens a wrapped secret id once and remembers it', async () => {
    const config = await vault.addRole('wrapped', READ_ORDERS, { token_ttl: '2s', token_max_ttl: '2s' });
    const wrapping = await fetch(`${vault.bao.url}/v1/auth/approle/role/wrapped/secret-id`, {
      method: 'POST',
      headers: { 'x-vault-token': vault.bao.keys.rootToken, 'x-vault-wrap-ttl': '60s' },
    });
    const { wrap_info } = (await wrapping.json()) as { wrap_info: { token: string } };
    vault.writeSecretId('wrapped', wrap_info.token);
    const appRole = { ...('appRole' in config.auth && config.auth.appRole), secretIdWrapped: true };
    const wrapped = { ...config, auth: { appRole } } as VaultConfig;
    const { events } = open(wrapped);
    await until('two logins', () => countOf(events, 'vault_login') === 2);
    session?.close();

    // The same wrapping token again, as a thief would have it.
    const late = open(wrapped);
    await until('the alarm', () => countOf(late.events, 'vault_wrapping_refused') > 0);
    expect(inspect(late.events)).not.toContain(wrap_info.token);
  });

  test('does not start without the files of its identity', () => {
    const appRole = {
      mount: 'approle',
      roleIdFile: '/nowhere/role-id',
      secretIdFile: '/x',
      secretIdWrapped: false,
    };
    expect(() => open({ address: vault.bao.url, auth: { appRole } })).toThrow(
      '/nowhere/role-id: cannot be read (ENOENT); check its path and permissions',
    );
  });
});

describe('the client', () => {
  let server: Server | undefined;
  let client: VaultClient | undefined;
  afterEach(() => {
    client?.close();
    server?.close();
    server?.closeAllConnections();
  });

  async function clientOf(status: number, body: string, headers: Record<string, string> = {}) {
    server = createServer((_request, response) => response.writeHead(status, headers).end(body));
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
    client = new VaultClient({ address: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
    return client;
  }

  test.each([
    [
      'a redirect',
      307,
      '',
      { location: 'http://127.0.0.1:1/v1/x' },
      /answered with a redirect, which is not followed/,
    ],
    ['what is not JSON', 200, '<html>', {}, /answered what is not JSON/],
    ['too much', 200, 'x'.repeat(1_100_000), {}, /answered more than 1048576 bytes/],
  ])('refuses %s', async (_what, status, body, headers, message) => {
    const client = await clientOf(status, body, headers as Record<string, string>);
    await expect(client.call('read x', (vault) => vault.read('x'))).rejects.toThrow(message);
  });

  test('takes neither token nor namespace from the environment', async () => {
    process.env.VAULT_TOKEN = 'token of the environment';
    process.env.VAULT_NAMESPACE = 'elsewhere';
    try {
      let seen: unknown;
      const client = await clientOf(200, '{}');
      server?.on('request', ({ headers }) => {
        seen = headers;
      });
      await client.call('read x', (vault) => vault.read('x'));
      expect(inspect(seen)).not.toMatch(/token of the environment|elsewhere/);
    } finally {
      delete process.env.VAULT_TOKEN;
      delete process.env.VAULT_NAMESPACE;
    }
  });

  test('shows nothing of what was sent, though the server repeats it', async () => {
    const sent = 'a-secret-that-comes-back';
    const client = await clientOf(500, JSON.stringify({ errors: [`no: ${sent}`], data: { sent } }));
    const failure = await client
      .call('write x', (vault) => vault.write('x', { sent }))
      .catch((error) => error);
    expect(failure).toMatchObject({ status: 500, message: 'write x: Vault answered 500 (no: …)' });
    expect(inspect(failure, { depth: 9, showHidden: true })).not.toContain(sent);
  });

  test('says that nobody is there', async () => {
    client = new VaultClient({ address: 'http://127.0.0.1:1' });
    await expect(client.call('log in', (vault) => vault.read('x'))).rejects.toMatchObject({
      status: null,
      message: 'log in: Vault cannot be reached (ECONNREFUSED)',
    });
  });
});
