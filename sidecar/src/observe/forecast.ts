/**
 * How many series a sidecar can make at most with a config, before it runs: each sample of a scrape is one.
 *
 * A family has as many as there are names in the config for some of its labels, times the values of the others, which are closed lists; only what requests
 * and commands bring is bounded by `spec.telemetry.metrics.maxTrafficSeries` instead. After reloads series of former configs come on top.
 */
import type { SidecarConfig } from '../config/schema.ts';
import { FAILURES } from '../core/failure.ts';
import { HANDSHAKE_FAILURES } from '../downstream/handshake-failure.ts';
import * as concurrency from '../filters/concurrency/metrics.ts';
import * as fault from '../filters/fault/metrics.ts';
import * as hedge from '../filters/hedge/metrics.ts';
import * as retry from '../filters/retry/metrics.ts';
import { WAF_HITS } from '../filters/waf/metrics.ts';
import { RULES } from '../filters/waf/rules.ts';
import { HANDLING } from '../protocol/protocol.ts';
import { orderMatches } from '../routing/route-order.ts';
import { SIDECAR_METRICS } from './catalogue.ts';
import { isDataStore } from './datastore.ts';
import { DB_CLIENT_OPERATION_DURATION, MESSAGING_CLIENT_OPERATION_DURATION } from './datastore-exposition.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { declarationsOf, type MetricDeclaration, samplesOfOne } from './metric.ts';
import { STATUS_CLASSES } from './peer-series.ts';
import { PHASES } from './phases.ts';
import * as requests from './request-exposition.ts';

export interface FamilyForecast {
  readonly name: string;
  readonly series: number;
  /** What makes them as many. */
  readonly basis: string;
}

export interface Forecast {
  /** Most series first. What traffic makes stands here as if there were no limit. */
  readonly families: readonly FamilyForecast[];
  /** By what the config names, and by peers. */
  readonly named: number;
  /** By what traffic brings, without the limit and with it. */
  readonly traffic: number;
  readonly limitedTraffic: number;
}

export function forecastSeries(config: SidecarConfig): Forecast {
  const names = countNames(config);
  const scopes = scopesOf(names);
  const absent = absentIn(config);
  const brought = trafficFamilies(names);
  const ofTraffic = new Set(brought.map(({ name }) => name));
  const named = SIDECAR_METRICS.filter((each) => !ofTraffic.has(each.name) && !absent.has(each)).map((each) =>
    forecastNamed(each, scopes),
  );
  // Requests and calls of a route share what it may have, and each has an overflow series on top.
  const { metricCombinationsPerRoute, metricCombinationsPerStore } = OBSERVE_LIMITS;
  const [ofRequest, ofCommand] = [requests.HTTP_SERVER_REQUEST_DURATION, DB_CLIENT_OPERATION_DURATION].map(
    samplesOfOne,
  ) as [number, number];
  const told =
    names.routes * metricCombinationsPerRoute * ofRequest +
    names.stores * metricCombinationsPerStore * ofCommand;
  const overflow = names.routes * 2 * ofRequest + names.stores * ofCommand;
  return {
    families: [...named, ...brought].filter(({ series }) => series > 0).sort((a, b) => b.series - a.series),
    named: total(named, ({ series }) => series),
    traffic: told + overflow,
    limitedTraffic: Math.min(told, config.telemetry.metrics.maxTrafficSeries) + overflow,
  };
}

/** How many there are of what labels name. */
type Names = ReturnType<typeof countNames>;

function countNames({ inbound, outbound, routes, policies }: SidecarConfig) {
  const services = outbound?.services ?? [];
  const http = services.filter(({ protocol }) => HANDLING[protocol] !== 'tcp');
  const matches = http.map((service) => orderMatches(routes, service));
  const rules = matches.map((of) => new Set(of.map(({ rule }) => rule)));
  const { metricPeers, metricPeerSeries } = OBSERVE_LIMITS;
  const stores = services.filter(({ protocol }) => isDataStore(protocol));
  const brokers = stores.filter(({ protocol }) => protocol === 'kafka').length;
  // `unrouted` and `passthrough` are routes, too, and for connections `unrouted` is one each way.
  const all = inbound.length + http.length + total(rules, ({ size }) => size) + 2;
  return {
    inbound: inbound.length,
    outbound: http.length + total(rules, ({ size }) => size) + 2,
    routes: all,
    // Of each route, one more for those without room.
    peers: Math.min(all * metricPeers, metricPeerSeries) + all,
    services: inbound.length + services.length + 3,
    endpoints: inbound.length + total(http, ({ endpoints }) => endpoints.length),
    listeners: inbound.length + services.length + 3,
    stores: stores.length,
    brokers,
    databases: stores.length - brokers,
    backends: total(rules, (of) =>
      total([...of], ({ backends, mirrors }) => backends.length + mirrors.length),
    ),
    policies: policies.access.length + policies.jwt.length + policies.waf.length,
    accessRules: total(policies.access, ({ spec }) => spec.rules.length + 1) + 1,
    wafRules: policies.waf.length * RULES.length,
    issuers: total(policies.jwt, ({ spec }) => spec.issuers.length),
    limits: total(policies.rateLimit, ({ spec }) => spec.limits.length),
    limitStores: policies.rateLimit.length,
  };
}

interface Scope {
  /** Of one family; without it of all. */
  readonly of?: MetricDeclaration;
  /** Labels that together name one of these. */
  readonly labels: readonly string[];
  readonly count: number;
  readonly basis: string;
}

