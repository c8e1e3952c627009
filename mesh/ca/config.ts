/**
 * The authority's YAML: strict, and every problem comes back at once with the line it stands at.
 *
 * Invariants: paths are absolute; tokens are present as SHA-256 only and no two workloads share one, so a token names exactly one
 * workload; every workload belongs to the authority's trust domain.
 */
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { type Address, isHostName, parseAddress } from '../../sidecar/src/config/address.ts';
import { ConfigError, formatPath, type KeyPath } from '../../sidecar/src/config/problem.ts';
import { readYaml, type YamlSource } from '../../sidecar/src/config/yaml-source.ts';
import { isTrustDomain, parseWorkloadId } from '../../sidecar/src/identity/spiffe-id.ts';

export interface AuthorityConfig {
  readonly trustDomain: string;
  readonly listen: Address;
  readonly stateDir: string;
  /** DNS names and IP addresses by which sidecars reach the authority, besides those of the local machine. */
  readonly names: readonly string[];
  readonly svidTtlSeconds: number;
  readonly workloads: readonly Workload[];
}

export interface Workload {
  /** Of the join token, hexadecimal. */
  readonly tokenSha256: string;
  readonly spiffeId: string;
}

const LIMITS = {
  names: 32,
  workloads: 10_000,
  /** Without revocation the lifetime is how long a stolen key is of use. */
  svidTtlSeconds: 7 * 24 * 3600,
} as const;

export async function loadAuthorityConfig(file: string): Promise<AuthorityConfig> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${file}: cannot be read (${error.code}); give the path of the authority's YAML file`);
  });
  const source = readYaml(text);
  if (source.problems.length > 0) {
    throw new ConfigError(source.problems.map((problem) => ({ file, path: '', ...problem })));
  }
  const parsed = document.safeParse(source.value);
  if (!parsed.success) throw new ConfigError(parsed.error.issues.map((issue) => place(issue, source, file)));
  return { ...parsed.data, stateDir: resolve(dirname(file), parsed.data.stateDir) };
}

const listen = z.string().transform((value, context): Address => {
  const result = parseAddress(value, 'listen');
  if ('address' in result) return result.address;
  context.addIssue({
    code: 'custom',
    message: [result.message, result.suggestion].filter(Boolean).join('; '),
  });
  return z.NEVER;
});

const workload = z.strictObject({
  tokenSha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be the SHA-256 of the join token, 64 lower-case hex digits'),
  spiffeId: z.string(),
});

const document = z
  .strictObject({
    trustDomain: z.string().refine(isTrustDomain, 'must be lower-case letters, digits, ".", "-" or "_"'),
    listen,
    stateDir: z.string().min(1),
    names: z
      .array(
        z
          .string()
          .refine((name) => isIP(name) !== 0 || isHostName(name), 'must be a DNS name or an IP address'),
      )
      .max(LIMITS.names)
      .default([]),
    svidTtlSeconds: z.int().min(1).max(LIMITS.svidTtlSeconds),
    workloads: z.array(workload).min(1).max(LIMITS.workloads),
  })
  .superRefine(({ trustDomain, workloads }, context) => {
    const seen = new Set<string>();
    workloads.forEach(({ tokenSha256, spiffeId }, index) => {
      const refuse = (key: string, message: string) =>
        context.addIssue({ code: 'custom', path: ['workloads', index, key], message });
      if (parseWorkloadId(spiffeId)?.trustDomain !== trustDomain) {
        refuse('spiffeId', `must be spiffe://${trustDomain}/ns/<namespace>/sa/<service account>`);
      }
      if (seen.has(tokenSha256)) refuse('tokenSha256', 'is the token of another workload; give each its own');
      seen.add(tokenSha256);
    });
  });

function place(issue: z.core.$ZodIssue, source: YamlSource, file: string) {
  const path = issue.path as KeyPath;
  return {
    file,
    ...source.locateValue(path),
    path: formatPath(path),
    message: issue.message,
    suggestion: null,
  };
}
