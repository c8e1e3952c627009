import { expect, test } from 'vitest';
import { refuseSecretsInEnvironment } from './environment.ts';

test.each([
  ['REDIS_PASSWORD', 'hunter2'],
  ['VAULT_TOKEN', 'hunter2'],
  ['WEBHOOK_SIGNING_SECRET', 'hunter2'],
  ['AI_API_KEY', 'hunter2'],
  ['REDIS_URL', 'redis://:hunter2@redis:6379'],
  ['MONGODB_URI', 'mongodb+srv://app:hunter2@cluster/db'],
  ['ANY_NAME', 'rediss://app:hunter2@redis'],
])('%s=%s is refused, and not shown', (name, value) => {
  const refuse = () => refuseSecretsInEnvironment({ [name]: value });
  expect(refuse).toThrow(
    `the environment holds a secret in ${name}; unset it, and give the secret in a file`,
  );
  expect(refuse).not.toThrow(/hunter2/);
});

test.each([
  ['REDIS_URL', 'redis://redis:6379'],
  ['REDIS_PASSWORD', ''],
  ['REDIS_PASSWORD_FILE', '/vault/secrets/redis'],
  ['NPM_TOKEN', 'somebody else’s'],
  ['HTTPS_PROXY', 'http://user:pass@proxy:3128'],
])('%s=%s is none of ours', (name, value) => {
  expect(() => refuseSecretsInEnvironment({ [name]: value })).not.toThrow();
});
