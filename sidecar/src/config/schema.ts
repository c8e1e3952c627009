/**
 * What a sidecar's YAML may say (`sidecarDocument`, strict: an unknown key is an error) and what the rest of the sidecar
 * reads (`SidecarConfig`, normalised and deeply frozen: defaults filled in, absent sections null, addresses split,
 * paths absolute). Rules that span several keys are in check.ts, the way from one to the other in normalise.ts.
 */

import { isIP } from 'node:net';
import { z } from 'zod';
import { isTrustDomain, parseSpiffeId } from '../identity/spiffe-id.ts';
import { PROTOCOL_NAMES, type Protocol, protocolNamed } from '../protocol/protocol.ts';
import type { Address, AddressUse } from './address.ts';
import { isLoopback, parseAddress } from './address.ts';

export type SidecarConfig = {
  readonly name: string;
  readonly namespace: string;
  /** The service behind this sidecar, as spans and metrics call it. */
  readonly service: string;
  /** Null when no mTLS is possible; then no listener and no service asks for it. */
  readonly identity: IdentityConfig | null;
  readonly admin: AdminConfig;
  /** May be empty. Names are unique. */
  readonly inbound: readonly InboundConfig[];
  /** Null when no connections to the local service are redirected to the sidecar. */
  readonly inboundCapture: InboundCaptureConfig | null;
  readonly outbound: OutboundConfig | null;
  readonly timeouts: TimeoutsConfig;
  readonly headers: HeadersConfig;
  readonly telemetry: TelemetryConfig;
};

export type IdentityConfig = {
  /** Of the sidecar and of every peer: there is no federation. */
  readonly trustDomain: string;
  readonly source: AuthorityIdentity | FilesIdentity;
};

/** Certificates by request from the mesh CA. `rootsFile` vouches for the CA and for the peers. */
export type AuthorityIdentity = {
  readonly kind: 'authority';
  readonly url: string;
  readonly rootsFile: string;
  readonly tokenFile: string;
};

/** Certificates that something else writes and renews. */
export type FilesIdentity = {
  readonly kind: 'files';
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly rootsFile: string;
};

/** `listen` is loopback. */
export type AdminConfig = { readonly listen: Address };

/** `strict`: the peer must prove an identity, or the connection ends. There is no "if it can". */
export type MtlsMode = 'strict' | 'off';

export type InboundConfig = {
  readonly name: string;
  /** Port 0 takes any free port. Null for what is reached through `inboundCapture` alone. */
  readonly listen: Address | null;
  readonly mtls: MtlsMode;
  readonly protocol: Protocol;
  /** The local service. */
  readonly target: Address;
};

/** Takes redirected connections; the port that they were meant for is that of an entry's `target`. */
export type InboundCaptureConfig = { readonly listen: Address };

export type OutboundConfig = {
  readonly listen: Address;
  /** Null when no connections of the local service are redirected to the sidecar. */
  readonly capture: OutboundCaptureConfig | null;
  readonly services: readonly OutboundServiceConfig[];
};

export type OutboundCaptureConfig = {
  readonly listen: Address;
  /** What happens to a connection that is for no service: it goes where it was meant to go, or it is closed. */
  readonly unknown: 'passthrough' | 'reject';
};

export type OutboundServiceConfig = {
  /** Lower-case, without a port; an IPv6 literal keeps its brackets, as in a Host header. */
  readonly host: string;
  readonly mtls: MtlsMode;
  /** Who the peer must prove to be; null exactly when `mtls` is off. */
  readonly identity: string | null;
  readonly protocol: Protocol;
  /** A listener of the service's own; null without one. */
  readonly listen: Address | null;
  /** IP addresses that mean this service when a connection to them is captured. */
  readonly addresses: readonly Address[];
  /** At least one. */
  readonly endpoints: readonly Address[];
};

/** Each between 1 ms and `CONFIG_LIMITS.timeoutMs`; see the README for what each one bounds. */
export type TimeoutsConfig = {
  readonly headMs: number;
  readonly bodyIdleMs: number;
  readonly idleMs: number;
  readonly connectMs: number;
  readonly upstreamMs: number;
  readonly drainMs: number;
  readonly detectMs: number;
  readonly tcpIdleMs: number;
};

