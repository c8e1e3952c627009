/**
 * What is counted, in plain numbers, by whoever knows: filters, listeners, pools, config, identity. The exposition reads it.
 *
 * Invariants
 * - A name has one series for the life of the sidecar, so that counters go on across config snapshots.
 * - Every table is bounded; names that have no room share one overflow series.
 */
import { CONFIG_LIMITS } from '../config/values.ts';
import { Failure, type FailureKind } from '../core/failure.ts';
import type { Direction } from '../core/route.ts';
import type { ConnectionKind } from '../downstream/arrival.ts';
import { HANDSHAKE_FAILURES, type HandshakeFailure } from '../downstream/handshake-failure.ts';
import { BackendSeries } from '../filters/backend/metrics.ts';
import { BaggageSeries } from '../filters/baggage/metrics.ts';
import { ConcurrencySeries } from '../filters/concurrency/metrics.ts';
import { FaultSeries } from '../filters/fault/metrics.ts';
import { HedgeSeries } from '../filters/hedge/metrics.ts';
import { MirrorSeries } from '../filters/mirror/metrics.ts';
import { RetrySeries } from '../filters/retry/metrics.ts';
import type { UpstreamCounts } from '../upstream/endpoint.ts';
import type { EndpointGroup } from '../upstream/endpoint-group.ts';
import type { PoolObserver } from '../upstream/pool.ts';
import { ConnectionSeries } from './connection-series.ts';
import type { DataStoreProtocol } from './datastore.ts';
import { DataStoreSeries } from './datastore-series.ts';
import { GroupSeries } from './group-series.ts';
import { Histogram } from './histogram.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { RouteSeries } from './route-series.ts';
import { OVERFLOW, SeriesBudget } from './series-budget.ts';

/** Connections of one listener. */
export class ListenerSeries {
  readonly listener: string;
  /** Open now. */
  connections = 0;
  accepted = 0;
  /** Closed at once, because there were too many. */
  rejected = 0;
  /** Handshakes that succeeded, from accept. */
  readonly handshakes = new Histogram();
  readonly tlsFailures = Object.fromEntries(HANDSHAKE_FAILURES.map((reason) => [reason, 0])) as Record<
    HandshakeFailure,
    number
  >;
  /** Connections that could have proved who they are, and spoke in clear. */
  plaintext = 0;
  /** Connections by what they turned out to speak. */
  readonly recognised: Record<ConnectionKind, number> = { http1: 0, http2: 0, tcp: 0 };

  constructor(listener: string) {
    this.listener = listener;
  }

  onOpened(): void {
    this.connections++;
    this.accepted++;
  }

  onSecured(acceptMs: number): void {
    this.handshakes.observe(acceptMs);
  }

  onPlaintext(): void {
    this.plaintext++;
  }

  onClosed(): void {
    this.connections--;
  }

  onRejected(): void {
    this.rejected++;
  }

  onHandshakeFailed(reason: HandshakeFailure): void {
    this.tlsFailures[reason]++;
  }

  onRecognised(kind: ConnectionKind): void {
    this.recognised[kind]++;
  }
}

/** Connection set-up to one upstream service, or to the own service behind a listener: the observer of its pools. */
export class UpstreamSeries implements PoolObserver {
  readonly upstream: string;
  connectFailures = 0;
  tlsHandshakes = 0;
  tlsFailures = 0;
  /** Set-up of connections that succeeded, TLS included. */
  readonly connectDuration = new Histogram();

  constructor(upstream: string) {
    this.upstream = upstream;
  }

  onConnected(setupMs: number, secure: boolean): void {
    this.connectDuration.observe(setupMs);
    if (secure) this.tlsHandshakes++;
  }

  onConnectFailed(failure: FailureKind): void {
    this.connectFailures++;
    if (failure === Failure.tlsFailed) this.tlsFailures++;
  }
}

/** The pools of one endpoint as they are now. */
export interface UpstreamReading {
  readonly route: string;
  readonly address: string;
  readonly counts: UpstreamCounts;
}

/** What others know and the exposition reads when it is asked; set once by app.ts. */
export interface LiveReadings {
  upstreams(): Iterable<UpstreamReading>;
  /** The endpoints of each service. */
  groups(): Iterable<EndpointGroup>;
  monotonicMs(): number;
  config(): {
    readonly accepted: number;
    readonly rejected: number;
    readonly warnings: number;
    readonly version: string;
  };
  /** Null without one. */
  identity(): IdentityReading | null;
}

/** Times in milliseconds since the Unix epoch. */
export interface IdentityReading {
  /** Since when the certificate is valid. */
  readonly certificateIssuedMs: number;
  readonly certificateExpiresMs: number;
  /** It is past its end and nothing has replaced it. */
  readonly certificateExpired: boolean;
  /** Of the roots that are trusted, the first to end. */
  readonly rootExpiresMs: number;
  /** When what is trusted was had from the authority the last time; null where it comes another way. */
  readonly trustRefreshedMs: number | null;
}

