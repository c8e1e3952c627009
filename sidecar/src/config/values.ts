/**
 * The kinds of values that keys of the config have, each with what is wrong with a value that is none.
 *
 * Invariant: no message repeats the value of a key that names a file; explain.ts takes suggestions from the params of an issue.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import { isTrustDomain, parseSpiffeId } from '../identity/spiffe-id.ts';
import { PROTOCOL_NAMES, protocolNamed } from '../protocol/protocol.ts';
import type { Address, AddressUse } from './address.ts';
import { isLoopback, parseAddress } from './address.ts';

/** Listener names and hosts become metric labels and endpoints become pools, so their numbers are bounded here. */
export const CONFIG_LIMITS = {
  /** Their bundles come in one answer of the authority. */
  foreignTrustDomains: 16,
  inboundListeners: 64,
  outboundServices: 1024,
  endpointsPerService: 256,
  addressesPerService: 64,
  weight: 1000,
  /** An hour: longer is no timeout any more. */
  timeoutMs: 3_600_000,
  /** More than that is not slow any more. */
  slowShare: 0.1,
  minRingSpans: 1_024,
  /** Half a gigabyte. */
  ringSpans: 1_048_576,
  /** A few busy routes; and a scrape of a quarter of a second. */
  minTrafficSeries: 1_000,
  trafficSeries: 200_000,
  pathBytes: 4096,
  /** Keys of baggage that may pass the border, each way. */
  baggageKeys: 64,
  /** All files together. */
  fileBytes: 1_048_576,
  files: 256,
  /** Reported of one file; who has more reads the first hundred first. */
  problems: 100,
} as const;

// As in Kubernetes, so that names can be taken over from there.
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
export const label = text((value) =>
  LABEL.test(value)
    ? null
    : 'must be 1 to 63 lower-case letters, digits or "-", starting and ending with no "-"',
);
export const dottedName = text((value) =>
  value.length <= 253 && value.split('.').every((part) => LABEL.test(part))
    ? null
    : 'must be lower-case letters, digits, "-" or ".", at most 253 characters',
);
export const trustDomain = text((value) =>
  isTrustDomain(value) ? null : 'must be lower-case letters, digits, ".", "-" or "_", like demo.example.org',
);
export const spiffeId = text((value) => {
  const parsed = parseSpiffeId(value);
  return typeof parsed === 'string' ? `${parsed}, so it is no SPIFFE id` : null;
}, 'write spiffe://<trust domain>/ns/<namespace>/sa/<service account>');

// Its value is never repeated in a message: people paste the key itself where its path belongs.
export const filePath = text(
  (value) => (isPath(value) ? null : 'must be the path of a file'),
  'paths are relative to the folder of the config file',
);
/** A path that nobody can have meant as a word. */
export function isLogPath(value: string): boolean {
  return /[./]/.test(value) && isPath(value);
}

// A bare word is more likely a misspelt `stdout` than the name of a file.
export const accessLog = text(
  (value) =>
    value === 'stdout' || value === 'off' || isLogPath(value)
      ? null
      : 'must be stdout, off or the path of a file',
  'to log into a file of that name write a path, like ./access.log',
);

// Off has to be written out: nobody should talk in clear because a line is missing.
export const mtls = z.enum(['strict', 'off']).default('strict');
export const inboundMtls = z.enum(['strict', 'permissive', 'off']).default('strict');
export const protocol = z
  .enum(PROTOCOL_NAMES as [string, ...string[]])
  .default('auto')
  .transform(protocolNamed);
export const onOff = z.enum(['on', 'off']).default('on');
export const timeoutMs = (defaultMs: number) =>
  z.int().min(1).max(CONFIG_LIMITS.timeoutMs).default(defaultMs);

/** A key that other implementations know and this one does not: refused, with what to do instead. */
export function unsupported(suggestion: string) {
  return z.never({ error: suggestion }).optional();
}