/** Whether the sidecar adds these fields; if not, those of the caller pass as they are. */
export type HeadersConfig = { readonly requestId: boolean; readonly forwarded: boolean };

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
  addressesPerService: 64,
  /** An hour: longer is no timeout any more. */
  timeoutMs: 3_600_000,
  pathBytes: 4096,
  fileBytes: 1_048_576,
  /** Reported of one file; who has more reads the first hundred first. */
  problems: 100,
} as const;

// As in Kubernetes, so that names can be taken over from there.
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
  (value) => (isPath(value) ? null : 'must be the path of a file'),
  'paths are relative to the folder of the config file',
);
// A bare word is more likely a misspelt `stdout` than the name of a file.
const accessLog = text(
  (value) =>
    value === 'stdout' || value === 'off' || (/[./]/.test(value) && isPath(value))
      ? null
      : 'must be stdout, off or the path of a file',
  'to log into a file of that name write a path, like ./access.log',
);

// Off has to be written out: nobody should talk in clear because a line is missing.
const mtls = z.enum(['strict', 'off']).default('strict');
const protocol = z
  .enum(PROTOCOL_NAMES as [string, ...string[]])
  .default('auto')
  .transform(protocolNamed);
const onOff = z.enum(['on', 'off']).default('on');
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
        // Which of the two is given is a matter of both keys: check.ts.
        authority: z
          // The token is sent there, so it must not go in clear.
          .strictObject({ url: url(['https:']), rootsFile: filePath, tokenFile: filePath })
          .optional(),
        files: z.strictObject({ certificate: filePath, key: filePath, roots: filePath }).optional(),
      })
      .optional(),
    admin: z.strictObject({ listen: loopbackAddress() }).prefault({ listen: '127.0.0.1:0' }),
    inbound: z
      .array(
        z.strictObject({
          name: label,
          // Whether it may be absent is a matter of `inboundCapture`: check.ts.
          listen: address('listen').optional(),
          mtls,
          protocol,
          target: address('connect'),
        }),
      )
      .max(CONFIG_LIMITS.inboundListeners)
      .default([]),
    inboundCapture: z.strictObject({ listen: address('listen') }).optional(),
    outbound: z
      .strictObject({
        listen: address('listen'),
        capture: z
          .strictObject({
            listen: address('listen'),
            unknown: z.enum(['passthrough', 'reject']).default('passthrough'),
          })
          .optional(),
        services: z
          .array(
            z.strictObject({
              host: serviceHost(),
              mtls,
              identity: spiffeId.optional(),
              protocol,
              listen: address('listen').optional(),
              addresses: z.array(ipAddress()).max(CONFIG_LIMITS.addressesPerService).default([]),
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
        detectMs: timeoutMs(100),
        tcpIdleMs: timeoutMs(3_600_000),
      })
      .prefault({}),
    headers: z.strictObject({ requestId: onOff, forwarded: onOff }).prefault({}),
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

function isPath(value: string): boolean {
  return value !== '' && value.length <= CONFIG_LIMITS.pathBytes && !/[\n\r\0]/.test(value);
}

function address(use: AddressUse) {
  return z.string().transform((value, context): Address => {
    const result = parseAddress(value, use);
    if ('address' in result) return result.address;
    context.addIssue({ code: 'custom', message: result.message, params: { suggestion: result.suggestion } });
    return z.NEVER;
  });
}

/** What the kernel calls a destination: names are resolved before a connection can be captured. */
function ipAddress() {
  return address('connect').superRefine((value, context) => {
    if (isIP(value.host) !== 0) return;
    context.addIssue({
      code: 'custom',
      message: `must be an IP address and a port, not the name "${value.host}"`,
      params: { suggestion: 'write the cluster address of the service, like 10.96.0.12:6379' },
    });
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

/** What a Host header may hold, less the port: requests find their service by comparing the two. */
function serviceHost() {
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
