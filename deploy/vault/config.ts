/**
 * What differs between one Vault and the next: where it is, whom it trusts, and the files with the secrets that go into it.
 *
 * Invariant: no secret stands in it, only paths of files; relative ones start at the config's own folder.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { vaultKey } from '../../mesh/secrets/config.ts';
import type { Secret } from '../../mesh/secrets/secret.ts';
import { readSecretFile } from '../../mesh/secrets/secret-file.ts';
import type { VaultAddress } from '../../mesh/secrets/vault-client.ts';
import { placeFinding } from '../../sidecar/src/config/documents.ts';
import { explainIssues } from '../../sidecar/src/config/explain.ts';
import { ConfigError } from '../../sidecar/src/config/problem.ts';
import { dottedName, filePath, label, onOff, text, trustDomain } from '../../sidecar/src/config/values.ts';
import { readYaml } from '../../sidecar/src/config/yaml-source.ts';

/** With the content of its files. */
export interface DeployConfig {
  readonly vault: VaultAddress;
  /** What `${…}` in the state stands for; undefined leaves the key out. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly hasKubernetes: boolean;
  readonly redisPassword: Secret;
  /** Of KV, by path below its mount and by field. */
  readonly written: Readonly<Record<string, Readonly<Record<string, Secret>>>>;
}

const NAME = /^[a-z0-9-]{1,63}$/;
const writtenPath = text(
  (value) => (value.split('/').every((part) => NAME.test(part)) ? null : 'must be <workload>/<name>'),
  'write it as ai-processor/ai',
);

// Tokens of service accounts go there.
const httpsUrl = text((value) => {
  const url = URL.parse(value);
  return url?.protocol === 'https:' && url.pathname === '/' ? null : 'must be an https:// URL without a path';
}, 'write https://kubernetes.default.svc');
const seconds = z
  .int()
  .min(2)
  .max(30 * 86_400);
const document = z.strictObject({
  vault: vaultKey.omit({ auth: true }).extend({ tokenFile: filePath }),
  trustDomain,
  namespace: label,
  auditLog: filePath,
  kubernetes: z.strictObject({ host: httpsUrl, rootsFile: filePath }).optional(),
  redis: z.strictObject({
    host: dottedName,
    port: z.int().min(1).max(65_535).default(6379),
    username: z.string().min(1).default('vault'),
    passwordFile: filePath,
    tls: onOff,
    rootsFile: filePath.optional(),
    leaseSeconds: seconds.default(3_600),
    maxLeaseSeconds: seconds.default(86_400),
  }),
  secrets: z.record(writtenPath, z.record(z.string().min(1), z.strictObject({ file: filePath }))).default({}),
});

export function loadDeployConfig(path: string): DeployConfig {
  const source = readYaml(readFileSync(path, 'utf8'));
  if (source.problems.length > 0)
    throw new ConfigError(source.problems.map((problem) => ({ file: path, path: '', ...problem })));
  const parsed = document.safeParse(source.value);
  if (!parsed.success) {
    const findings = explainIssues(parsed.error.issues, source.value, document);
    throw new ConfigError(findings.map((finding) => placeFinding(finding, { file: path, source })));
  }
  const { vault, kubernetes, redis, secrets, ...rest } = parsed.data;
  const readPlaced = (file: string) => readSecretFile(resolve(dirname(path), file));
  const readText = (file: string | undefined) => (file === undefined ? undefined : readPlaced(file).reveal());
  return {
    vault: {
      address: vault.address,
      namespace: vault.namespace,
      roots: readText(vault.rootsFile),
      token: readPlaced(vault.tokenFile),
    },
    values: {
      ...rest,
      'kubernetes.host': kubernetes?.host,
      'kubernetes.roots': readText(kubernetes?.rootsFile),
      'redis.host': redis.host,
      'redis.port': redis.port,
      'redis.username': redis.username,
      'redis.tls': redis.tls === 'on',
      'redis.roots': readText(redis.rootsFile),
      'redis.leaseSeconds': redis.leaseSeconds,
      'redis.maxLeaseSeconds': redis.maxLeaseSeconds,
    },
    hasKubernetes: kubernetes !== undefined,
    redisPassword: readPlaced(redis.passwordFile),
    written: mapValues(secrets, (fields) => mapValues(fields, ({ file }) => readPlaced(file))),
  };
}

function mapValues<From, To>(record: Record<string, From>, map: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
