/**
 * The authority's YAML: strict, and every problem comes back at once with the line it stands at.
 *
 * Invariant: paths are absolute.
 */
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { type Address, isHostName, parseAddress } from '../../sidecar/src/config/address.ts';
import { ConfigError, formatPath, type KeyPath } from '../../sidecar/src/config/problem.ts';
import { readYaml, type YamlSource } from '../../sidecar/src/config/yaml-source.ts';
import { isTrustDomain, parseSpiffeId } from '../../sidecar/src/identity/spiffe-id.ts';
import { MAX_FOREIGN_TRUST_DOMAINS } from '../../sidecar/src/identity/trust-document.ts';
import { placeVaultFiles, vaultKey, vaultPath } from '../secrets/config.ts';
import type { VaultConfig } from '../secrets/vault-session.ts';
import type { ForeignTrustDomain } from './federation.ts';
import type { IdentityRate } from './identity-rates.ts';
import type { ApiServer } from './token-review.ts';

export interface AuthorityConfig {
  readonly trustDomain: string;
  readonly listen: Address;
  readonly stateDir: string;
  /** Of the private keys in `stateDir`; null only where Vault keeps them. */
  readonly passphraseFile: string | null;
  /** DNS names and IP addresses by which sidecars reach the authority, besides those of the local machine. */
  readonly names: readonly string[];
  readonly svidTtlSeconds: number;
  readonly intermediateTtlSeconds: number;
  /** How long sidecars may take to hear of a change of what is to be trusted. */
  readonly trustRefreshSeconds: number;
  /** Of one identity, all its replicas together. */
  readonly identityRate: IdentityRate;
  /** Null where pods are not vouched for by Kubernetes. */
  readonly kubernetes: KubernetesConfig | null;
  /** Null where the authority signs with a root of its own. */
  readonly vault: VaultPkiConfig | null;
  /** Whose bundles are passed on. */
  readonly foreignTrustDomains: readonly ForeignTrustDomain[];
  readonly admin: Address;
}

export interface VaultPkiConfig {
  readonly session: VaultConfig;
  readonly mount: string;
  readonly role: string;
  readonly serverRole: string;
}

export interface KubernetesConfig {
  readonly audience: string;
  readonly requirePod: boolean;
  readonly apiServer: ApiServer;
}

const LIMITS = {
  names: 32,
  audience: 253,
  /** Without revocation the lifetime is how long a stolen key is of use. */
  svidTtlSeconds: 7 * 24 * 3600,
  intermediateTtlSeconds: 366 * 24 * 3600,
  /** A denied workload is cut off within that time. */
  trustRefreshSeconds: 3600,
  perSecond: { least: 0.001, most: 10_000 },
  burst: 100_000,
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
  const folder = dirname(file);
  const { kubernetes, vault, stateDir, passphraseFile, foreignTrustDomains, admin, ...rest } = parsed.data;
  return {
    ...rest,
    stateDir: resolve(folder, stateDir),
    passphraseFile: passphraseFile === undefined ? null : resolve(folder, passphraseFile),
    kubernetes: kubernetes === undefined ? null : placeKubernetes(kubernetes, folder),
    vault: vault === undefined ? null : placeVault(vault, folder),
    foreignTrustDomains: foreignTrustDomains.map((entry) => placeForeign(entry, folder)),
    admin: admin.listen,
  };
}

function placeKubernetes(
  { apiServer, ...rest }: z.output<typeof kubernetes>,
  folder: string,
): KubernetesConfig {
  const { url, rootsFile, tokenFile } = apiServer;
  const files = { rootsFile: resolve(folder, rootsFile), tokenFile: resolve(folder, tokenFile) };
  return { ...rest, apiServer: { url, ...files } };
}

function placeForeign(
  { trustDomain, ...sources }: z.output<typeof foreignTrustDomain>,
  folder: string,
): ForeignTrustDomain {
  const { file, web, spiffe } = sources;
  if (file !== undefined) return { trustDomain, source: { kind: 'file', file: resolve(folder, file) } };
  if (web !== undefined) {
    const rootsFile = web.rootsFile === undefined ? null : resolve(folder, web.rootsFile);
    return { trustDomain, source: { kind: 'https_web', url: web.url, rootsFile } };
  }
  if (spiffe === undefined) throw new Error('a foreign trust domain without a source: refined below');
  const bundleFile = resolve(folder, spiffe.bundleFile);
  return { trustDomain, source: { kind: 'https_spiffe', ...spiffe, bundleFile } };
}

function placeVault({ pki, ...session }: z.output<typeof vault>, folder: string): VaultPkiConfig {
  return { session: placeVaultFiles(session, folder), ...pki };
}

const trustDomainName = z
  .string()
  .refine(isTrustDomain, 'must be lower-case letters, digits, ".", "-" or "_"');

