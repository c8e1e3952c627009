/**
 * What a RateLimitPolicy says: which requests share a limit, how much of it there is, and what holds when the shared store is away.
 *
 * Invariants: names of limits and key parts are unique where they are looked up; no request can cost more than any of its windows ever admits.
 */
import { resolve } from 'node:path';
import { z } from 'zod';
import { filePath, policyMode } from '../../config/values.ts';

export const RATE_LIMIT_BOUNDS = {
  limits: 16,
  keyParts: 4,
  windows: 4,
  overrides: 256,
  exemptions: 256,
  /** 31 days. */
  windowSeconds: 2_678_400,
  units: 1_000_000_000,
  /** Units a second: an interval is at least ten whole microseconds, so that rounding it up costs a tenth at most. */
  unitsPerSecond: 100_000,
  costUnits: 1_000_000,
  defaultKeys: 16_384,
  keys: 262_144,
  valueChars: 256,
  deadlineMs: 1_000,
  storeEndpoints: 16,
} as const;

const BOUNDS = RATE_LIMIT_BOUNDS;
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]{1,64}$/;
const PREFIX = /^[A-Za-z0-9_.:-]{0,64}$/;

const limitName = z
  .string()
  .regex(NAME, 'must be 1 to 63 lower-case letters, digits or "-", starting and ending with no "-"');
const fieldName = z
  .string()
  .transform((name) => name.toLowerCase())
  .refine((name) => FIELD_NAME.test(name), 'must be the name of a header, at most 64 characters');
const partName = z.string().min(1).max(64);
const units = z.int().min(1).max(BOUNDS.units);

const keyPart = z.union([
  z.strictObject({ header: fieldName, name: partName.optional() }),
  z.strictObject({
    claim: z.string().min(1).max(64),
    // Who vouches for the token is a matter of other documents: token-references.ts.
    trustUnverified: z.boolean().default(false),
    name: partName.optional(),
  }),
  z.strictObject({
    request: z.enum(['path', 'route', 'method', 'peer', 'address']),
    name: partName.optional(),
  }),
]);

const window = z
  .strictObject({
    quota: units,
    windowSeconds: z.int().min(1).max(BOUNDS.windowSeconds),
    burst: units.optional(),
  })
  .refine(({ quota, windowSeconds }) => quota / windowSeconds <= BOUNDS.unitsPerSecond, {
    message: `must not be more than ${BOUNDS.unitsPerSecond} a second`,
    path: ['quota'],
  })
  .transform(({ burst, ...rest }) => ({ ...rest, burst: burst ?? rest.quota }));

const windows = z
  .array(window)
  .min(1)
  .max(BOUNDS.windows)
  .refine(
    (list) => new Set(list.map(({ windowSeconds }) => windowSeconds)).size === list.length,
    'must not have two windows of the same length',
  );

/** Values by the name of the key part; a part that is not named may have any value. */
const match = z
  .record(z.string(), z.string().max(BOUNDS.valueChars))
  .refine((values) => Object.keys(values).length > 0, 'must name at least one part of the key');

const costUnits = z.int().min(1).max(BOUNDS.costUnits);
const cost = z.union([
  z.strictObject({ units: costUnits }),
  z.strictObject({ header: fieldName, default: costUnits.default(1), max: costUnits }),
]);

const limit = z
  .strictObject({
    name: limitName,
    scope: z.enum(['local', 'global']).default('local'),
    key: z.array(keyPart).max(BOUNDS.keyParts).default([]),
    absent: z.enum(['share', 'skip']).default('share'),
    windows,
    cost: cost.default({ units: 1 }),
    overrides: z.array(z.strictObject({ match, windows })).max(BOUNDS.overrides).default([]),
    exempt: z.array(match).max(BOUNDS.exemptions).default([]),
    maxKeys: z.int().min(1).max(BOUNDS.keys).default(BOUNDS.defaultKeys),
  })
  .superRefine((value, context) => {
    const refuse = (path: (string | number)[], message: string) =>
      context.addIssue({ code: 'custom', path, message, params: { suggestion: null } });
    const names = value.key.map(keyPartName);
    names.forEach((name, i) => {
      if (names.indexOf(name) !== i) refuse(['key', i], `is the second part of the name "${name}"`);
    });
    const matches: [(string | number)[], Record<string, string>][] = [
      ...value.overrides.map((entry, i) => [['overrides', i, 'match'], entry.match] as never),
      ...value.exempt.map((entry, i) => [['exempt', i], entry] as never),
    ];
    for (const [path, entry] of matches) {
      for (const name of Object.keys(entry)) {
        if (!names.includes(name)) refuse([...path, name], `is no part of the key (${names.join(', ')})`);
      }
    }
    const seen = new Set<string>();
    value.overrides.forEach((entry, i) => {
      const id = JSON.stringify(Object.entries(entry.match).sort());
      if (seen.has(id)) refuse(['overrides', i, 'match'], 'is the match of an earlier override');
      seen.add(id);
    });
    const most = 'units' in value.cost ? value.cost.units : Math.max(value.cost.max, value.cost.default);
    const lists = [value.windows, ...value.overrides.map((entry) => entry.windows)];
    if (lists.some((list) => list.some(({ burst }) => burst < most))) {
      refuse(
        ['cost'],
        `may be ${most}, which is more than the burst of a window: such a request never passes`,
      );
    }
  });

