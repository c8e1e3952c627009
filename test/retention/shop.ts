// Five services behind sidecars, with a control plane, whose requests all make nine spans:
// gateway -> orders -> (inventory, pricing -> rates), and one of each service's own, which goes to its sidecar. `x-trouble` says what goes wrong.
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Context,
  defaultTextMapGetter,
  defaultTextMapSetter,
  ROOT_CONTEXT,
  trace,
} from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Authority } from '../../mesh/ca/authority.ts';
import { type ControlServer, startControlServer } from '../../mesh/control/server.ts';
import { TraceQuestions } from '../../mesh/control/trace-questions.ts';
import { TraceSharing } from '../../mesh/control/trace-sharing.ts';
import { type Sidecar, startSidecar } from '../../sidecar/src/app.ts';
import { systemClock } from '../../sidecar/src/core/clock.ts';
import { RandomWords } from '../../sidecar/src/observe/random-words.ts';
import {
  createFolder,
  type Folder,
  openAuthority,
  sidecarConfig,
  spiffeId,
  writeIdentity,
} from '../e2e/mesh-fixture.ts';

/** Who calls whom, callees first. */
const CALLS: Record<string, string[]> = {
  rates: [],
  inventory: [],
  pricing: ['rates'],
  orders: ['inventory', 'pricing'],
  gateway: ['orders'],
};
const SPANS = 14;

/** How many spans a request leaves: one that orders ends calls nobody any more. */
export function spansOf(trouble: string): number {
  return trouble === 'orders=reset' ? 5 : SPANS;
}

/** What goes wrong in which service. Of a failed inventory the caller makes do, so that the request as a whole succeeds. */
export const TROUBLES = {
  failed: ['rates=500', 'pricing=503', 'inventory=500', 'orders=reset', 'rates=reset'],
  slow: ['rates=slow', 'inventory=slow', 'orders=slow'],
} as const;

/** More than what a busy machine does to a request. */
const SLOW_MS = 1_000;
const PROPAGATOR = new W3CTraceContextPropagator();

export interface ShopOptions {
  collectorPort: number;
  headSampleRatio: number;
}

export class Shop {
  private readonly folder: Folder;
  private readonly authority: Authority;
  private readonly options: ShopOptions;
  private readonly servers: http.Server[] = [];
  private readonly apps: App[] = [];
  private readonly sidecars: Sidecar[] = [];
  private readonly agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
  readonly questions = new TraceQuestions(systemClock);
  private traces: TraceSharing | null = null;
  private controlServer: ControlServer | null = null;
  private controlPort = 0;

  private constructor(folder: Folder, authority: Authority, options: ShopOptions) {
    this.folder = folder;
    this.authority = authority;
    this.options = options;
  }

  static async open(options: ShopOptions): Promise<Shop> {
    const shop = new Shop(await createFolder(), await openAuthority(), options);
    await shop.startControl();
    const ports = new Map<string, number>();
    for (const service of Object.keys(CALLS)) ports.set(service, await shop.startService(service, ports));
    shop.entryPort = ports.get('gateway') ?? 0;
    return shop;
  }

  private entryPort = 0;

  async request(traceId: string, trouble: string): Promise<{ status: number; requestId: string }> {
    const request = http.get({
      host: '127.0.0.1',
      port: this.entryPort,
      path: '/checkout',
      agent: this.agent,
      headers: { host: 'shop.test', traceparent: `00-${traceId}-00000000000000f1-00`, 'x-trouble': trouble },
    });
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    response.resume();
    await once(response, 'end');
    return { status: response.statusCode ?? 0, requestId: String(response.headers['x-request-id']) };
  }

  /** Of the services' sidecars. */
  get adminPorts(): number[] {
    return this.sidecars.slice(1).map(({ adminPort }) => adminPort);
  }

  /** Resolves when all spans that are to be exported have been. */
  async close(): Promise<void> {
    this.agent.destroy();
    await Promise.all(this.apps.map((app) => app.close()));
    await Promise.all(this.sidecars.map((sidecar) => sidecar.drain()));
    await this.controlServer?.stop();
    this.traces?.close();
    for (const server of this.servers) {
      server.closeAllConnections();
      server.close();
    }
    await this.folder.remove();
  }

  private async startControl(): Promise<void> {
    const random = new RandomWords(Math.random);
    this.traces = new TraceSharing(systemClock, () => random.next());
    this.controlServer = await startControlServer(
      { host: '127.0.0.1', port: 0 },
      this.traces,
      this.questions,
    );
    const identity = await writeIdentity(this.folder, this.authority, { spiffeId: spiffeId('control') });
    const target = `127.0.0.1:${this.controlServer.port}`;
    const inbound = [{ name: 'grpc', listen: '127.0.0.1:0', protocol: 'grpc', target }];
    const sidecar = await this.startSidecar('control', { identity, inbound });
    this.controlPort = sidecar.inboundPorts.grpc ?? 0;
  }

