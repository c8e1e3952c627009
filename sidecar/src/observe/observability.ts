/**
 * The telemetry of one sidecar: owns series, span ring, exporter and access log, and gives each part of the data path what it feeds.
 *
 * Invariants: where telemetry goes is fixed at start; nothing here can fail or delay a request.
 */
import type { HeadersConfig, SidecarConfig } from '../config/schema.ts';
import type { RouteProfile } from '../config/snapshot.ts';
import { type Chain, compileChain } from '../core/chain.ts';
import type { Clock } from '../core/clock.ts';
import type { ListenerObserver } from '../downstream/listener.ts';
import type { AccessReadings } from '../filters/access/metrics.ts';
import { AuditLog } from '../filters/audit/audit-log.ts';
import { OutboundBaggageFilter } from '../filters/baggage/baggage.ts';
import type { BaggageConfig } from '../filters/baggage/config.ts';
import type { ConcurrencyFilter } from '../filters/concurrency/concurrency.ts';
import type { ConcurrencySeries } from '../filters/concurrency/metrics.ts';
import type { HedgeSeries } from '../filters/hedge/metrics.ts';
import { buildFilters } from '../filters/index.ts';
import type { JwtPolicies } from '../filters/jwt/jwt-policies.ts';
import { Linkage } from '../filters/linkage/linkage.ts';
import type { MirrorSeries } from '../filters/mirror/metrics.ts';
import { MirrorOutcomeFilter } from '../filters/mirror/outcome.ts';
import type { RateLimits } from '../filters/rate-limit/rate-limits.ts';
import type { RetrySeries } from '../filters/retry/metrics.ts';
import type { ServerTimingAudience } from '../filters/server-timing/config.ts';
import { TraceFilter } from '../filters/trace/trace.ts';
import type { WafControl } from '../filters/waf/waf-control.ts';
import type { Protocol } from '../protocol/protocol.ts';
import type { ConnectionObserver } from '../protocol/tcp/tcp-route.ts';
import type { GroupObserver } from '../upstream/endpoint-group.ts';
import type { PoolObserver } from '../upstream/pool.ts';
import { AccessLog, lineOrigin } from './access-log.ts';
import { ConnectionWatch } from './connection-watch.ts';
import { type DataStoreObserver, isDataStore } from './datastore.ts';
import { DataStoreWatch } from './datastore-watch.ts';
import { createRegistry } from './exposition.ts';
import { GroupWatch } from './group-watch.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { LinePlaces } from './line-writer.ts';
import { ListenerWatch } from './listener-watch.ts';
import type { OwnResource } from './own-span.ts';
import { RandomWords } from './random-words.ts';
import { Budget } from './retention/budget.ts';
import type { TraceKeeping } from './retention/trace-keeping.ts';
import { type Scrape, Scrapes } from './scrapes.ts';
import { type LiveReadings, Series } from './series.ts';
import { Taps } from './tap/taps.ts';
import { Tracing } from './tracing.ts';

export interface ObservabilityOptions {
  readonly config: Pick<SidecarConfig, 'name' | 'namespace' | 'service' | 'headers' | 'telemetry'>;
  readonly clock: Clock;
  readonly rateLimits: RateLimits;
  readonly access: AccessReadings;
  readonly jwt: JwtPolicies;
  readonly waf: WafControl;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly report: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

export class Observability {
  private readonly service: string;
  private readonly clock: Clock;
  private readonly report: ObservabilityOptions['report'];
  private readonly rateLimits: RateLimits;
  private readonly jwt: JwtPolicies;
  private readonly waf: WafControl;
  private readonly random: RandomWords;
  private readonly series: Series;
  /** By the series that they count in, so that a route keeps its limit across configs. */
  private readonly gates = new Map<ConcurrencySeries, ConcurrencyFilter>();
  readonly tracing: Tracing | null;
  private readonly linkage: Linkage | null;
  private readonly places: LinePlaces;
  private readonly accessLog: AccessLog | null;
  private readonly audit: AuditLog;
  /** Null without an access log, whose lines they show. */
  readonly taps: Taps | null;
  private readonly scrapes: Scrapes;
  private readonly keptCommands = new Budget(OBSERVE_LIMITS.keptCommandsPerSecond);
  private headers: HeadersConfig;
  private headSampleRatio: number;
  private baggage: BaggageConfig;
  private serverTiming: ServerTimingAudience;

  constructor({ config, clock, rateLimits, access, jwt, waf, random, report }: ObservabilityOptions) {
    const { traces, accessLog, audit } = config.telemetry;
    this.service = config.service;
    this.headers = config.headers;
    this.headSampleRatio = traces?.headSampleRatio ?? 0;
    this.baggage = config.telemetry.baggage;
    this.serverTiming = config.telemetry.serverTiming;
    this.clock = clock;
    this.report = report;
    this.rateLimits = rateLimits;
    this.jwt = jwt;
    this.waf = waf;
    this.series = new Series(config.telemetry.metrics.maxTrafficSeries);
    this.random = new RandomWords(random);
    this.tracing =
      traces === null
        ? null
        : new Tracing(traces, resourceOf(config), { clock, random, words: this.random, report });
    this.linkage = traces === null ? null : new Linkage(() => this.random.next());
    this.places = new LinePlaces({ clock, report });
    this.accessLog =
      accessLog.kind === 'off'
        ? null
        : new AccessLog(this.places.at(accessLog.kind === 'file' ? accessLog.path : null).addSource(), clock);
    this.audit = new AuditLog(audit.decisions, this.places.at(audit.path).addSource(), clock);
    this.taps = this.accessLog === null ? null : new Taps(this.accessLog.lines, clock);
    const registry = createRegistry(config.service, {
      series: this.series,
      tracing: this.tracing,
      linkage: this.linkage,
      accessLog: this.accessLog?.lines ?? null,
      audit: this.audit.lines,
      rateLimits,
      access,
      jwt,
      waf,
    });
    this.scrapes = new Scrapes(registry, { service_name: config.service });
  }

