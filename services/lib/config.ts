/**
 * Reads a service's YAML file against its strict schema. No secret stands in it: under `secrets` it names the files or paths of Vault that hold them.
 *
 * Invariants: an unknown key is an error; every error says file, line, column, key and what is wrong, and all of them are told at once;
 * paths inside a file are relative to that file; no message repeats a value, which may be a secret.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { placeSecretRef, placeVaultFiles, type secretRef, vaultKey } from '../../mesh/secrets/config.ts';
import type { SecretsConfig } from '../../mesh/secrets/open-secrets.ts';
import { closest } from '../../sidecar/src/config/closest.ts';
import {
  ConfigError,
  type ConfigProblem,
  formatPath,
  type KeyPath,
} from '../../sidecar/src/config/problem.ts';
import { readYaml, type YamlSource } from '../../sidecar/src/config/yaml-source.ts';
import { LIMITS } from './limits.ts';

export { secretRef } from '../../mesh/secrets/config.ts';
export { ConfigError } from '../../sidecar/src/config/problem.ts';

export const httpUrl = z
  .string()
  .max(LIMITS.urlChars)
  .refine(isPlainHttpUrl, 'must be an http:// URL without user, password or fragment');

export const filePath = z.string().min(1);

const listenAddress = z
  .string()
  .regex(/^(\[[0-9a-f:]+\]|[a-z0-9.-]+):\d{1,5}$/i, 'must be host:port, for instance 127.0.0.1:0')
  .transform((text) => {
    const colon = text.lastIndexOf(':');
    return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) };
  })
  .refine(({ port }) => port <= 65_535, 'the port must be at most 65535');

/** The keys that every service has. */
export const serviceKeys = {
  service: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'must be a DNS label such as webhook-dispatcher'),
  listen: listenAddress,
  sidecar: z.strictObject({ outbound: httpUrl }).optional(),
  telemetry: z
    .strictObject({ endpoint: httpUrl, headSampleRatio: z.number().min(0).max(1).default(0.01) })
    .optional(),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  metrics: z.strictObject({ listen: listenAddress }).optional(),
  drainMs: z.int().min(1).max(600_000).default(10_000),
  vault: vaultKey.optional(),
};

export const redisKey = z.strictObject({
  url: z
    .string()
    .max(LIMITS.urlChars)
    .refine(
      isPlainRedisUrl,
      'must be a redis:// or rediss:// URL without user and password: these come from `secrets.redis`',
    ),
});

/** Where the AI processor is, for those who call it. */
export const aiProcessorKey = z
  .strictObject({
    url: httpUrl.default('http://ai-processor'),
    timeoutMs: z.int().min(1).max(60_000).default(5_000),
  })
  .prefault({});

export type ServiceConfig = z.infer<z.ZodObject<typeof serviceKeys>> & {
  secrets?: Record<string, z.infer<typeof secretRef> | undefined>;
};

export function loadConfig<S extends z.ZodType>(path: string, schema: S): z.infer<S> {
  return parseConfig(readBounded(path), schema, path);
}

/** `path` is what errors call the source of the text. */
export function parseConfig<S extends z.ZodType>(text: string, schema: S, path: string): z.infer<S> {
  const source = readYaml(text);
  const problems = source.problems.map((problem): ConfigProblem => ({ file: path, path: '', ...problem }));
  if (source.broken) throw new ConfigError(problems);
  const error = ({ input }: { input?: unknown }) => (input === undefined ? 'is required' : undefined);
  const parsed = schema.safeParse(source.value, { error });
  for (const issue of parsed.error?.issues ?? []) problems.push(...explainIssue(issue, schema, source, path));
  if (parsed.success && problems.length === 0) return parsed.data;
  throw new ConfigError(problems.sort((a, b) => a.line - b.line || a.column - b.column));
}

export function resolveBeside(configPath: string, path: string): string {
  return resolve(dirname(configPath), path);
}

/** What the config says of secrets, with the paths of files made absolute. */
export function placeSecrets({ vault, secrets = {} }: ServiceConfig, configPath: string): SecretsConfig {
  const folder = dirname(configPath);
  const given = Object.entries(secrets).filter(([, ref]) => ref !== undefined);
  return {
    vault: vault && placeVaultFiles(vault, folder),
    secrets: Object.fromEntries(
      given.map(([name, ref]) => [name, placeSecretRef(ref as z.infer<typeof secretRef>, folder)]),
    ),
  };
}

/** An error about a source as a whole. */
export function refuse(file: string, message: string): ConfigError {
  return new ConfigError([{ file, line: 0, column: 0, path: '', message, suggestion: null }]);
}

function readBounded(path: string): string {
  let content: Buffer;
  try {
    content = readFileSync(path);
  } catch (error) {
    throw refuse(path, `cannot be read: ${(error as Error).message}`);
  }
  if (content.length > LIMITS.configBytes) throw refuse(path, `is larger than ${LIMITS.configBytes} bytes`);
  return content.toString('utf8');
}

function explainIssue(
  issue: z.core.$ZodIssue,
  schema: z.ZodType,
  source: YamlSource,
  file: string,
): ConfigProblem[] {
  const path = issue.path as KeyPath;
  if (issue.code !== 'unrecognized_keys') {
    const place = source.locateValue(path);
    return [{ file, ...place, path: formatPath(path), message: issue.message, suggestion: null }];
  }
  return issue.keys.map((key) => {
    const at = [...path, key];
    const known = closest(key, knownKeys(schema, path));
    return {
      file,
      ...source.locateKey(at),
      path: formatPath(at),
      message: 'is not a known key',
      suggestion: known === null ? null : `did you mean \`${known}\`?`,
    };
  });
}

function knownKeys(schema: z.core.$ZodType, path: KeyPath): string[] {
  let inner = unwrap(schema);
  for (const step of path) {
    if (inner instanceof z.ZodArray) inner = unwrap(inner.element);
    else if (inner instanceof z.ZodRecord) inner = unwrap(inner.valueType);
    else if (inner instanceof z.ZodObject) inner = unwrap(inner.shape[step]);
  }
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  let inner = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault) inner = inner.unwrap();
  return inner instanceof z.ZodPipe ? unwrap(inner.in) : inner;
}

function isPlainRedisUrl(text: string): boolean {
  const url = URL.parse(text);
  return /^rediss?:$/.test(url?.protocol ?? '') && url?.username === '' && url.password === '';
}

function isPlainHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url?.protocol === 'http:' && url.username === '' && url.password === '' && url.hash === '';
}