  private async startService(service: string, ports: ReadonlyMap<string, number>): Promise<number> {
    const called = CALLS[service] ?? [];
    let app: App | null = null;
    const server = http.createServer((request, response) => void app?.serve(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.servers.push(server);
    const { collectorPort, headSampleRatio } = this.options;
    const sidecar = await this.startSidecar(service, {
      identity: await writeIdentity(this.folder, this.authority, { spiffeId: spiffeId(service) }),
      control: { address: `127.0.0.1:${this.controlPort}`, identity: spiffeId('control') },
      inbound: [
        {
          name: 'http',
          listen: '127.0.0.1:0',
          mtls: service === 'gateway' ? 'off' : 'strict',
          target: `127.0.0.1:${(server.address() as AddressInfo).port}`,
        },
      ],
      outbound: {
        listen: '127.0.0.1:0',
        services: called.map((host) => ({
          host,
          identity: spiffeId(host),
          endpoints: [`127.0.0.1:${ports.get(host) ?? 0}`],
        })),
      },
      telemetry: {
        accessLog: 'off',
        traces: {
          endpoint: `http://127.0.0.1:${collectorPort}`,
          headSampleRatio,
          intake: '127.0.0.1:0',
        },
      },
    });
    app = new App(service, called, sidecar, this.agent);
    this.apps.push(app);
    return sidecar.inboundPorts.http ?? 0;
  }

  private async startSidecar(service: string, spec: Record<string, unknown>): Promise<Sidecar> {
    const configPath = await this.folder.write(`${service}.yaml`, sidecarConfig(service, spec));
    const sidecar = await startSidecar({ configPath, lastGoodPath: null });
    this.sidecars.push(sidecar);
    return sidecar;
  }
}

/** A service with the SDK of OpenTelemetry as it is by default, but for where it sends its spans. */
class App {
  private readonly name: string;
  private readonly called: string[];
  private readonly outboundPort: number;
  private readonly agent: http.Agent;
  private readonly provider: TracerProvider;

  constructor(name: string, called: string[], { outboundPort, intakePort }: Sidecar, agent: http.Agent) {
    this.name = name;
    this.called = called;
    this.outboundPort = outboundPort ?? 0;
    this.agent = agent;
    const exporter = new OTLPTraceExporter({ url: `http://127.0.0.1:${intakePort}` });
    this.provider = new TracerProvider({
      resource: resourceFromAttributes({ 'service.name': name }),
      spanProcessors: [new BatchSpanProcessor({ exporter, scheduledDelayMillis: 500, maxQueueSize: 16_384 })],
    });
  }

  async serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const parent = PROPAGATOR.extract(ROOT_CONTEXT, request.headers, defaultTextMapGetter);
    const span = this.provider.getTracer('shop').startSpan(this.name, {}, parent);
    const status = await this.answer(request.headers, trace.setSpan(parent, span));
    span.end();
    if (status === 0) request.destroy();
    else response.writeHead(status).end('{}');
  }

  /** Sends what is left. */
  close(): Promise<void> {
    return this.provider.shutdown();
  }

  /** Resolves with the status; 0 for none. */
  private async answer(incoming: http.IncomingHttpHeaders, context: Context): Promise<number> {
    const [where, what] = String(incoming['x-trouble'] ?? '').split('=');
    const trouble = where === this.name ? what : '';
    if (trouble === 'reset') return 0;
    if (trouble === 'slow') await sleep(SLOW_MS);
    const headers: Record<string, string> = {
      'x-trouble': String(incoming['x-trouble']),
      'x-request-id': String(incoming['x-request-id']),
    };
    PROPAGATOR.inject(context, headers, defaultTextMapSetter);
    const statuses = await Promise.all(this.called.map((host) => this.call(host, headers)));
    const failed = statuses.some((status, i) => status >= 500 && this.called[i] !== 'inventory');
    return Number(trouble) || (failed ? 502 : 200);
  }

  private async call(host: string, headers: Record<string, string>): Promise<number> {
    const { outboundPort: port, agent } = this;
    const request = http.get({ host: '127.0.0.1', port, path: '/', agent, headers: { ...headers, host } });
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    response.resume();
    await once(response, 'end');
    return response.statusCode ?? 0;
  }
}
