import { describe, expect, test } from 'vitest';
import { agentDocument } from './agent-config.ts';
import { readAnnotations } from './annotations.ts';

const defaults = { address: 'https://vault:8200' };
const read = (annotations: Record<string, string>) =>
  readAnnotations(
    Object.fromEntries(
      Object.entries(annotations).map(([key, value]) => [`vault.hashicorp.com/${key}`, value]),
    ),
    defaults,
  );
const minimal = {
  'agent-inject': 'true',
  role: 'orders',
  'agent-inject-secret-redis': 'database/creds/orders',
};

test('a pod that asks for secrets gets an agent that may run', () => {
  const document = read({
    ...minimal,
    'auth-path': 'auth/k8s-east',
    namespace: 'team',
    'agent-inject-perms-redis': '0440',
    'agent-inject-secret-mongo': 'secret/data/orders/mongo',
    'agent-inject-template-mongo': 'uri={{ .Data.data.uri }}',
    'agent-inject-file-mongo': 'mongo.env',
  });
  expect(document).toEqual({
    vault: {
      address: 'https://vault:8200',
      namespace: 'team',
      auth: { kubernetes: { role: 'orders', mount: 'k8s-east' } },
    },
    files: {
      redis: { vault: 'database/creds/orders', mode: '0440' },
      'mongo.env': { vault: 'secret/data/orders/mongo', template: 'uri={{ .Data.data.uri }}' },
    },
  });
  expect(agentDocument.parse(document)).toMatchObject({ folder: expect.anything(), requireMemory: true });
});

test.each([{}, { 'agent-inject': 'false' }, { role: 'orders' }])('%j wants no agent', (annotations) => {
  expect(read(annotations as Record<string, string>)).toBe(null);
});

describe('a pod is refused', () => {
  test.each([
    [{ ...minimal, 'agent-inject': 'yes' }, 'agent-inject: must be "true" or "false"'],
    [{ 'agent-inject': 'true', role: 'orders' }, 'agent-inject-secret-<name>: is required'],
    [{ ...minimal, role: undefined }, 'role: is required'],
    [{ ...minimal, rolle: 'x' }, 'rolle: is not supported; did you mean `vault.hashicorp.com/role`?'],
    [{ ...minimal, 'agent-inject-command-redis': 'sh' }, 'agent-inject-command-redis: is not supported'],
    [{ ...minimal, 'agent-inject-template-other': 'x' }, 'agent-inject-template-other: has no'],
    [{ ...minimal, 'auth-path': 'kubernetes' }, 'auth-path: must begin with auth/'],
    [
      { ...minimal, 'agent-inject-secret-b': 'secret/data/b', 'agent-inject-file-b': 'redis' },
      'agent-inject-file-b: redis is the file of another secret',
    ],
  ])('%j', (annotations, message) => {
    const given = Object.entries(annotations).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    );
    expect(() => read(Object.fromEntries(given))).toThrow(`vault.hashicorp.com/${message}`);
  });
});
