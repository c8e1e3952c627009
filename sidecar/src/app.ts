/**
 * A sidecar from start to drained: config, identity, listeners, admin. main.ts wraps it in a process; tests call it directly.
 *
 * Invariants
 * - It is ready only when every listener listens and, with mTLS, a certificate is there.
 * - A config is applied as a whole or not at all; what can't change without a restart is refused before it gets here.
 * - Draining: readiness goes first, then no new connections and requests, then exchanges complete until `drainMs`.
 */
import type { SvidSummary } from './admin/config-dump.ts';
import { type AdminServer, startAdminServer } from './admin/server.ts';
import { formatProblem } from './config/problem.ts';
import type { SidecarConfig, TlsVersion } from './config/schema.ts';
import { activateSnapshot, buildSnapshot, type Snapshot } from './config/snapshot.ts';
import { type ConfigEvent, type ConfigStatus, type ConfigWatch, startConfigWatch } from './config/watch.ts';
import { systemClock } from './core/clock.ts';
import { Deadlines } from './core/deadlines.ts';
import type { Listener } from './downstream/listener.ts';
import { AccessControl } from './filters/access/access-control.ts';
import { JwtPolicies } from './filters/jwt/jwt-policies.ts';
import { RateLimits } from './filters/rate-limit/rate-limits.ts';
import { WafControl } from './filters/waf/waf-control.ts';
import { type Identity, type IdentityEvent, startIdentity } from './identity/identity.ts';
import { clientTlsOptions, deniedSpiffeId, peerSpiffeId, serverTlsOptions } from './identity/trust.ts';
import { followIdentity, readIdentity } from './identity-changes.ts';
import { Listeners, type ListeningPorts } from './listeners.ts';
import { Observability } from './observe/observability.ts';
import { RandomWords } from './observe/random-words.ts';
import type { LiveReadings, UpstreamReading } from './observe/series.ts';
import { report } from './report.ts';
import { TransportContext } from './transport/transport.ts';
import { EndpointTransport } from './upstream/endpoint.ts';
import { CheckSlots } from './upstream/health/check-slots.ts';

export interface SidecarOptions {
  /** A file, or a folder of files. */
  readonly configPath: string;
  /** Where the last good config is kept for the next start; null keeps none. */
  readonly lastGoodPath?: string | null;
}

export interface Sidecar {
  readonly adminPort: number;
  /** Where the service sends its own spans; null where it sends none here. */
  readonly intakePort: number | null;
  readonly inboundPorts: ListeningPorts['inbound'];
  readonly inboundCapturePort: number | null;
  readonly outboundPort: number | null;
  readonly outboundCapturePort: number | null;
  /** Of outbound services with a listener of their own, by host. */
  readonly servicePorts: ListeningPorts['services'];
  /** Reads the config file again. */
  reload(): Promise<void>;
  /** Settles when everything is stopped. */
  drain(): Promise<void>;
}

export async function startSidecar(options: SidecarOptions): Promise<Sidecar> {
  const { configPath, lastGoodPath = null } = options;
  const core = new SidecarCore(new TransportContext(systemClock, new Deadlines(systemClock)));
  let watch: ConfigWatch | null = null;
  const readConfigStatus = (): ConfigStatus | null => watch?.status() ?? null;
  // The first config opens everything, so that one which can't be opened is refused like any other; later ones change routes only
  // (restart-only.ts).
  let opened = null as OpenSidecar | null;
  const apply = async (config: SidecarConfig): Promise<void> => {
    if (opened === null) opened = await openSidecar(core, config, configPath, readConfigStatus);
    else core.apply(config);
  };
  watch = await startConfigWatch({
    path: configPath,
    lastGoodPath,
    clock: systemClock,
    apply,
    report: reportConfigEvent,
  });
  if (opened === null) throw new Error('the first config was accepted without being applied');
  return opened.serve(watch);
}

interface CoreParts {
  readonly observability: Observability;
  readonly rateLimits: RateLimits;
  readonly jwt: JwtPolicies;
  readonly identity: Identity | null;
}

/** Who the sidecar is and what its routes are: what lives from the first config to the end of the drain. */
class SidecarCore {
  readonly context: TransportContext;
  private readonly random = new RandomWords(Math.random);
  private readonly checkSlots = new CheckSlots();
  private readonly access = new AccessControl();
  private readonly waf = new WafControl(report);
  private parts: CoreParts | null = null;
  private current: Snapshot | null = null;

  constructor(context: TransportContext) {
    this.context = context;
  }

