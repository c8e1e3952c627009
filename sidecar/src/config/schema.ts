/**
 * What a sidecar's YAML may say (`sidecarDocument`, strict: an unknown key is an error) and what the rest of the sidecar
 * reads (`SidecarConfig`, normalised and deeply frozen: defaults filled in, absent sections null, addresses split,
 * paths absolute). Rules that span several keys are in check.ts, the way from one to the other in normalise.ts.
 */
import { z } from 'zod';
import type { Address, AddressUse } from './address.ts';
import { isHostName, isLoopback, parseAddress } from './address.ts';
import { isTrustDomain, parseSpiffeId } from './spiffe-id.ts';

export type SidecarConfig = {
  readonly name: string;
  readonly namespace: string;
  readonly service: string;
  readonly identity: IdentityConfig | null;
  readonly admin: AdminConfig;
  readonly inbound: readonly InboundConfig[];
  readonly outbound: OutboundConfig | null;
  readonly timeouts: TimeoutsConfig;
  readonly telemetry: TelemetryConfig;
};

export type IdentityConfig = {
  readonly trustDomain: string;
  readonly source: AuthorityIdentity | FilesIdentity;
};

export type AuthorityIdentity = {
  readonly kind: 'authority';
  readonly url: string;
  readonly rootsFile: string;
  readonly tokenFile: string;
};

export type FilesIdentity = {
  readonly kind: 'files';
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly rootsFile: string;
};

export type AdminConfig = { readonly listen: Address };

export type MtlsMode = 'strict' | 'off';

export type InboundConfig = {
  readonly name: string;
  readonly listen: Address;
  readonly mtls: MtlsMode;
  readonly target: Address;
};

export type OutboundConfig = {
  readonly listen: Address;
  readonly services: readonly OutboundServiceConfig[];
};

export type OutboundServiceConfig = {
  /** Lower-case, without a port; an IPv6 literal keeps its brackets, as in a Host header. */
  readonly host: string;
  readonly mtls: MtlsMode;
  /** Who the peer must prove to be; null exactly when `mtls` is off. */
  readonly identity: string | null;
  readonly endpoints: readonly Address[];
};

export type TimeoutsConfig = {
  readonly headMs: number;
  readonly bodyIdleMs: number;
  readonly idleMs: number;
  readonly connectMs: number;
  readonly upstreamMs: number;
  readonly drainMs: number;
};

export type TelemetryConfig = {
  readonly accessLog: AccessLogConfig;
  readonly traces: TracesConfig | null;
};

export type AccessLogConfig =
  | { readonly kind: 'stdout' }
  | { readonly kind: 'off' }
  | { readonly kind: 'file'; readonly path: string };

export type TracesConfig = { readonly endpoint: string; readonly headSampleRatio: number };

/** Listener names and hosts become metric labels and endpoints become pools, so their numbers are bounded here. */
export const CONFIG_LIMITS = {
  inboundListeners: 64,
  outboundServices: 1024,
  endpointsPerService: 256,
  timeoutMs: 3_600_000,
  pathBytes: 4096,
  fileBytes: 1_048_576,
  problems: 100,
} as const;

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const label = text((value) =>
  LABEL.test(value)
    ? null
    : 'must be 1 to 63 lower-case letters, digits or "-", starting and ending with no "-"',
);
const dottedName = text((value) =>
  value.length <= 253 && value.split('.').every((part) => LABEL.test(part))
    ? null
    : 'must be lower-case letters, digits, "-" or ".", at most 253 characters',
);
const trustDomain = text((value) =>
  isTrustDomain(value) ? null : 'must be lower-case letters, digits, ".", "-" or "_", like demo.example.org',
);
const spiffeId = text((value) => {
  const parsed = parseSpiffeId(value);
  return typeof parsed === 'string' ? `${parsed}, so it is no SPIFFE id` : null;
}, 'write spiffe://<trust domain>/ns/<namespace>/sa/<service account>');

// Its value is never repeated in a message: people paste the key itself where its path belongs.
const filePath = text(
  (value) =>
    value !== '' && value.length <= CONFIG_LIMITS.pathBytes && !/[\n\r\0]/.test(value)
      ? null
      : 'must be the path of a file',
  'paths are relative to the folder of the config file',
);
const accessLog = text(
  (value) =>
    value === 'stdout' || value === 'off' || (/[./]/.test(value) && !/[\n\r\0]/.test(value))
      ? null
      : 'must be stdout, off or the path of a file',
  'to log into a file of that name write a path, like ./access.log',
);

