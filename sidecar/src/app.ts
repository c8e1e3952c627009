/**
 * A sidecar from start to drained: config, identity, listeners, admin. main.ts wraps it in a process; tests call it directly.
 *
 * Invariants
 * - It is ready only when every listener listens and, with mTLS, a certificate is there.
 * - A config is applied as a whole or not at all; what can't change without a restart is refused before it gets here.
 * - Draining: readiness goes first, then no new connections and requests, then exchanges complete until `drainMs`.
 */
import { startAdminServer } from './admin/server.ts';
import { formatProblem } from './config/problem.ts';
import type { InboundConfig, OutboundConfig, SidecarConfig } from './config/schema.ts';
import { buildSnapshot, retireSnapshot, type Snapshot } from './config/snapshot.ts';
import { type ConfigEvent, type ConfigWatch, startConfigWatch } from './config/watch.ts';
import { systemClock } from './core/clock.ts';
import { Deadlines } from './core/deadlines.ts';
import type { Route } from './core/route.ts';
import { type Identity, type IdentityEvent, startIdentity } from './identity/identity.ts';
import { clientTlsOptions, peerSpiffeId, serverTlsOptions } from './identity/trust.ts';
import { Observability } from './observe/observability.ts';
import type { UpstreamReading } from './observe/series.ts';
import { HostRouter } from './outbound/host-router.ts';
import { Listener, type ListenerSecurity } from './protocol/http1/listener.ts';
import { report } from './report.ts';
import { TransportContext } from './transport/transport.ts';

export interface SidecarOptions {
  readonly configPath: string;
  /** Where the last good config is kept for the next start; null keeps none. */
  readonly lastGoodPath?: string | null;
}

export interface Sidecar {
  readonly adminPort: number;
  readonly inboundPorts: Readonly<Record<string, number>>;
  readonly outboundPort: number | null;
  /** Reads the config file again. */
  reload(): Promise<void>;
  /** Settles when everything is stopped. */
  drain(): Promise<void>;
}

export async function startSidecar(options: SidecarOptions): Promise<Sidecar> {
  const { configPath, lastGoodPath = null } = options;
  const context = new TransportContext(systemClock, new Deadlines(systemClock));
  const core = new SidecarCore(context);
  // The first config decides who the sidecar is and where it listens; later ones change routes only (restart-only.ts).
  const watch = await startConfigWatch({
    path: configPath,
    lastGoodPath,
    clock: systemClock,
    apply: (config) => core.apply(config),
    report: reportConfigEvent,
  });
  try {
    return await openSidecar(core, watch, configPath);
  } catch (error) {
    await watch.close();
    await core.stop();
    throw error;
  }
}

/** What lives from the first config to the end of the drain. */
class SidecarCore {
  readonly context: TransportContext;
  identity: Identity | null = null;
  private observability: Observability | null = null;
  private current: Snapshot | null = null;

  constructor(context: TransportContext) {
    this.context = context;
  }

  get snapshot(): Snapshot {
    if (this.current === null) throw new Error('the first config is not applied yet');
    return this.current;
  }

  get observed(): Observability {
    if (this.observability === null) throw new Error('the first config is not applied yet');
    return this.observability;
  }

  async apply(config: SidecarConfig): Promise<void> {
    this.observability ??= new Observability({ config, clock: systemClock, random: Math.random, report });
    if (config.identity !== null && this.identity === null) {
      const deps = { clock: systemClock, random: Math.random, report: reportIdentityEvent };
      this.identity = await startIdentity(config.identity, deps);
    }
    const { observed } = this;
    observed.setHeadSampleRatio(config.telemetry.traces?.headSampleRatio ?? 0);
    const previous = this.current;
    this.current = buildSnapshot(config, previous, {
      context: this.context,
      compileChain: (profile) => observed.buildChain(profile, () => this.identity?.svid.spiffeId ?? ''),
      clientTlsOptions: (peer) => clientTlsOptions(this.requireIdentity().svid, peer),
      poolObserver: (profile) => observed.poolObserver(profile),
    });
    if (previous !== null) retireSnapshot(previous, this.current);
  }

  requireIdentity(): Identity {
    if (this.identity === null) throw new Error('mTLS without an identity');
    return this.identity;
  }

  async stop(): Promise<void> {
    this.identity?.stop();
    for (const pool of this.current?.pools.values() ?? []) pool.close();
    await this.observability?.close(OBSERVABILITY_CLOSE_MS);
  }
}

