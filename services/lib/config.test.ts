import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { loadConfig, placeSecrets, redisKey, secretRef, serviceKeys } from './config.ts';

const schema = z.strictObject({
  ...serviceKeys,
  redis: redisKey,
  secrets: z.strictObject({ redis: secretRef.optional(), apiKeys: secretRef.optional() }).prefault({}),
});
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tulle-config-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function messageOf(text: string): string {
  const path = write('bad.yaml', text);
  try {
    loadConfig(path, schema);
  } catch (error) {
    return (error as Error).message.replaceAll(path, 'bad.yaml');
  }
  throw new Error('the config was accepted');
}

describe('loadConfig', () => {
  test('fills in the defaults and splits the address', () => {
    const path = write(
      'good.yaml',
      'service: gateway\nlisten: "[::1]:0"\nredis: { url: redis://r }\ntelemetry: { endpoint: http://c:4317 }\n',
    );
    expect(loadConfig(path, schema)).toEqual({
      service: 'gateway',
      listen: { host: '::1', port: 0 },
      redis: { url: 'redis://r' },
      telemetry: { endpoint: 'http://c:4317', headSampleRatio: 0.01 },
      logLevel: 'info',
      drainMs: 10_000,
      secrets: {},
    });
  });

  test('tells every mistake at once, each with its place', () => {
    const text = 'service: gateway\nlisten: 127.0.0.1:70000\nsidecar:\n  outbond: http://x\nredis: {}\n';
    expect(messageOf(text).split('\n')).toEqual([
      'bad.yaml:2:9: listen: the port must be at most 65535',
      'bad.yaml:4:3: sidecar.outbound: is required',
      'bad.yaml:4:3: sidecar.outbond: is not a known key; did you mean `outbound`?',
      'bad.yaml:5:8: redis.url: is required',
    ]);
  });

  test.each([
    ['broken YAML', 'service: [', /^bad\.yaml:1:11: is not valid YAML/],
    ['a key twice', 'service: a\nservice: b\n', /^bad\.yaml:2:1: has the same key twice/m],
    ['an empty file', '', /^bad\.yaml:1:1: /],
  ])('refuses %s', (_what, text, message) => {
    expect(messageOf(text)).toMatch(message);
  });

  test.each(['https://x', 'http://u:p@x', 'http://x/#f', 'x', 'ftp://x'])('refuses %s as a URL', (url) => {
    const text = `service: a\nlisten: x:0\nredis: {url: redis://r}\nsidecar: { outbound: ${url} }\n`;
    expect(messageOf(text)).toMatch(/must be an http:\/\/ URL without user, password or fragment/);
  });

  test('says which file cannot be read', () => {
    expect(() => loadConfig(join(folder, 'none.yaml'), schema)).toThrow(/none\.yaml: cannot be read: ENOENT/);
  });
});

describe('secrets', () => {
  const vault = 'vault: { address: "https://v", auth: { appRole: { roleIdFile: r, secretIdFile: /s } } }';

  test('are named by file, relative to the config, or by path of Vault', () => {
    const text = `service: a\nlisten: x:0\nredis: { url: redis://r }\nsecrets: { redis: { vault: database/creds/a }, apiKeys: { file: keys } }\n${vault}\n`;
    const path = write('secrets.yaml', text);
    expect(placeSecrets(loadConfig(path, schema), path)).toEqual({
      vault: {
        address: 'https://v',
        auth: {
          appRole: {
            mount: 'approle',
            roleIdFile: join(folder, 'r'),
            secretIdFile: '/s',
            secretIdWrapped: false,
          },
        },
      },
      secrets: {
        redis: { vault: 'database/creds/a', refreshSeconds: 300 },
        apiKeys: { file: join(folder, 'keys') },
      },
    });
  });

  test('a Redis URL has no password, and one that has is not shown', () => {
    const message = messageOf('service: a\nlisten: x:0\nredis: { url: "redis://:hunter2@r" }\n');
    expect(message).toBe(
      'bad.yaml:3:15: redis.url: must be a redis:// or rediss:// URL without user and password: these come from `secrets.redis`',
    );
  });
});
