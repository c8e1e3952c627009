// What each workload may and may not do in Vault: real logins by AppRole, and what a real OpenBao answers to them.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DeployedVault, startDeployable } from './deploy.fixture.ts';

const SERVICES = ['gateway', 'workflow-worker', 'webhook-dispatcher', 'ai-processor'];
const WORKLOADS = ['authority', ...SERVICES];

type Request = readonly [method: string, path: string, body?: object];

let vault: DeployedVault;
const tokens = new Map<string, string>();

beforeAll(async () => {
  vault = await startDeployable();
  await vault.apply();
  // One whose name begins like that of a service is another all the same.
  for (const name of [...WORKLOADS, 'gateway-2'])
    await vault.bao.call('POST', `secret/data/${name}/mongodb`, { data: { uri: `that of ${name}` } });
  for (const name of WORKLOADS) tokens.set(name, await logIn(await idsOf(name)));
});
afterAll(() => vault?.stop());

test('these are all that there are', async () => {
  const roles = await ask('root', 'LIST', 'auth/approle/role');
  expect(roles.data).toEqual({ keys: WORKLOADS.toSorted() });
  const policies = await ask('root', 'LIST', 'sys/policies/acl');
  expect(policies.data).toEqual({ keys: [...[...WORKLOADS, 'default'].toSorted(), 'root'] });
});

describe.each(WORKLOADS)('%s', (name) => {
  test('has the rights of its own policy alone, for an hour', async () => {
    const { data } = await ask(name, 'GET', 'auth/token/lookup-self');
    expect(data).toMatchObject({ policies: [name], creation_ttl: 3_600 });
    await ask(name, 'POST', 'auth/token/renew-self');
  });

  test('does not get in with a secret id of another', async () => {
    const other = WORKLOADS.find((candidate) => candidate !== name) as string;
    const { secretId } = await idsOf(other);
    const { roleId } = await idsOf(name);
    await expect(logIn({ roleId, secretId })).rejects.toThrow(/answered 400 .*invalid role or secret ID/);
  });

  test.each<Request>([
    ['GET', `sys/policies/acl/${name}`],
    ['LIST', 'sys/policies/acl'],
    ['PUT', `sys/policies/acl/${name}`, { policy: 'no policy' }],
    ['GET', `auth/approle/role/${name}`],
    ['GET', `auth/approle/role/${name}/role-id`],
    ['POST', `auth/approle/role/${name}`, { token_policies: [...WORKLOADS] }],
    ['POST', `auth/approle/role/${name}/secret-id`],
    ['POST', 'auth/token/create', { policies: [name] }],
    ['GET', 'sys/mounts'],
    ['POST', 'sys/mounts/mine', { type: 'kv' }],
    ['GET', 'sys/auth'],
    ['GET', 'sys/audit'],
    ['LIST', 'sys/leases/lookup/database/creds/gateway'],
    ['PUT', 'sys/leases/revoke-prefix/database/creds'],
    ['GET', 'pki/roles/workload'],
    ['POST', 'pki/roles/workload', { allow_any_name: true }],
    ['POST', 'pki/sign-verbatim/workload', { csr: '' }],
    ['POST', 'pki/root/sign-intermediate', { csr: '' }],
    ['POST', 'pki/issue/workload', { uri_sans: 'spiffe://mesh.test/ns/tulle/sa/gateway' }],
    ['DELETE', 'pki/root'],
    ['GET', 'database/config/redis'],
    ['GET', 'database/roles/gateway'],
    ['POST', `database/roles/${name}`, { db_name: 'redis', creation_statements: ['["+@all", "~*"]'] }],
    ['LIST', 'secret/metadata'],
    ['LIST', `secret/metadata/${name}`],
    ['GET', `secret/metadata/${name}/mongodb`],
    ['POST', `secret/data/${name}/mongodb`, { data: { uri: 'mine' } }],
    ['DELETE', `secret/data/${name}/mongodb`],
    ['DELETE', `secret/metadata/${name}/mongodb`],
    ['GET', 'secret/data/gateway-2/mongodb'],
    ['POST', 'cubbyhole/mine', { a: 'b' }],
    ['PUT', 'sys/seal'],
  ])('may not %s %s', (...request) => expectRefusal(name, ...(request as unknown as Request)));

  const others = WORKLOADS.filter((other) => other !== name);
  test.each(others)('sees nothing of %s', async (other) => {
    await expectRefusal(name, 'GET', `secret/data/${other}/mongodb`);
    await expectRefusal(name, 'GET', `database/creds/${other}`);
    await expectRefusal(name, 'POST', `auth/approle/role/${other}/secret-id`);
  });
});