const mtls = z.enum(['strict', 'off']).default('strict');
const timeoutMs = (defaultMs: number) => z.int().min(1).max(CONFIG_LIMITS.timeoutMs).default(defaultMs);

export const sidecarDocument = z.strictObject({
  apiVersion: z.literal('mesh.tulle.dev/v1alpha1'),
  kind: z.literal('Sidecar'),
  metadata: z.strictObject({ name: dottedName, namespace: label.default('default') }),
  spec: z.strictObject({
    service: dottedName,
    identity: z
      .strictObject({
        trustDomain,
        authority: z
          .strictObject({ url: url(['https:']), rootsFile: filePath, tokenFile: filePath })
          .optional(),
        files: z.strictObject({ certificate: filePath, key: filePath, roots: filePath }).optional(),
      })
      .optional(),
    admin: z.strictObject({ listen: loopbackAddress() }).prefault({ listen: '127.0.0.1:0' }),
    inbound: z
      .array(z.strictObject({ name: label, listen: address('listen'), mtls, target: address('connect') }))
      .max(CONFIG_LIMITS.inboundListeners)
      .default([]),
    outbound: z
      .strictObject({
        listen: address('listen'),
        services: z
          .array(
            z.strictObject({
              host: serviceHost(),
              mtls,
              identity: spiffeId.optional(),
              endpoints: z.array(address('connect')).min(1).max(CONFIG_LIMITS.endpointsPerService),
            }),
          )
          .max(CONFIG_LIMITS.outboundServices),
      })
      .optional(),
    timeouts: z
      .strictObject({
        headMs: timeoutMs(10_000),
        bodyIdleMs: timeoutMs(30_000),
        idleMs: timeoutMs(60_000),
        connectMs: timeoutMs(2_000),
        upstreamMs: timeoutMs(15_000),
        drainMs: timeoutMs(10_000),
      })
      .prefault({}),
    telemetry: z
      .strictObject({
        accessLog: accessLog.default('stdout'),
        traces: z
          .strictObject({
            endpoint: url(['http:', 'https:']),
            headSampleRatio: z.number().min(0).max(1).default(0.01),
          })
          .optional(),
      })
      .prefault({}),
  }),
});

export type SidecarDocument = z.output<typeof sidecarDocument>;

/** `check` returns what is wrong with the value, or null. The suggestion travels in the issue's params. */
function text(check: (value: string) => string | null, suggestion: string | null = null) {
  return z.string().superRefine((value, context) => {
    const message = check(value);
    if (message !== null) context.addIssue({ code: 'custom', message, params: { suggestion } });
  });
}

function address(use: AddressUse) {
  return z.string().transform((value, context): Address => {
    const result = parseAddress(value, use);
    if ('address' in result) return result.address;
    context.addIssue({ code: 'custom', message: result.message, params: { suggestion: result.suggestion } });
    return z.NEVER;
  });
}

function loopbackAddress() {
  return address('listen').superRefine((value, context) => {
    if (isLoopback(value.host)) return;
    context.addIssue({
      code: 'custom',
      message: `must be a loopback address: the admin endpoint has no authentication`,
      params: { suggestion: `did you mean "127.0.0.1:${value.port}"?` },
    });
  });
}

function serviceHost() {
  return z.string().transform((value, context): string => {
    const host = value.toLowerCase();
    const bracketed = /^\[(.*)\]$/.exec(host)?.[1];
    const probe = parseAddress(bracketed === undefined ? `${host}:1` : `[${bracketed}]:1`, 'connect');
    if ('address' in probe) return host;
    const withPort = parseAddress(host, 'connect');
    const bare = 'address' in withPort && isHostName(withPort.address.host) ? withPort.address.host : null;
    context.addIssue({
      code: 'custom',
      message: 'must be a host name or an IP address, without a port',
      params: { suggestion: bare === null ? null : `did you mean "${bare}"?` },
    });
    return z.NEVER;
  });
}

function url(protocols: readonly string[]) {
  return text((value) => {
    if (!URL.canParse(value)) return `is not a URL`;
    const { protocol, username, password, search, hash } = new URL(value);
    if (!protocols.includes(protocol)) return `must use ${protocols.join(' or ').replaceAll(':', '')}`;
    // Config is dumped and logged: what may hold a secret has no place in it.
    if (username !== '' || password !== '') return 'must not hold credentials';
    return search === '' && hash === '' ? null : 'must not have a query or a fragment';
  }, `write ${protocols[0]}//host:port`);
}