const store = z
  .strictObject({
    endpoints: z
      .array(z.string().regex(/^(\[[0-9a-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/i, 'must be host:port'))
      .min(1)
      .max(BOUNDS.storeEndpoints),
    cluster: z.enum(['on', 'off']).default('off'),
    username: z.string().min(1).max(128).optional(),
    passwordFile: filePath.optional(),
    credentialsFile: filePath.optional(),
    tls: z.enum(['on', 'off']).default('off'),
    rootsFile: filePath.optional(),
    keyPrefix: z.string().regex(PREFIX, 'must be letters, digits, "_", ".", ":" or "-"').default('tulle:rl:'),
    deadlineMs: z.int().min(1).max(BOUNDS.deadlineMs).default(20),
  })
  .superRefine(({ endpoints, cluster, tls, rootsFile, username, passwordFile, credentialsFile }, context) => {
    const refuse = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message, params: { suggestion: null } });
    if (cluster === 'off' && endpoints.length > 1) refuse('endpoints', 'must be one, unless `cluster: on`');
    if (credentialsFile !== undefined && (username !== undefined || passwordFile !== undefined))
      refuse('credentialsFile', 'holds user and password, so `username` and `passwordFile` have to go');
    if (tls === 'off' && rootsFile !== undefined) refuse('rootsFile', 'has no effect without `tls: on`');
  });

export const spec = z
  .strictObject({
    mode: policyMode,
    limits: z.array(limit).min(1).max(BOUNDS.limits),
    redis: store.optional(),
    onFailure: z.enum(['allow', 'deny', 'local']).default('local'),
    fields: z
      .strictObject({
        rateLimit: z.enum(['on', 'off']).default('on'),
        xRateLimit: z.enum(['on', 'off']).default('off'),
      })
      .prefault({}),
  })
  .superRefine(({ limits, redis }, context) => {
    const refuse = (path: (string | number)[], message: string) =>
      context.addIssue({ code: 'custom', path, message, params: { suggestion: null } });
    limits.forEach(({ name, scope }, i) => {
      if (limits.findIndex((other) => other.name === name) !== i)
        refuse(['limits', i, 'name'], `is the name of another limit`);
      if (scope === 'global' && redis === undefined)
        refuse(['limits', i, 'scope'], 'is global, which needs `redis`');
    });
    if (redis !== undefined && limits.every(({ scope }) => scope === 'local'))
      refuse(['redis'], 'has no effect: no limit is global');
  });

export type RateLimitSpec = z.output<typeof spec>;
export type LimitSpec = RateLimitSpec['limits'][number];
export type StoreSpec = z.output<typeof store>;
export type KeyPartSpec = z.output<typeof keyPart>;

/** With absolute paths. Relative ones start in `folder`, that of the config file. */
export function placeStoreFiles<Spec extends object>(spec: Spec, folder: string): Spec {
  const { redis } = spec as Partial<RateLimitSpec>;
  if (redis === undefined) return spec;
  const placed = Object.entries(redis).map(([key, value]) =>
    key.endsWith('File') ? [key, resolve(folder, String(value))] : [key, value],
  );
  return { ...spec, redis: Object.fromEntries(placed) };
}

/** What overrides, exemptions and descriptors of other proxies call a part. */
export function keyPartName(part: KeyPartSpec): string {
  if (part.name !== undefined) return part.name;
  if ('header' in part) return part.header;
  return 'claim' in part ? part.claim : part.request;
}
