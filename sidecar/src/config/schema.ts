/**
 * What a sidecar's YAML may say (`sidecarDocument`, strict: an unknown key is an error) and what the rest of the sidecar
 * reads (`SidecarConfig`, normalised and deeply frozen: defaults filled in, absent sections null, addresses split,
 * paths absolute). Rules that span several keys are in check.ts, the way from one to the other in normalise.ts.
 */
import { z } from 'zod';
import { type AuditConfig, auditSpec } from '../filters/audit/config.ts';
import { type BaggageConfig, baggageSpec } from '../filters/baggage/config.ts';
import { type ServerTimingAudience, serverTimingAudience } from '../filters/server-timing/config.ts';
import type { Protocol } from '../protocol/protocol.ts';
import type { RouteConfig } from '../routing/route-config.ts';
import type { Address } from './address.ts';
import type { PoliciesConfig } from './resources.ts';
import {
  accessLog,
  address,
  CONFIG_LIMITS,
  dottedName,
  endpoint,
  filePath,
  inboundMtls,
  ipAddress,
  label,
  loopbackAddress,
  mtls,
  onOff,
  protocol,
  serviceHost,
  spiffeId,
  timeoutMs,
  trustDomain,
  url,
} from './values.ts';

export type SidecarConfig = {
  readonly name: string;
  readonly namespace: string;
  /** The service behind this sidecar, as spans and metrics call it. */
  readonly service: string;
  /** Where the sidecar runs; empty when nothing is said about it. */
  readonly zone: string;
  /** Null when no mTLS is possible; then no listener and no service asks for it. */
  readonly identity: IdentityConfig | null;
  /** Null where there is no control plane to talk to. */
  readonly control: ControlConfig | null;
  readonly admin: AdminConfig;
  /** May be empty. Names are unique. */
  readonly inbound: readonly InboundConfig[];
  /** Null when no connections to the local service are redirected to the sidecar. */
  readonly inboundCapture: InboundCaptureConfig | null;
  readonly outbound: OutboundConfig | null;
  /** What holds for the own service where no AccessPolicy is attached to it. */
  readonly accessDefault: 'allow' | 'deny';
  readonly timeouts: TimeoutsConfig;
  readonly headers: HeadersConfig;
  readonly telemetry: TelemetryConfig;
  /** Of two routes that are equal in all else, the first comes first. */
  readonly routes: readonly RouteConfig[];
  /** What documents beside the Sidecar attach to services, by kind. */
  readonly policies: PoliciesConfig;
};

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

export type IdentityConfig = {
  /** Of the sidecar, and of every peer but those of foreign trust domains. */
  readonly trustDomain: string;
  /** Below 1.3 only for peers that have nothing better. */
  readonly minTlsVersion: TlsVersion;
  readonly source: AuthorityIdentity | FilesIdentity;
};

/** Certificates by request from the mesh CA. `rootsFile` vouches for the CA and for the peers. */
export type AuthorityIdentity = {
  readonly kind: 'authority';
  readonly url: string;
  readonly rootsFile: string;
  readonly evidence: { readonly kind: 'join-token' | 'kubernetes'; readonly file: string };
  /** Keeps the SVID over restarts; null keeps it in memory alone. */
  readonly stateDir: string | null;
  /** Those whose workloads are peers, too, by the bundles that the authority passes on. */
  readonly foreignTrustDomains: readonly string[];
};

/** Certificates that something else writes and renews. */
export type FilesIdentity = {
  readonly kind: 'files';
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly rootsFile: string;
};

/** `identity` is who the control plane must prove to be. */
export type ControlConfig = { readonly address: Address; readonly identity: string };

/** `listen` is loopback. */
export type AdminConfig = { readonly listen: Address };

/** `strict`: the peer must prove an identity, or the connection ends. */
export type MtlsMode = 'strict' | 'off';

/** `permissive`: a peer that begins a handshake has to end it as with `strict`; one that does not has no identity. */
export type InboundMtlsMode = MtlsMode | 'permissive';

export type InboundConfig = {
  readonly name: string;
  /** Port 0 takes any free port. Null for what is reached through `inboundCapture` alone. */
  readonly listen: Address | null;
  readonly mtls: InboundMtlsMode;
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
  /** What policies and routes call the service. */
  readonly name: string;
  readonly namespace: string;
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
  readonly endpoints: readonly EndpointConfig[];
};

