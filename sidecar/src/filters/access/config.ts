/**
 * What an AccessPolicy says: ordered rules about who may call what. The first rule that applies decides; what no rule applies to is denied.
 *
 * Invariants: names of rules are unique; a list that is given is never empty, so that nothing reads as "anyone" by accident; every path of a
 * rule can be read in one way only.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import { label, policyMode, text, trustDomain } from '../../config/values.ts';
import { parseSpiffeId } from '../../identity/spiffe-id.ts';
import { headerMatches } from '../../routing/field-match.ts';
import { explainPattern } from '../../routing/value-match.ts';
import { explainPath } from './request-path.ts';

export const ACCESS_BOUNDS = { rules: 256, entries: 64, textChars: 1_024 } as const;

/** How deep claims may lie inside one another. */
const CLAIM_DEPTH = 8;

const { entries, textChars } = ACCESS_BOUNDS;

function list<Item extends z.ZodType>(item: Item) {
  return z.array(item).min(1).max(entries).optional();
}

const WILDCARD = '/*';

const identity = text((value) => {
  const parsed = parseSpiffeId(value.endsWith(WILDCARD) ? `${value.slice(0, -1)}any` : value);
  return typeof parsed === 'string' ? `${parsed}, so it is no SPIFFE id` : null;
}, 'write spiffe://<trust domain>/ns/<namespace>/sa/<service account>, or end it with "/*"');

const addressRange = text(
  (value) => (readRange(value) === null ? 'must be an IP address or a range of them' : null),
  'write it like 10.0.0.0/8, 192.0.2.7 or fd00::/8',
);

const from = z.strictObject({
  identities: list(identity),
  namespaces: list(label),
  trustDomains: list(trustDomain),
  addresses: list(addressRange),
});

/** Those that are told apart. CONNECT never gets here. */
const METHOD_NAMES = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY'] as const;

/** One path, or with `/*` at its end all below it, too. */
export const plainPath = text(
  (value) => explainPath(value.endsWith(WILDCARD) ? value.slice(0, -WILDCARD.length) : value),
  'write /a/b for one path, or /a/* for it and all below',
);

const path = z.union([plainPath, z.strictObject({ regex: text((value) => explainPattern(value)) })], {
  error: 'must be a path or a mapping with `regex`',
});

const RPC_NAME = /^[A-Za-z_][\w.]*$/;
const rpc = z.strictObject({
  service: text((value) => (RPC_NAME.test(value) ? null : 'must be a service, like helloworld.Greeter')),
  method: text((value) =>
    /^[A-Za-z_]\w*$/.test(value) ? null : 'must be a method, like SayHello',
  ).optional(),
});

const HOST = /^(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$|^\[[0-9a-f:.]+\]$/;
const host = text((value) =>
  HOST.test(value) && value.length <= textChars
    ? null
    : 'must be a host in lower case without a port, or "*." and a domain',
);

const to = z.strictObject({
  methods: list(z.enum(METHOD_NAMES)),
  paths: list(path),
  grpc: list(rpc),
  hosts: list(host),
  ports: list(z.int().min(1).max(65_535)),
});

const claimName = text((value) =>
  value !== '' && value.length <= textChars ? null : `must be 1 to ${textChars} characters`,
);
const claim = z.strictObject({
  name: z.union([claimName, z.array(claimName).min(1).max(CLAIM_DEPTH)], {
    error: 'must be the name of a claim, or a list of names that lead to it',
  }),
  values: list(z.union([claimName, z.number(), z.boolean()])),
});

const rule = z.strictObject({
  name: label,
  action: z.enum(['allow', 'deny']),
  from: from.prefault({}),
  to: to.prefault({}),
  when: z.strictObject({ headers: headerMatches, claims: list(claim) }).prefault({}),
});

export const spec = z.strictObject({
  mode: policyMode,
  rules: z
    .array(rule)
    .max(ACCESS_BOUNDS.rules)
    .superRefine((rules, context) => {
      rules.forEach(({ name }, index) => {
        if (rules.findIndex((other) => other.name === name) === index) return;
        const params = { suggestion: 'give every rule a name of its own' };
        context.addIssue({ code: 'custom', path: [index, 'name'], message: `repeats "${name}"`, params });
      });
    }),
});

export type AccessSpec = z.output<typeof spec>;
export type AccessRuleSpec = AccessSpec['rules'][number];
export type ClaimSpec = z.output<typeof claim>;
export type PathSpec = z.output<typeof path>;

/** Whether a rule asks for what only a request has, so that it can't tell anything about a connection. */
export function needsRequest({ to, when }: AccessRuleSpec): boolean {
  return (
    to.methods !== undefined ||
    to.paths !== undefined ||
    to.grpc !== undefined ||
    to.hosts !== undefined ||
    when.headers.length > 0 ||
    when.claims !== undefined
  );
}

/** Whether a rule asks who the peer has proved to be. */
export function needsIdentity({ from }: AccessRuleSpec): boolean {
  return (from.identities ?? from.namespaces ?? from.trustDomains) !== undefined;
}

export type AddressRange = {
  readonly address: string;
  readonly family: 'ipv4' | 'ipv6';
  readonly prefix: number;
};

export function readRange(value: string): AddressRange | null {
  const [address = '', prefix, ...rest] = value.split('/');
  const version = isIP(address);
  if (version === 0 || address.includes('%') || rest.length > 0) return null;
  const bits = version === 4 ? 32 : 128;
  if (prefix !== undefined && !(/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits)) return null;
  const family = version === 4 ? 'ipv4' : 'ipv6';
  return { address, family, prefix: prefix === undefined ? bits : Number(prefix) };
}