export class Series {
  live: LiveReadings | null = null;
  readonly routes = new Map<string, RouteSeries>();
  readonly listeners = new Map<string, ListenerSeries>();
  readonly upstreams = new Map<string, UpstreamSeries>();
  readonly groups = new Map<string, GroupSeries>();
  readonly connections = new Map<string, ConnectionSeries>();
  readonly dataStores = new Map<string, DataStoreSeries>();
  readonly baggage = { inbound: new BaggageSeries(), outbound: new BaggageSeries() };
  readonly faults = new Map<string, FaultSeries>();
  readonly backends = new Map<string, BackendSeries>();
  readonly mirrors = new Map<string, MirrorSeries>();
  readonly retries = new Map<string, RetrySeries>();
  readonly hedges = new Map<string, HedgeSeries>();
  readonly concurrency = new Map<string, ConcurrencySeries>();
  /** Of all that traffic tells apart. */
  readonly budget: SeriesBudget;
  private readonly peerBudget = new SeriesBudget(OBSERVE_LIMITS.metricPeerSeries);

  constructor(maxTrafficSeries: number = CONFIG_LIMITS.trafficSeries) {
    this.budget = new SeriesBudget(maxTrafficSeries);
  }

  /** `rule` is that of an HTTPRoute or GRPCRoute; empty without one. */
  route(direction: Direction, name: string, rule = ''): RouteSeries {
    return bind(
      this.routes,
      `${direction} ${name} ${rule}`,
      `${direction} ${OVERFLOW} `,
      OBSERVE_LIMITS.metricRoutes,
      (key) => {
        const [, route = '', rule = ''] = key.split(' ');
        return new RouteSeries(direction, route, rule, this.budget, this.peerBudget);
      },
    );
  }

  backend(route: string, rule: string): BackendSeries {
    return bind(
      this.backends,
      `${route} ${rule}`,
      `${OVERFLOW} ${OVERFLOW}`,
      OBSERVE_LIMITS.metricRoutes,
      (key) => {
        const [route = '', rule = ''] = key.split(' ');
        return new BackendSeries(route, rule);
      },
    );
  }

  mirror(route: string, rule: string, backend: string): MirrorSeries {
    return bind(
      this.mirrors,
      `${route} ${rule} ${backend}`,
      `${OVERFLOW} ${OVERFLOW} ${OVERFLOW}`,
      OBSERVE_LIMITS.metricRoutes,
      (key) => {
        const [route = '', rule = '', backend = ''] = key.split(' ');
        return new MirrorSeries(route, rule, backend);
      },
    );
  }

  connection(direction: Direction, name: string): ConnectionSeries {
    return bind(
      this.connections,
      `${direction} ${name}`,
      `${direction} ${OVERFLOW}`,
      OBSERVE_LIMITS.metricConnectionSeries,
      (key) => new ConnectionSeries(direction, key.slice(direction.length + 1)),
    );
  }

  dataStore(protocol: DataStoreProtocol, name: string): DataStoreSeries {
    return bind(
      this.dataStores,
      `${protocol} ${name}`,
      `${protocol} ${OVERFLOW}`,
      OBSERVE_LIMITS.metricDataStores,
      (key) => new DataStoreSeries(protocol, key.slice(protocol.length + 1), this.budget),
    );
  }

  fault(direction: Direction, name: string): FaultSeries {
    return bind(
      this.faults,
      `${direction} ${name}`,
      `${direction} ${OVERFLOW}`,
      OBSERVE_LIMITS.metricRoutes,
      (key) => new FaultSeries(direction, key.slice(direction.length + 1)),
    );
  }

  retry(direction: Direction, name: string): RetrySeries {
    return bind(
      this.retries,
      `${direction} ${name}`,
      `${direction} ${OVERFLOW}`,
      OBSERVE_LIMITS.metricRoutes,
      (key) => new RetrySeries(direction, key.slice(direction.length + 1)),
    );
  }

  hedge(direction: Direction, name: string): HedgeSeries {
    return bind(
      this.hedges,
      `${direction} ${name}`,
      `${direction} ${OVERFLOW}`,
      OBSERVE_LIMITS.metricRoutes,
      (key) => new HedgeSeries(direction, key.slice(direction.length + 1)),
    );
  }

  concurrencyOf(direction: Direction, name: string): ConcurrencySeries {
    return bind(
      this.concurrency,
      `${direction} ${name}`,
      `${direction} ${OVERFLOW}`,
      OBSERVE_LIMITS.metricRoutes,
      (key) => new ConcurrencySeries(direction, key.slice(direction.length + 1)),
    );
  }

  listener(name: string): ListenerSeries {
    const { metricConnectionSeries } = OBSERVE_LIMITS;
    return bind(this.listeners, name, OVERFLOW, metricConnectionSeries, (key) => new ListenerSeries(key));
  }

  upstream(name: string): UpstreamSeries {
    const { metricConnectionSeries } = OBSERVE_LIMITS;
    return bind(this.upstreams, name, OVERFLOW, metricConnectionSeries, (key) => new UpstreamSeries(key));
  }

  group(name: string): GroupSeries {
    const { metricConnectionSeries } = OBSERVE_LIMITS;
    return bind(this.groups, name, OVERFLOW, metricConnectionSeries, (key) => new GroupSeries(key));
  }
}

function bind<S>(
  table: Map<string, S>,
  wanted: string,
  overflow: string,
  limit: number,
  create: (key: string) => S,
): S {
  // Overflow series come on top, so that there is always room for them.
  const key = table.has(wanted) || table.size < limit ? wanted : overflow;
  let series = table.get(key);
  if (series === undefined) {
    series = create(key);
    table.set(key, series);
  }
  return series;
}
