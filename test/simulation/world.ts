// A caller's sidecar and its services on virtual time: config, routes, filters, balancers and policies are the real ones; connections, services
// and callers are models. What a scenario tries is a TrafficPolicy in YAML's shape, so whatever a policy can say can be simulated.
import { parseConfig } from '../../sidecar/src/config/load.ts';
import { activateSnapshot, buildSnapshot, type Snapshot } from '../../sidecar/src/config/snapshot.ts';
import { begin, onDownstreamGone } from '../../sidecar/src/core/course.ts';
import { Deadlines } from '../../sidecar/src/core/deadlines.ts';
import { type DownstreamStream, Exchange } from '../../sidecar/src/core/exchange.ts';
import { Failure } from '../../sidecar/src/core/failure.ts';
import { AccessControl } from '../../sidecar/src/filters/access/access-control.ts';
import { JwtPolicies } from '../../sidecar/src/filters/jwt/jwt-policies.ts';
import { RateLimits } from '../../sidecar/src/filters/rate-limit/rate-limits.ts';
import { WafControl } from '../../sidecar/src/filters/waf/waf-control.ts';
import { Observability } from '../../sidecar/src/observe/observability.ts';
import { RandomWords } from '../../sidecar/src/observe/random-words.ts';
import { RequestHead } from '../../sidecar/src/protocol/head.ts';
import { scanRequestHead } from '../../sidecar/src/protocol/http1/request-head.ts';
import type { RouteTable } from '../../sidecar/src/routing/route-table.ts';
import { TransportContext } from '../../sidecar/src/transport/transport.ts';
import { CheckSlots } from '../../sidecar/src/upstream/health/check-slots.ts';
import { seededRandom } from '../seeded-random.ts';
import { type EndpointModel, SimulatedEndpoint } from './simulated-endpoint.ts';
import { VirtualClock } from './virtual-clock.ts';

export interface ServiceModel {
  readonly name: string;
  readonly endpoints: readonly EndpointModel[];
  /** The spec of a TrafficPolicy; null for none. */
  readonly policy: object | null;
}

export interface Outcome {
  readonly succeeded: boolean;
  readonly latencyMs: number;
}

const CONNECT_PORT = 8080;

export class World {
  readonly random: () => number;
  private readonly clock = new VirtualClock();
  private readonly context = new TransportContext(this.clock, new Deadlines(this.clock));
  private readonly snapshot: Snapshot;
  private readonly endpoints = new Map<string, SimulatedEndpoint[]>();
  /** Of calls that are over, for others: a simulation makes hundreds of thousands. */
  private readonly heads: RequestHead[] = [];
  private readonly byHost = new Map<string, SimulatedEndpoint>();

  constructor(services: readonly ServiceModel[], seed: number) {
    this.random = seededRandom(seed);
    this.snapshot = this.build(services);
  }

  get nowMs(): number {
    return this.clock.monotonicMs();
  }

  endpointsOf(service: string): readonly SimulatedEndpoint[] {
    return this.endpoints.get(service) ?? [];
  }

  after(delayMs: number, action: () => void): void {
    this.context.after(delayMs, action);
  }

  at(timeMs: number, action: () => void): void {
    this.after(timeMs - this.nowMs, action);
  }

  runUntil(timeMs: number): void {
    this.clock.runUntil(timeMs);
  }

  /** A caller that gives up after `patienceMs`. */
  ask(service: string, patienceMs: number, done: (outcome: Outcome) => void): void {
    const table = this.snapshot.outbound.get(service);
    if (table === undefined) throw new Error(`no service ${service}`);
    new Call(this.context, table, this.heads, patienceMs, done).begin();
  }

