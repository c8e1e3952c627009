/**
 * What a JwtPolicy says: whose tokens are believed, and what they have to say.
 *
 * Invariants: every issuer says who it is and whom its tokens are for. Which algorithms there can be follows from the kind of its keys, so that
 * no public key is ever taken for a secret.
 */
import { resolve } from 'node:path';
import { z } from 'zod';
import { isLoopback } from '../../config/address.ts';
import { filePath, label, policyMode, text, url } from '../../config/values.ts';
import { fieldName } from '../../routing/names.ts';

export const JWT_BOUNDS = { issuers: 16, audiences: 16, textChars: 1_024 } as const;

const ASYMMETRIC = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];
/** With the bytes that a secret must have (RFC 7518 section 3.2). */
const SECRET_BYTES: Readonly<Record<string, number>> = { HS256: 32, HS384: 48, HS512: 64 };
const SYMMETRIC = Object.keys(SECRET_BYTES);

const claimText = text((value) =>
  value !== '' && value.length <= JWT_BOUNDS.textChars
    ? null
    : `must be 1 to ${JWT_BOUNDS.textChars} characters`,
);

const jwks = z
  .strictObject({
    url: url(['https:', 'http:']).optional(),
    file: filePath.optional(),
    rootsFile: filePath.optional(),
    inClear: z.enum(['on', 'off']).default('off'),
    refreshSeconds: z.int().min(10).max(86_400).default(300),
    minRefreshSeconds: z.int().min(1).max(3_600).default(10),
    timeoutMs: z.int().min(1).max(10_000).default(2_000),
  })
  .superRefine((value, context) => {
    const refuse = (path: string[], message: string, suggestion: string) =>
      context.addIssue({ code: 'custom', path, message, params: { suggestion } });
    if ((value.url === undefined) === (value.file === undefined))
      refuse([], 'must have exactly one of url and file', 'keep one of the two');
    if (value.rootsFile !== undefined && !value.url?.startsWith('https:'))
      refuse(['rootsFile'], 'has no effect without an https url', 'remove it');
    if (value.url?.startsWith('http:') && value.inClear === 'off' && !isLoopback(hostOf(value.url)))
      refuse(
        ['url'],
        'is not encrypted: whoever is on the way could put in keys of their own',
        'use https, or write `inClear: on` if nobody is',
      );
  });

const issuer = z
  .strictObject({
    name: label,
    issuer: claimText,
    audiences: z.array(claimText).min(1).max(JWT_BOUNDS.audiences),
    jwks: jwks.optional(),
    secretFile: filePath.optional(),
    algorithms: z
      .array(z.enum([...ASYMMETRIC, ...SYMMETRIC]))
      .min(1)
      .optional(),
    clockSkewSeconds: z.int().min(0).max(300).default(30),
  })
  .superRefine(({ jwks, secretFile, algorithms = [] }, context) => {
    const refuse = (path: (string | number)[], message: string, suggestion: string) =>
      context.addIssue({ code: 'custom', path, message, params: { suggestion } });
    if ((jwks === undefined) === (secretFile === undefined))
      refuse(
        [],
        'must have exactly one of jwks and secretFile',
        'use jwks, unless the issuer shares a secret',
      );
    const fitting = jwks === undefined ? SYMMETRIC : ASYMMETRIC;
    algorithms.forEach((algorithm, index) => {
      if (!fitting.includes(algorithm))
        refuse(
          ['algorithms', index],
          `is for ${jwks === undefined ? 'public keys, not for a secret' : 'a shared secret, not for public keys'}`,
          `use ${fitting.join(', ')}`,
        );
    });
  })
  .transform(({ jwks, secretFile, algorithms, ...rest }) => ({
    ...rest,
    keys: { ...(jwks === undefined ? {} : { jwks }), ...(secretFile === undefined ? {} : { secretFile }) },
    algorithms: algorithms ?? (jwks === undefined ? ['HS256'] : ASYMMETRIC),
  }));

export const spec = z.strictObject({
  mode: policyMode,
  issuers: z
    .array(issuer)
    .min(1)
    .max(JWT_BOUNDS.issuers)
    .superRefine((issuers, context) => {
      for (const key of ['name', 'issuer'] as const) {
        issuers.forEach((entry, index) => {
          if (issuers.findIndex((other) => other[key] === entry[key]) === index) return;
          const message = `repeats "${entry[key]}"`;
          const params = { suggestion: 'list everything about an issuer once' };
          context.addIssue({ code: 'custom', path: [index, key], message, params });
        });
      }
    }),
  header: fieldName.default('authorization'),
});

export type JwtSpec = z.output<typeof spec>;
export type IssuerSpec = JwtSpec['issuers'][number];
export type KeysSpec = IssuerSpec['keys'];
export type JwksSpec = NonNullable<KeysSpec['jwks']>;

/** The shortest secret that all of the algorithms may use. */
export function secretBytes(algorithms: readonly string[]): number {
  return Math.max(...algorithms.map((algorithm) => SECRET_BYTES[algorithm] ?? 0));
}

/** With absolute paths. Relative ones start in `folder`, that of the config file. */
export function placeKeyFiles<Spec extends object>(spec: Spec, folder: string): Spec {
  const { issuers = [] } = spec as Partial<JwtSpec>;
  const placed = issuers.map((issuer) => {
    const { jwks, secretFile } = issuer.keys;
    const keys = {
      ...(jwks === undefined ? {} : { jwks: placeAll(jwks, ['file', 'rootsFile'], folder) }),
      ...(secretFile === undefined ? {} : { secretFile: resolve(folder, secretFile) }),
    };
    return { ...issuer, keys };
  });
  return { ...spec, issuers: placed };
}

function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, '');
}

function placeAll<T extends object>(value: T, keys: readonly string[], folder: string): T {
  const entries = Object.entries(value).map(([key, path]) =>
    keys.includes(key) && path !== undefined ? [key, resolve(folder, String(path))] : [key, path],
  );
  return Object.fromEntries(entries) as T;
}