/** How long the last spans and log lines may take to leave. */
const OBSERVABILITY_CLOSE_MS = 2_000;

async function openSidecar(core: SidecarCore, watch: ConfigWatch, configPath: string): Promise<Sidecar> {
  const { config } = watch.status();
  const { observed } = core;
  const inbound = new Map(config.inbound.map((entry) => [entry.name, inboundListener(core, entry)]));
  const outbound = config.outbound === null ? null : outboundListener(core, config.outbound);
  const listeners = outbound === null ? [...inbound.values()] : [...inbound.values(), outbound];
  core.identity?.onRotated((svid) => {
    for (const listener of listeners) listener.setCertificate(serverTlsOptions(svid));
    for (const pool of core.snapshot.pools.values()) pool.retireConnections();
  });
  observed.readLive({
    upstreams: () => upstreamsOf(core.snapshot),
    config: () => watch.status(),
    certificateExpiresMs: () => core.identity?.svid.notAfterMs ?? null,
  });

  let readiness: 'starting' | 'ready' | 'draining' = 'starting';
  let drained: Promise<void> | null = null;
  const admin = await startAdminServer(config.admin.listen, {
    configPath,
    clock: systemClock,
    readiness: () => readiness,
    configStatus: () => watch.status(),
    svid: () => summarise(core.identity),
    metrics: () => observed.metrics(),
    drain: () => void drain(),
  });

  const drain = (): Promise<void> => {
    drained ??= (async () => {
      readiness = 'draining';
      report('draining', { deadlineMs: config.timeouts.drainMs });
      const deadline = systemClock.setTimer(() => {
        for (const listener of listeners) listener.cutOff();
      }, watch.status().config.timeouts.drainMs);
      await Promise.all(listeners.map((listener) => listener.drain()));
      deadline.cancel();
      await watch.close();
      await core.stop();
      await admin.close();
      report('drained');
    })();
    return drained;
  };

  const inboundPorts: Record<string, number> = {};
  for (const [name, listener] of inbound) inboundPorts[name] = await listener.listen();
  const outboundPort = outbound === null ? null : await outbound.listen();
  readiness = 'ready';
  const reload = async (): Promise<void> => {
    observed.reopen();
    await watch.reload();
  };
  return { adminPort: admin.port, inboundPorts, outboundPort, reload, drain };
}

function inboundListener(core: SidecarCore, { name, listen, mtls }: InboundConfig): Listener {
  const route = (): Route => {
    const found = core.snapshot.inbound.get(name);
    if (found === undefined) throw new Error(`no route for listener ${name}`);
    return found;
  };
  const security: ListenerSecurity | null =
    mtls === 'off'
      ? null
      : { tlsOptions: serverTlsOptions(core.requireIdentity().svid), peerIdentity: peerSpiffeId };
  return new Listener({
    ...listen,
    context: core.context,
    observer: core.observed.listenerObserver(name),
    security,
    routeFor: route,
    fallback: route,
  });
}

function outboundListener(core: SidecarCore, { listen }: OutboundConfig): Listener {
  const router = new HostRouter(() => core.snapshot);
  return new Listener({
    ...listen,
    context: core.context,
    observer: core.observed.listenerObserver('outbound'),
    security: null,
    routeFor: (request) => router.routeFor(request),
    fallback: () => core.snapshot.unrouted,
  });
}

function* upstreamsOf(snapshot: Snapshot): Iterable<UpstreamReading> {
  const routes = [...snapshot.inbound.values(), ...snapshot.outbound.values()];
  for (const { name, balancer } of routes) {
    for (const { address, transport } of balancer?.endpoints ?? []) {
      yield { route: name, address, counts: transport.counts };
    }
  }
}

function summarise(identity: Identity | null): { id: string; expiresAtMs: number } | null {
  return identity === null ? null : { id: identity.svid.spiffeId, expiresAtMs: identity.svid.notAfterMs };
}

function reportConfigEvent(event: ConfigEvent): void {
  const { kind, ...fields } = event;
  const problems = 'problems' in event ? { problems: event.problems.map(formatProblem) } : {};
  report(`config_${kind.replaceAll('-', '_')}`, { ...fields, ...problems });
}

function reportIdentityEvent(event: IdentityEvent): void {
  const { kind, ...fields } = event;
  report(`identity_${kind}`, fields);
}