  get snapshot(): Snapshot {
    if (this.current === null) throw new Error('the first config is not applied yet');
    return this.current;
  }

  get observability(): Observability {
    return this.required.observability;
  }

  get identity(): Identity | null {
    return this.parts?.identity ?? null;
  }

  private get required(): CoreParts {
    if (this.parts === null) throw new Error('the first config is not applied yet');
    return this.parts;
  }

  get requiredIdentity(): Identity {
    if (this.identity === null) throw new Error('mTLS without an identity');
    return this.identity;
  }

  async open(config: SidecarConfig): Promise<void> {
    const deps = { clock: systemClock, random: Math.random };
    const rateLimits = new RateLimits({ ...deps, report });
    const jwt = new JwtPolicies({ ...deps, report });
    const observability = new Observability({
      ...deps,
      config,
      rateLimits,
      access: this.access,
      jwt,
      waf: this.waf,
      report,
    });
    try {
      const identityDeps = { ...deps, report: reportIdentityEvent };
      const identity = config.identity === null ? null : await startIdentity(config.identity, identityDeps);
      this.parts = { observability, rateLimits, jwt, identity };
    } catch (error) {
      await observability.close(0);
      throw error;
    }
    const { control } = config;
    if (control !== null) {
      observability.tracing?.openControl(control.address, () =>
        clientTlsOptions(this.requiredIdentity.svid, control.identity, minTlsVersionOf(config)),
      );
    }
    this.apply(config);
  }

  apply(config: SidecarConfig): void {
    const { current: previous } = this;
    const { observability, rateLimits, jwt } = this.required;
    observability.follow(config);
    this.current = buildSnapshot(config, previous, {
      context: this.context,
      random: this.random,
      checkSlots: this.checkSlots,
      openTransport: (...how) => new EndpointTransport(this.context, ...how),
      compileChain: (profile) => observability.buildChain(profile, () => this.identity?.svid.spiffeId ?? ''),
      compileMirrorChain: (profile, series) => observability.buildMirrorChain(profile, series),
      mirrorSeries: (route, rule, backend) => observability.mirrorSeries(route, rule, backend),
      clientTlsOptions: (peer) => clientTlsOptions(this.requiredIdentity.svid, peer, minTlsVersionOf(config)),
      poolObserver: (profile) => observability.poolObserver(profile),
      retrySeries: (profile) => observability.retrySeries(profile),
      groupObserver: (profile) => observability.groupObserver(profile),
      hedgeSeries: (profile) => observability.hedgeSeries(profile),
      connectionObserver: (profile) => observability.connectionObserver(profile),
      dataStoreObserver: (profile, protocol) => observability.dataStoreObserver(profile, protocol),
      compileAccess: (policy, scope) => this.access.compile(policy, scope),
    });
    rateLimits.retain(config.policies.rateLimit);
    jwt.retain(config.policies.jwt);
    activateSnapshot(this.current, previous);
  }

  /** Stops what `open` started; it may be opened again. */
  async stop(): Promise<void> {
    const { parts, current } = this;
    this.parts = null;
    this.current = null;
    parts?.identity?.stop();
    parts?.rateLimits.close();
    parts?.jwt.close();
    for (const checker of current?.checkers ?? []) checker.stop();
    for (const pool of current?.pools.values() ?? []) pool.close();
    current?.passthrough?.close();
    await parts?.observability.close(OBSERVABILITY_CLOSE_MS);
  }
}

function minTlsVersionOf(config: SidecarConfig): TlsVersion {
  return config.identity?.minTlsVersion ?? 'TLSv1.3';
}

/** How long the last spans and log lines may take to leave. */
const OBSERVABILITY_CLOSE_MS = 2_000;

interface OpenSidecar {
  /** Goes ready. */
  serve(watch: ConfigWatch): Sidecar;
}

