import { describe, expect, test } from 'vitest';
import { placeVaultFiles, vaultKey } from './config.ts';

const auth = { appRole: { roleIdFile: 'role-id', secretIdFile: '/run/secret-id' } };

test('a config names its files beside itself, and gets its defaults', () => {
  const appRole = vaultKey.parse({ address: 'https://vault:8200', rootsFile: 'roots.pem', auth });
  expect(placeVaultFiles(appRole, '/etc/tulle')).toEqual({
    address: 'https://vault:8200',
    rootsFile: '/etc/tulle/roots.pem',
    auth: {
      appRole: {
        mount: 'approle',
        roleIdFile: '/etc/tulle/role-id',
        secretIdFile: '/run/secret-id',
        secretIdWrapped: false,
      },
    },
  });
  const kubernetes = vaultKey.parse({ address: 'https://v', auth: { kubernetes: { role: 'orders' } } });
  expect(placeVaultFiles(kubernetes, '/etc').auth).toEqual({
    kubernetes: {
      mount: 'kubernetes',
      role: 'orders',
      tokenFile: '/var/run/secrets/kubernetes.io/serviceaccount/token',
    },
  });
});

describe('an address', () => {
  test.each(['http://127.0.0.1:8200', 'http://[::1]:8200', 'http://localhost', 'https://vault'])(
    'may be %s',
    (address) => {
      expect(vaultKey.safeParse({ address, auth }).success).toBe(true);
    },
  );

  test.each([
    ['http://vault:8200', 'must be https:// unless Vault is on this machine'],
    ['https://user:pass@vault', 'must not hold credentials'],
    ['https://vault/v1', 'must have no path, query or fragment'],
    ['vault:8200', 'must be an https:// URL'],
  ])('must not be %s', (address, message) => {
    expect(vaultKey.safeParse({ address, auth }).error?.issues[0]?.message).toBe(message);
  });
});

test.each(['a/../b', '/a', 'a?b=c', 'a//b', 'a/%2e%2e', '..'])('%s is no path of Vault', (mount) => {
  const auth = { kubernetes: { role: 'orders', mount } };
  expect(vaultKey.safeParse({ address: 'https://vault', auth }).success).toBe(false);
});
