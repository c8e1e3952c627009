/**
 * Reads a service's YAML file against its strict schema. Secrets never come from environment variables: the config names files.
 *
 * Invariants: an unknown key is an error; every error says file, line, column, key and what is wrong, and all of them are told at once;
 * paths inside a file are relative to that file; no message repeats a value, which may be a secret.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { closest } from '../../sidecar/src/config/closest.ts';
import {
  ConfigError,
  type ConfigProblem,
  formatPath,
  type KeyPath,
} from '../../sidecar/src/config/problem.ts';
import { readYaml, type YamlSource } from '../../sidecar/src/config/yaml-source.ts';
import { LIMITS } from './limits.ts';

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
  drainMs: z.int().min(1).max(600_000).default(10_000),
};

export const redisKey = z
  .strictObject({ url: z.string().optional(), urlFile: filePath.optional() })
  .refine(
    ({ url, urlFile }) => (url === undefined) !== (urlFile === undefined),
    'needs either url or urlFile (a file that holds the URL), not both',
  );

export type ServiceConfig = z.infer<z.ZodObject<typeof serviceKeys>>;
export type RedisConfig = z.infer<typeof redisKey>;

export function loadConfig<S extends z.ZodType>(path: string, schema: S): z.infer<S> {
  const source = readYaml(readBounded(path));
  const problems = source.problems.map((problem): ConfigProblem => ({ file: path, path: '', ...problem }));
  if (source.broken) throw new ConfigError(problems);
  const error = ({ input }: { input?: unknown }) => (input === undefined ? 'is required' : undefined);
  const parsed = schema.safeParse(source.value, { error });
  for (const issue of parsed.error?.issues ?? []) problems.push(...explainIssue(issue, schema, source, path));
  if (parsed.success && problems.length === 0) return parsed.data;
  throw new ConfigError(problems.sort((a, b) => a.line - b.line || a.column - b.column));
}

/** The whole content of a file that holds one secret or one address, without the newline that editors add. */
export function readValueFile(path: string): string {
  const value = readBounded(path).trim();
  if (value === '') throw refuse(path, 'is empty');
  return value;
}

export function resolveBeside(configPath: string, path: string): string {
  return resolve(dirname(configPath), path);
}

export function resolveRedisUrl(config: RedisConfig, configPath: string): string {
  const url = config.url ?? readValueFile(resolveBeside(configPath, config.urlFile as string));
  // The value may carry a password, so the message names the place and not the value.
  if (!/^rediss?:\/\//.test(url)) throw refuse(configPath, 'redis must be a redis:// or rediss:// URL');
  return url;
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

function isPlainHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url?.protocol === 'http:' && url.username === '' && url.password === '' && url.hash === '';
}