/** What a policy does with what it decides: nothing and not even decide, only tell, or act. */
export const policyMode = z.enum(['off', 'shadow', 'enforce']).default('enforce');
export type PolicyMode = z.output<typeof policyMode>;

/** Of a document beside the Sidecar. */
export const resourceMetadata = z.strictObject({
  name: dottedName,
  namespace: label.optional(),
  creationTimestamp: z.iso
    .datetime({ offset: true, error: 'must be a time like 2026-01-31T09:30:00Z' })
    .optional(),
  // For people and other tools.
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});

/** `check` returns what is wrong with the value, or null. The suggestion travels in the issue's params. */
export function text(check: (value: string) => string | null, suggestion: string | null = null) {
  return z.string().superRefine((value, context) => {
    const message = check(value);
    if (message !== null) context.addIssue({ code: 'custom', message, params: { suggestion } });
  });
}

function isPath(value: string): boolean {
  return value !== '' && value.length <= CONFIG_LIMITS.pathBytes && !/[\n\r\0]/.test(value);
}

export function address(use: AddressUse) {
  return z.string().transform((value, context): Address => {
    const result = parseAddress(value, use);
    if ('address' in result) return result.address;
    context.addIssue({ code: 'custom', message: result.message, params: { suggestion: result.suggestion } });
    return z.NEVER;
  });
}

/** An address, or an address with what balancers should know of it. */
export const endpoint = z.union(
  [
    address('connect').transform((value) => ({ ...value, weight: 1, zone: '' })),
    z
      .strictObject({
        address: address('connect'),
        weight: z.int().min(1).max(CONFIG_LIMITS.weight).default(1),
        zone: label.optional(),
      })
      .transform(({ address, weight, zone = '' }) => ({ ...address, weight, zone })),
  ],
  { error: 'must be an address or a mapping with one' },
);

/** What the kernel calls a destination: names are resolved before a connection can be captured. */
export function ipAddress() {
  return address('connect').superRefine((value, context) => {
    if (isIP(value.host) !== 0) return;
    context.addIssue({
      code: 'custom',
      message: `must be an IP address and a port, not the name "${value.host}"`,
      params: { suggestion: 'write the cluster address of the service, like 10.96.0.12:6379' },
    });
  });
}

export function loopbackAddress() {
  return address('listen').superRefine((value, context) => {
    if (isLoopback(value.host)) return;
    context.addIssue({
      code: 'custom',
      message: `must be a loopback address: the admin endpoint has no authentication`,
      params: { suggestion: `did you mean "127.0.0.1:${value.port}"?` },
    });
  });
}

/** What a Host header may hold, less the port: requests find their service by comparing the two. */
export function serviceHost() {
  return z.string().transform((value, context): string => {
    const host = value.toLowerCase();
    if (isBareHost(host)) return host;
    const withoutPort = host.replace(/:\d+$/, '');
    context.addIssue({
      code: 'custom',
      message: 'must be a host name or an IP address, without a port',
      params: { suggestion: isBareHost(withoutPort) ? `did you mean "${withoutPort}"?` : null },
    });
    return z.NEVER;
  });
}

function isBareHost(host: string): boolean {
  // An address with any port is valid exactly when its host is; a host with a port of its own then has two.
  return 'address' in parseAddress(`${host}:1`, 'connect');
}

export function url(protocols: readonly string[]) {
  return text((value) => {
    if (!URL.canParse(value)) return `is not a URL`;
    const { protocol, username, password, search, hash } = new URL(value);
    if (!protocols.includes(protocol)) return `must use ${protocols.join(' or ').replaceAll(':', '')}`;
    // Config is dumped and logged: what may hold a secret has no place in it.
    if (username !== '' || password !== '') return 'must not hold credentials';
    return search === '' && hash === '' ? null : 'must not have a query or a fragment';
  }, `write ${protocols[0]}//host:port`);
}