  private build(services: readonly ServiceModel[]): Snapshot {
    const { context, clock, random } = this;
    const loaded = parseConfig([{ file: 'simulation.yaml', text: configText(services) }], '/');
    if (!loaded.ok)
      throw new Error(loaded.problems.map(({ path, message }) => `${path} ${message}`).join('\n'));
    const { config } = loaded;
    const rateLimits = new RateLimits({ clock, random, report: () => {} });
    const access = new AccessControl();
    const jwt = new JwtPolicies({ clock, random, report: () => {} });
    const waf = new WafControl(() => {});
    const observability = new Observability({
      ...{ config, clock, rateLimits, access, jwt, waf, random },
      report: () => {},
    });
    const models = new Map(
      services.flatMap(({ name, endpoints }, i) =>
        endpoints.map((model, nth) => [addressOf(i, nth), { name, model }] as const),
      ),
    );
    const snapshot = buildSnapshot(config, null, {
      context,
      random: new RandomWords(random),
      checkSlots: new CheckSlots(),
      // One for each address, also when health checks have connections of their own.
      openTransport: ({ host }, _protocol, { upstreamMs }) => {
        const known = this.byHost.get(host);
        if (known !== undefined) return known;
        const { name, model } = models.get(host) as { name: string; model: EndpointModel };
        const endpoint = new SimulatedEndpoint(context, random, upstreamMs, model);
        this.byHost.set(host, endpoint);
        this.endpoints.set(name, [...this.endpointsOf(name), endpoint]);
        return endpoint;
      },
      compileChain: (profile) => observability.buildChain(profile, () => ''),
      compileMirrorChain: (profile, series) => observability.buildMirrorChain(profile, series),
      mirrorSeries: (route, rule, backend) => observability.mirrorSeries(route, rule, backend),
      clientTlsOptions: () => ({}),
      poolObserver: (profile) => observability.poolObserver(profile),
      groupObserver: (profile) => observability.groupObserver(profile),
      retrySeries: (profile) => observability.retrySeries(profile),
      hedgeSeries: (profile) => observability.hedgeSeries(profile),
      connectionObserver: (profile) => observability.connectionObserver(profile),
      dataStoreObserver: (profile, protocol) => observability.dataStoreObserver(profile, protocol),
      compileAccess: (policy, scope) => access.compile(policy, scope),
    });
    activateSnapshot(snapshot, null);
    return snapshot;
  }
}

function configText(services: readonly ServiceModel[]): string {
  const sidecar = {
    apiVersion: 'mesh.tulle.dev/v1alpha1',
    kind: 'Sidecar',
    metadata: { name: 'simulated' },
    spec: {
      service: 'caller',
      telemetry: { accessLog: 'off' },
      outbound: {
        listen: '127.0.0.1:0',
        services: services.map(({ name, endpoints }, i) => ({
          host: name,
          mtls: 'off',
          endpoints: endpoints.map((_, nth) => `${addressOf(i, nth)}:${CONNECT_PORT}`),
        })),
      },
    },
  };
  const policies = services.flatMap(({ name, policy }) =>
    policy === null
      ? []
      : {
          apiVersion: 'mesh.tulle.dev/v1alpha1',
          kind: 'TrafficPolicy',
          metadata: { name },
          spec: { targetRefs: [{ kind: 'Service', name }], ...policy },
        },
  );
  return [sidecar, ...policies].map((document) => JSON.stringify(document)).join('\n---\n');
}

function addressOf(service: number, nth: number): string {
  return `10.0.${service}.${nth + 1}`;
}

/** One request of a caller. */
class Call implements DownstreamStream {
  readonly congested = false;
  readonly takesTrailers = false;
  private readonly context: TransportContext;
  private readonly exchange: Exchange;
  private readonly heads: RequestHead[];
  private readonly done: (outcome: Outcome) => void;
  private readonly patience: { cancel(): void };

  constructor(
    context: TransportContext,
    table: RouteTable,
    heads: RequestHead[],
    patienceMs: number,
    done: (outcome: Outcome) => void,
  ) {
    this.context = context;
    this.done = done;
    this.heads = heads;
    const request = heads.pop() ?? new RequestHead();
    request.reset();
    scanRequestHead(request, REQUEST, 0, REQUEST.length);
    this.exchange = new Exchange(
      table.routeFor(request),
      this,
      request,
      context,
      '',
      '127.0.0.1',
      context.nowMs,
    );
    this.exchange.requestComplete = true;
    this.patience = context.after(patienceMs, () => this.giveUp());
  }

  begin(): void {
    begin(this.exchange);
  }

  sendInterim(): void {}

  sendResponseHead(): void {}

  sendResponseBody(): void {}

  endResponse(): void {}

  abortResponse(): void {}

  pauseRequest(): void {}

  resumeRequest(): void {}

  release(): void {
    this.patience.cancel();
    this.heads.push(this.exchange.request);
    const { status, failure, startedMs, endedMs } = this.exchange;
    const succeeded = failure === Failure.none && status === 200;
    // What follows is another request, not part of this one.
    this.context.after(0, () => this.done({ succeeded, latencyMs: endedMs - startedMs }));
  }

  private giveUp(): void {
    onDownstreamGone(this.exchange, Failure.downstreamAborted);
  }
}

const REQUEST = Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n', 'latin1');