const listen = z.string().transform((value, context): Address => {
  const result = parseAddress(value, 'listen');
  if ('address' in result) return result.address;
  context.addIssue({
    code: 'custom',
    message: [result.message, result.suggestion].filter(Boolean).join('; '),
  });
  return z.NEVER;
});

/** What Kubernetes puts into every pod. */
const ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

const kubernetes = z.strictObject({
  audience: z.string().min(1).max(LIMITS.audience).default('tulle-ca'),
  requirePod: z.boolean().default(true),
  apiServer: z
    .strictObject({
      // The authority's own token goes there.
      url: z
        .url({ protocol: /^https$/, error: 'must be an https:// URL' })
        .default('https://kubernetes.default.svc'),
      rootsFile: z.string().min(1).default(`${ACCOUNT_FOLDER}/ca.crt`),
      tokenFile: z.string().min(1).default(`${ACCOUNT_FOLDER}/token`),
    })
    .prefault({}),
});

const vault = vaultKey.extend({
  pki: z
    .strictObject({
      mount: vaultPath.default('pki'),
      role: vaultPath.default('workload'),
      serverRole: vaultPath.default('authority'),
    })
    .prefault({}),
});

const httpsUrl = z.url({ protocol: /^https$/, error: 'must be an https:// URL' });

const foreignTrustDomain = z
  .strictObject({
    trustDomain: trustDomainName,
    file: z.string().min(1).optional(),
    web: z.strictObject({ url: httpsUrl, rootsFile: z.string().min(1).optional() }).optional(),
    spiffe: z.strictObject({ url: httpsUrl, spiffeId: z.string(), bundleFile: z.string().min(1) }).optional(),
  })
  .superRefine(({ trustDomain, file, web, spiffe }, context) => {
    if ([file, web, spiffe].filter((source) => source !== undefined).length !== 1)
      context.addIssue({ code: 'custom', message: 'must have exactly one of file, web and spiffe' });
    const id = spiffe === undefined ? null : parseSpiffeId(spiffe.spiffeId);
    if (typeof id === 'string' || (id !== null && id.trustDomain !== trustDomain)) {
      const message = `must be a SPIFFE id of ${trustDomain}`;
      context.addIssue({ code: 'custom', path: ['spiffe', 'spiffeId'], message });
    }
  });

const document = z
  .strictObject({
    trustDomain: trustDomainName,
    listen,
    stateDir: z.string().min(1),
    passphraseFile: z.string().min(1).optional(),
    names: z
      .array(
        z
          .string()
          .refine((name) => isIP(name) !== 0 || isHostName(name), 'must be a DNS name or an IP address'),
      )
      .max(LIMITS.names)
      .default([]),
    svidTtlSeconds: z.int().min(1).max(LIMITS.svidTtlSeconds),
    intermediateTtlSeconds: z
      .int()
      .max(LIMITS.intermediateTtlSeconds)
      .default(30 * 24 * 3600),
    trustRefreshSeconds: z.int().min(1).max(LIMITS.trustRefreshSeconds).default(30),
    identityRate: z
      .strictObject({
        perSecond: z.number().min(LIMITS.perSecond.least).max(LIMITS.perSecond.most).default(5),
        burst: z.int().min(1).max(LIMITS.burst).default(500),
      })
      .prefault({}),
    kubernetes: kubernetes.optional(),
    vault: vault.optional(),
    foreignTrustDomains: z.array(foreignTrustDomain).max(MAX_FOREIGN_TRUST_DOMAINS).default([]),
    admin: z.strictObject({ listen }).prefault({ listen: '127.0.0.1:0' }),
  })
  .superRefine(({ trustDomain, foreignTrustDomains, svidTtlSeconds, ...rest }, context) => {
    const { intermediateTtlSeconds, passphraseFile, vault } = rest;
    for (const [index, foreign] of foreignTrustDomains.entries()) {
      const names = [trustDomain, ...foreignTrustDomains.slice(0, index).map((other) => other.trustDomain)];
      if (!names.includes(foreign.trustDomain)) continue;
      const message = 'is the own trust domain, or there already';
      context.addIssue({ code: 'custom', path: ['foreignTrustDomains', index, 'trustDomain'], message });
    }
    if (passphraseFile === undefined && vault === undefined) {
      const message = 'is required for keys that are kept here: name a file, or use `vault`';
      context.addIssue({ code: 'custom', path: ['passphraseFile'], message });
    }
    // It is replaced at half of its lifetime, and what it signs does not outlive it.
    if (intermediateTtlSeconds < 2 * svidTtlSeconds) {
      const message = 'must be at least twice svidTtlSeconds';
      context.addIssue({ code: 'custom', path: ['intermediateTtlSeconds'], message });
    }
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