describe.each(SERVICES)('%s, a service,', (name) => {
  test('reads what was written for it', async () => {
    const { data } = await ask(name, 'GET', `secret/data/${name}/mongodb`);
    expect(data).toMatchObject({ data: { uri: `that of ${name}` } });
  });

  test.each([name, 'rate-limit'])(
    'is lent a user of Redis as %s, and may keep it but not end it',
    async (kind) => {
      const lent = await ask(name, 'GET', `database/creds/${kind}`);
      expect(lent.data).toMatchObject({ username: expect.any(String), password: expect.any(String) });
      const { lease_id } = lent;
      expect(await ask(name, 'PUT', 'sys/leases/renew', { lease_id })).toMatchObject({ lease_id });
      await expectRefusal(name, 'PUT', 'sys/leases/revoke', { lease_id });
    },
  );

  test.each(['workload', 'authority'])('can not sign as pki/sign/%s', (role) =>
    expectRefusal(name, 'POST', `pki/sign/${role}`, { csr: '' }),
  );
});

test('a service can renew what it knows the lease of, whoever has it, and not end it', async () => {
  const { lease_id } = await ask('gateway', 'GET', 'database/creds/gateway');
  await ask('ai-processor', 'PUT', 'sys/leases/renew', { lease_id });
  await expectRefusal('ai-processor', 'PUT', 'sys/leases/revoke', { lease_id });
});

describe('the authority', () => {
  // What it signs, and what not, is in pki.test.ts. That it is asked for a CSR says that it was let in.
  test.each(['workload', 'authority'])('may sign as pki/sign/%s', async (role) => {
    await expect(ask('authority', 'POST', `pki/sign/${role}`, { csr: '' })).rejects.toThrow(
      /answered 400 .*csr/,
    );
  });

  test.each<Request>([
    ['GET', 'secret/data/authority/mongodb'],
    ['GET', 'database/creds/rate-limit'],
    ['PUT', 'sys/leases/renew', { lease_id: 'database/creds/gateway/x' }],
  ])('has no secrets to ask for: may not %s %s', (...request) =>
    // The types of `test.each` lose that the body alone may be absent.
    expectRefusal('authority', ...(request as unknown as Request)),
  );
});

interface Ids {
  readonly roleId: string;
  readonly secretId: string;
}

async function idsOf(workload: string): Promise<Ids> {
  const { auth } = await vault.loginOf(workload);
  if (!('appRole' in auth)) throw new Error('AppRoles are what this is about');
  const { roleIdFile, secretIdFile } = auth.appRole;
  return { roleId: readFileSync(roleIdFile, 'utf8'), secretId: readFileSync(secretIdFile, 'utf8') };
}

async function logIn({ roleId, secretId }: Ids): Promise<string> {
  const ids = { role_id: roleId, secret_id: secretId };
  const { auth } = await vault.bao.call('POST', 'auth/approle/login', ids, '');
  return (auth as { client_token: string }).client_token;
}

function ask(who: string, ...[method, path, body]: Request): Promise<Record<string, unknown>> {
  return vault.bao.call(method, path, body, who === 'root' ? undefined : tokens.get(who));
}

function expectRefusal(who: string, ...request: Request): Promise<void> {
  return expect(ask(who, ...request)).rejects.toThrow(/answered 403 .*permission denied/);
}