/** `zone` is empty when nothing is said about it. */
export type EndpointConfig = Address & { readonly weight: number; readonly zone: string };

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
  readonly audit: AuditConfig;
  /** Whether Redis commands are told apart by the part of their key before the first colon. */
  readonly keyPrefixes: boolean;
  readonly baggage: BaggageConfig;
  /** Who is told by Server-Timing where the time went. */
  readonly serverTiming: ServerTimingAudience;
  readonly metrics: MetricsConfig;
  readonly traces: TracesConfig | null;
};

/** `maxTrafficSeries` bounds what is told apart by what requests and commands bring; each sample of a scrape is a series. */
export type MetricsConfig = { readonly maxTrafficSeries: number; readonly nativeHistograms: boolean };

export type AccessLogConfig =
  | { readonly kind: 'stdout' }
  | { readonly kind: 'off' }
  | { readonly kind: 'file'; readonly path: string };

export type TracesConfig = {
  readonly endpoint: string;
  readonly headSampleRatio: number;
  /** Of the requests that enter the mesh by a route, the slowest are kept; 0 for none. */
  readonly slowShare: number;
  /** Where the service sends its own spans, by OTLP over gRPC; null when it sends none here. */
  readonly intake: Address | null;
  /** How many spans lie ready for the case that their trace is worth keeping. */
  readonly ringSpans: number;
};

export const sidecarDocument = z.strictObject({
  apiVersion: z.literal('mesh.tulle.dev/v1alpha1'),
  kind: z.literal('Sidecar'),
  metadata: z.strictObject({ name: dottedName, namespace: label.default('default') }),
  spec: z.strictObject({
    service: dottedName,
    zone: label.optional(),
    identity: z
      .strictObject({
        trustDomain,
        minTlsVersion: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.3'),
        // Which of the two is given is a matter of both keys: check.ts.
        authority: z
          // The token is sent there, so it must not go in clear.
          .strictObject({
            url: url(['https:']),
            rootsFile: filePath,
            // One of the two: check.ts.
            tokenFile: filePath.optional(),
            podTokenFile: filePath.optional(),
            stateDir: filePath.optional(),
            // None of them may be the own one: check.ts.
            foreignTrustDomains: z.array(trustDomain).max(CONFIG_LIMITS.foreignTrustDomains).default([]),
          })
          .optional(),
        files: z.strictObject({ certificate: filePath, key: filePath, roots: filePath }).optional(),
      })
      .optional(),
    // Requires an identity: check.ts.
    control: z.strictObject({ address: address('connect'), identity: spiffeId }).optional(),
    admin: z.strictObject({ listen: loopbackAddress() }).prefault({ listen: '127.0.0.1:0' }),
    inbound: z
      .array(
        z.strictObject({
          name: label,
          // Whether it may be absent is a matter of `inboundCapture`: check.ts.
          listen: address('listen').optional(),
          mtls: inboundMtls,
          protocol,
          target: address('connect'),
        }),
      )
      .max(CONFIG_LIMITS.inboundListeners)
      .default([]),
    inboundCapture: z.strictObject({ listen: address('listen') }).optional(),
    // Not said, peers of the mesh are let in, as they were before there were policies.
    access: z.strictObject({ default: z.enum(['allow', 'deny']).default('allow') }).prefault({}),
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
              name: dottedName.optional(),
              namespace: label.optional(),
              mtls,
              identity: spiffeId.optional(),
              protocol,
              listen: address('listen').optional(),
              addresses: z.array(ipAddress()).max(CONFIG_LIMITS.addressesPerService).default([]),
              endpoints: z.array(endpoint).min(1).max(CONFIG_LIMITS.endpointsPerService),
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
        audit: auditSpec,
        // Keys may hold what nobody should read in a metric.
        keyPrefixes: z.enum(['on', 'off']).default('off'),
        baggage: baggageSpec,
        serverTiming: serverTimingAudience,
        metrics: z
          .strictObject({
            maxTrafficSeries: z
              .int()
              .min(CONFIG_LIMITS.minTrafficSeries)
              .max(CONFIG_LIMITS.trafficSeries)
              .default(100_000),
            nativeHistograms: z.enum(['on', 'off']).default('off'),
          })
          .prefault({}),
        traces: z
          .strictObject({
            endpoint: url(['http:', 'https:']),
            headSampleRatio: z.number().min(0).max(1).default(0.01),
            intake: loopbackAddress().optional(),
            slowShare: z.number().min(0).max(CONFIG_LIMITS.slowShare).default(0.005),
            ringSpans: z.int().min(CONFIG_LIMITS.minRingSpans).max(CONFIG_LIMITS.ringSpans).default(16_384),
          })
          .optional(),
      })
      .prefault({}),
  }),
});

export type SidecarDocument = z.output<typeof sidecarDocument>;
