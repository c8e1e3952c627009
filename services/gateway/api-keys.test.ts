import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { apiKeysFile, findTenant } from './api-keys.ts';

const hash = (key: string) => `sha256:${createHash('sha256').update(key).digest('hex')}`;

const { keys } = apiKeysFile.parse({
  keys: [
    { tenant: 'acme', hash: hash('first') },
    { tenant: 'acme', hash: hash('second') },
    { tenant: 'globex', hash: hash('third') },
  ],
});

test.each([
  ['first', 'acme'],
  ['second', 'acme'],
  ['third', 'globex'],
  ['fourth', null],
  ['', null],
  [hash('first'), null],
  ['x'.repeat(1_000_000), null],
])('the key %.20s belongs to %s', (key, tenant) => {
  expect(findTenant(keys, key)).toBe(tenant);
});

test('the last of two tenants with one key would win, so the file is refused', () => {
  const file = {
    keys: [
      { tenant: 'acme', hash: hash('same') },
      { tenant: 'globex', hash: hash('same') },
    ],
  };
  expect(apiKeysFile.safeParse(file).error?.issues[0]?.message).toMatch(/the same hash stands there twice/);
});

test.each(['plain-key', `sha256:${'A'.repeat(64)}`, 'sha256:00'])('%s is no hash', (text) => {
  expect(apiKeysFile.safeParse({ keys: [{ tenant: 'acme', hash: text }] }).success).toBe(false);
});