/** The first that a family has all labels of is its own. */
function scopesOf(names: Names): readonly Scope[] {
  return [
    { labels: ['upstream', 'endpoint'], count: names.endpoints, basis: 'endpoints' },
    { labels: ['direction', 'route', 'rule', 'peer'], count: names.peers, basis: 'peers of routes' },
    { labels: ['route', 'rule', 'backend'], count: names.backends, basis: 'backends of rules' },
    { labels: ['direction', 'route', 'rule'], count: names.routes, basis: 'routes' },
    { labels: ['direction', 'route'], count: names.services + names.routes, basis: 'routes' },
    { labels: ['protocol', 'upstream'], count: names.stores, basis: 'data stores' },
    { labels: ['upstream'], count: names.services, basis: 'services' },
    { labels: ['listener'], count: names.listeners, basis: 'listeners' },
    { labels: ['policy', 'limit'], count: names.limits, basis: 'limits' },
    { labels: ['policy', 'issuer'], count: names.issuers, basis: 'issuers' },
    { of: WAF_HITS, labels: ['policy', 'rule'], count: names.wafRules, basis: 'rules of the WAF' },
    { labels: ['policy', 'rule'], count: names.accessRules, basis: 'rules of access' },
    { labels: ['policy'], count: names.policies, basis: 'policies' },
    { labels: ['store'], count: names.limitStores, basis: 'stores' },
    { labels: [], count: 1, basis: '' },
  ];
}

/** Values of labels that are closed lists, and of lists whose length nobody counts: at most. */
const VALUES: Readonly<Record<string, number>> = {
  failure: FAILURES.length,
  phase: PHASES.length,
  status_class: STATUS_CLASSES.length,
  mode: 2,
  direction: 2,
  action: 3,
  decision: 3,
  result: 8,
  cause: 8,
  source: 4,
};
const VALUES_OF_OTHERS = Math.max(16, HANDSHAKE_FAILURES.length);

function forecastNamed(declaration: MetricDeclaration, scopes: readonly Scope[]): FamilyForecast {
  const { name, labels } = declaration;
  const scope = scopes.find(
    ({ of = declaration, labels: own }) => of === declaration && own.every((label) => labels.includes(label)),
  ) as Scope;
  const closed = labels.filter((label) => !scope.labels.includes(label));
  const values = closed.map((label) => valuesOf(declaration, label)).reduce((a, b) => a * b, 1);
  const series = scope.count * values * samplesOfOne(declaration);
  return { name, series, basis: [basisOf(scope), by(closed)].filter((part) => part !== '').join(', ') };
}

function valuesOf({ labels }: MetricDeclaration, label: string): number {
  // Of a failure the source is known.
  if (label === 'source' && labels.includes('failure')) return 1;
  return VALUES[label] ?? VALUES_OF_OTHERS;
}

function by(labels: readonly string[]): string {
  return labels.length === 0 ? '' : `by ${labels.join(' and ')}`;
}

function basisOf({ basis, count }: Scope): string {
  return basis === '' ? '' : `${basis}: ${count}`;
}

/** Without a limit for all of them. */
function trafficFamilies(names: Names): FamilyForecast[] {
  const { metricCombinationsPerRoute, metricCombinationsPerStore } = OBSERVE_LIMITS;
  const family = (
    declaration: MetricDeclaration,
    count: number,
    what: string,
    combinations: number,
    of: string,
  ) => ({
    name: declaration.name,
    series: count * (combinations + 1) * samplesOfOne(declaration),
    basis: `${what}: ${count}, each up to ${combinations} combinations of ${of}`,
  });
  const ofRoutes = (declaration: MetricDeclaration, routes: number, of: string) =>
    family(declaration, routes, 'routes', metricCombinationsPerRoute, of);
  const ofStores = (declaration: MetricDeclaration, stores: number) =>
    family(declaration, stores, 'data stores', metricCombinationsPerStore, 'operation, target and outcome');
  return [
    ofRoutes(requests.HTTP_SERVER_REQUEST_DURATION, names.inbound, 'method, status, failure and peer'),
    ofRoutes(requests.HTTP_CLIENT_REQUEST_DURATION, names.outbound, 'method, status, failure and peer'),
    ofRoutes(requests.RPC_SERVER_CALL_DURATION, names.inbound, 'gRPC method and status'),
    ofRoutes(requests.RPC_CLIENT_CALL_DURATION, names.outbound, 'gRPC method and status'),
    ofStores(DB_CLIENT_OPERATION_DURATION, names.databases),
    ofStores(MESSAGING_CLIENT_OPERATION_DURATION, names.brokers),
  ];
}

/** Families that no policy asks for. */
function absentIn({ policies }: SidecarConfig): ReadonlySet<MetricDeclaration> {
  const specs = policies.traffic.map(({ spec }) => spec);
  return new Set([
    ...(specs.some((spec) => spec.retry) ? [] : declarationsOf(retry)),
    ...(specs.some((spec) => spec.hedge) ? [] : declarationsOf(hedge)),
    ...(specs.some((spec) => spec.concurrency) ? [] : declarationsOf(concurrency)),
    ...(policies.fault.length > 0 ? [] : declarationsOf(fault)),
  ]);
}

function total<T>(all: readonly T[], count: (each: T) => number): number {
  return all.reduce((sum, each) => sum + count(each), 0);
}