  /** For chains built from now on. */
  follow({ headers, telemetry }: Pick<SidecarConfig, 'headers' | 'telemetry'>): void {
    this.headers = headers;
    this.headSampleRatio = telemetry.traces?.headSampleRatio ?? 0;
    this.baggage = telemetry.baggage;
    this.serverTiming = telemetry.serverTiming;
    this.series.budget.limit = telemetry.metrics.maxTrafficSeries;
    this.audit.decisions = telemetry.audit.decisions;
    this.scrapes.nativeHistograms = telemetry.metrics.nativeHistograms;
    if (telemetry.traces !== null) this.tracing?.keeping.retention.follow(telemetry.traces);
  }

  private get keeping(): TraceKeeping | null {
    return this.tracing?.keeping ?? null;
  }

  readLive(live: LiveReadings): void {
    this.series.live = live;
  }

  buildChain(profile: RouteProfile, ownIdentity: () => string): Chain {
    const { random, series, keeping, headers, headSampleRatio, baggage, serverTiming } = this;
    const { linkage, accessLog, audit, rateLimits, jwt, waf, gates } = this;
    return compileChain(
      buildFilters(profile, {
        ...{ random, series, keeping, headers, headSampleRatio, baggage, serverTiming },
        ...{ linkage, accessLog, audit, rateLimits, jwt, waf, gates },
        ownIdentity,
      }),
    );
  }

  /** For copies of requests to `profile`, which nobody waits for. */
  buildMirrorChain({ direction, name, upstreamIdentity }: RouteProfile, series: MirrorSeries): Chain {
    const { random, keeping, headSampleRatio, baggage } = this;
    const origin = keeping?.ring.addOrigin({ direction, route: name, rule: 'mirror' }) ?? 0;
    return compileChain([
      new TraceFilter(true, random, headSampleRatio, keeping, origin),
      new OutboundBaggageFilter(upstreamIdentity, baggage.toStrangers, this.series.baggage.outbound),
      new MirrorOutcomeFilter(series),
    ]);
  }

  mirrorSeries(route: string, rule: string, backend: string): MirrorSeries {
    return this.series.mirror(route, rule, backend);
  }

  retrySeries({ direction, name }: RouteProfile): RetrySeries {
    return this.series.retry(direction, name);
  }

  hedgeSeries({ direction, name }: RouteProfile): HedgeSeries {
    return this.series.hedge(direction, name);
  }

  poolObserver({ name }: RouteProfile): PoolObserver {
    return this.series.upstream(name);
  }

  groupObserver({ name }: RouteProfile): GroupObserver {
    return new GroupWatch(this.series.group(name), this.report);
  }

  connectionObserver(profile: RouteProfile): ConnectionObserver {
    const { random, series, keeping, headSampleRatio, accessLog, audit } = this;
    const { direction, name: route } = profile;
    return new ConnectionWatch({
      series: series.connection(direction, route),
      ring: keeping?.ring ?? null,
      retention: keeping?.retention ?? null,
      ringOrigin: keeping?.ring.addOrigin({ direction, route }) ?? 0,
      accessLog,
      audit,
      logOrigin: lineOrigin(profile),
      random,
      headSampleRatio,
    });
  }

  /** For commands to a data store; null for connections that carry none which are understood. */
  dataStoreObserver({ direction, name: route }: RouteProfile, protocol: Protocol): DataStoreObserver | null {
    if (direction === 'inbound' || !isDataStore(protocol)) return null;
    const { random, series, keeping, headSampleRatio, keptCommands: budget } = this;
    return new DataStoreWatch({
      series: series.dataStore(protocol, route),
      ring: keeping?.ring ?? null,
      ringOrigin: keeping?.ring.addOrigin({ direction, route }) ?? 0,
      random,
      headSampleRatio,
      budget,
    });
  }

  listenerObserver(name: string): ListenerObserver {
    const { accessLog, audit, service } = this;
    const origin = lineOrigin({ direction: 'inbound', service, name });
    return new ListenerWatch(this.series.listener(name), accessLog, audit, origin);
  }

  /** `accept` is what the scraper takes; null when too many scrapes wait. */
  scrape(accept: string): Scrape | null {
    return this.scrapes.begin(accept);
  }

  /** Logs go on in new files, for log rotation. */
  reopen(): void {
    this.places.reopen();
  }

  /** Exports and writes what waits, for at most `timeoutMs`. */
  async close(timeoutMs: number): Promise<void> {
    this.taps?.close();
    const flushed = Promise.all([this.tracing?.flush(timeoutMs), this.places.close()]);
    const deadline = new Promise<void>((resolve) => {
      const timer = this.clock.setTimer(resolve, timeoutMs);
      void flushed.then(() => {
        timer.cancel();
        resolve();
      });
    });
    await deadline;
    this.tracing?.close();
  }
}

function resourceOf({ name, namespace, service }: ObservabilityOptions['config']): OwnResource {
  return {
    'service.name': service,
    'service.namespace': namespace,
    'service.instance.id': name,
    'tulle.component': 'sidecar',
  };
}