/** Opens everything that the config names, or nothing of it. */
async function openSidecar(
  core: SidecarCore,
  config: SidecarConfig,
  configPath: string,
  readConfigStatus: () => ConfigStatus | null,
): Promise<OpenSidecar> {
  let readiness: 'starting' | 'ready' | 'draining' = 'starting';
  let startDrain = (): void => {};
  const listening = new Listeners({
    context: core.context,
    handshakeTimeoutMs: config.timeouts.connectMs,
    snapshot: () => core.snapshot,
    serverTlsOptions: () => serverTlsOptions(core.requiredIdentity.svid, minTlsVersionOf(config)),
    peerIdentity: (socket) => peerSpiffeId(socket, core.requiredIdentity.svid),
    deniedIdentity: (socket) => deniedSpiffeId(socket, core.requiredIdentity.svid),
    observerOf: (name) => core.observability.listenerObserver(name),
  });
  const { listeners } = listening;
  let admin: AdminServer | null = null;
  try {
    await core.open(config);
    const { observability } = core;
    observability.readLive({
      upstreams: () => upstreamsOf(core.snapshot),
      groups: () => core.snapshot.groups.values(),
      monotonicMs: () => systemClock.monotonicMs(),
      config: () => countConfigs(readConfigStatus()),
      identity: () => readIdentity(core.identity),
    });
    admin = await startAdminServer(config.admin.listen, {
      configPath,
      clock: systemClock,
      readiness: () => readiness,
      configStatus: readConfigStatus,
      svid: () => summarise(core.identity),
      findTrace: (id) => observability.tracing?.finder.find(id) ?? null,
      taps: () => observability.taps,
      scrape: (accept) => observability.scrape(accept),
      drain: () => startDrain(),
    });
    if (core.identity !== null)
      followIdentity(core.identity, {
        context: core.context,
        handshakeMs: config.timeouts.connectMs,
        renew() {
          listening.renewCertificate();
          observability.tracing?.renewControl();
          for (const pool of core.snapshot.pools.values()) pool.retireConnections();
        },
      });
    const ports = await listening.open(config);
    const intakePort = (await observability.tracing?.openIntake()) ?? null;
    const { port: adminPort, close: closeAdmin } = admin;
    const serve = (watch: ConfigWatch): Sidecar => {
      const reload = async (): Promise<void> => {
        observability.reopen();
        await watch.reload();
      };
      const drain = once(async () => {
        readiness = 'draining';
        const { drainMs } = watch.status().config.timeouts;
        report('draining', { deadlineMs: drainMs });
        await drainListeners(listeners, drainMs);
        await watch.close();
        await core.stop();
        await closeAdmin();
        report('drained');
      });
      startDrain = () => void drain();
      readiness = 'ready';
      return {
        adminPort,
        intakePort,
        inboundPorts: ports.inbound,
        inboundCapturePort: ports.inboundCapture,
        outboundPort: ports.outbound,
        outboundCapturePort: ports.outboundCapture,
        servicePorts: ports.services,
        reload,
        drain,
      };
    };
    return { serve };
  } catch (error) {
    await drainListeners(listeners, 0);
    await admin?.close();
    await core.stop();
    throw error;
  }
}

async function drainListeners(listeners: readonly Listener[], deadlineMs: number): Promise<void> {
  const deadline = systemClock.setTimer(() => {
    for (const listener of listeners) listener.cutOff();
  }, deadlineMs);
  await Promise.all(listeners.map((listener) => listener.drain()));
  deadline.cancel();
}

/** The first call does it; every call settles with it. */
function once(action: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  return () => {
    running ??= action();
    return running;
  };
}

function* upstreamsOf(snapshot: Snapshot): Iterable<UpstreamReading> {
  const routes = [
    ...snapshot.inbound.values(),
    ...Array.from(snapshot.outbound.values(), ({ fallback }) => fallback),
  ];
  for (const { name, balancer } of routes) {
    for (const { address, transport } of balancer?.endpoints ?? []) {
      yield { route: name, address, counts: transport.counts };
    }
  }
}

function countConfigs(status: ConfigStatus | null): ReturnType<LiveReadings['config']> {
  if (status === null) return { accepted: 0, rejected: 0, warnings: 0, version: '' };
  const { accepted, rejected, warnings, version } = status;
  return { accepted, rejected, warnings: warnings.length, version };
}

function summarise(identity: Identity | null): SvidSummary | null {
  if (identity === null) return null;
  const { svid, expired } = identity;
  return { id: svid.spiffeId, expiresAtMs: svid.notAfterMs, expired };
}

function reportConfigEvent(event: ConfigEvent): void {
  const { kind, ...fields } = event;
  const problems = 'problems' in event ? { problems: event.problems.map(formatProblem) } : {};
  const warnings = 'warnings' in event ? { warnings: event.warnings.map(formatProblem) } : {};
  report(`config_${kind.replaceAll('-', '_')}`, { ...fields, ...problems, ...warnings });
}

function reportIdentityEvent(event: IdentityEvent): void {
  const { kind, ...fields } = event;
  report(`identity_${kind}`, fields);
}
