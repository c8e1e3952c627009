import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Span } from '../../mesh/cli/trace/span.ts';
import type { ScrapeJob } from '../../test/parts/prometheus.ts';
import { type Redis, startRedis } from '../../test/parts/redis.ts';
import { limits } from './limits.ts';
import { type OtlpReceiver, startOtlpReceiver } from './otlp-receiver.ts';
import { type ChildLost, type ChildSpec, Processes, type ReadyLine } from './processes.ts';
import type { AdminPorts } from './screen.ts';
import {
  CONTROL,
  type MeshPlan,
  NAMESPACE,
  planAuthority,
  planControl,
  planServices,
  planSidecar,
  planTopology,
  SERVICE_NAMES,
  serviceNames,
  sidecarOf,
  type Topology,
} from './topology.ts';

// Starts and stops everything the demo consists of, as parallel as the dependencies allow: services wait for Redis, sidecars for the
// authority's roots, nothing else waits for anything.
// Invariant: `stop` may be called at any moment, also in the middle of `start`, and ends whatever was started until then.

/** Something that became ready. */
export type Started = { readonly name: string; readonly pid: number | null; readonly listens: string };

export type MeshEvents = {
  readonly onSpans: (spans: Span[]) => void;
  readonly onStarted: (started: Started) => void;
  readonly onLost: (error: ChildLost) => void;
};

export class Mesh {
  readonly #events: MeshEvents;
  readonly #plan: MeshPlan | undefined;
  readonly #processes: Processes;
  /** Of everything that has metrics, by the name of its process. */
  readonly #adminPorts = new Map<string, number>();
  #folder: string | null = null;
  #receiver: OtlpReceiver | null = null;
  #redis: Promise<Redis> | null = null;
  #stopped: Promise<void> | null = null;

  constructor(events: MeshEvents, plan?: MeshPlan) {
    this.#events = events;
    this.#plan = plan;
    this.#processes = new Processes(events.onLost);
    process.once('exit', () => {
      if (this.#folder !== null) rmSync(this.#folder, { recursive: true, force: true });
    });
  }

  get adminPorts(): AdminPorts {
    const sidecars = SERVICE_NAMES.map((name) => [name, this.#adminPorts.get(sidecarOf(name)) ?? 0] as const);
    return { sidecars: new Map(sidecars), control: this.#adminPorts.get(CONTROL) ?? 0 };
  }

  /** What a Prometheus has to scrape, by the jobs that the dashboards are made for. */
  get scrapeJobs(): ScrapeJob[] {
    const jobOf = (job: string, services: readonly string[], processOf = (service: string) => service) => ({
      job,
      targets: services.flatMap((service) => {
        const port = this.#adminPorts.get(processOf(service));
        const labels = { namespace: NAMESPACE, pod: `${service}-1` };
        return port === undefined ? [] : [{ address: `127.0.0.1:${port}`, labels }];
      }),
    });
    return [
      jobOf('tulle-sidecar', [...SERVICE_NAMES, CONTROL], sidecarOf),
      jobOf('tulle-service', SERVICE_NAMES),
      jobOf('tulle-control-plane', [CONTROL, 'ca']),
    ];
  }

  async start(): Promise<Topology> {
    this.#folder = await mkdtemp(join(tmpdir(), 'tulle-demo-'));
    this.#receiver = await startOtlpReceiver(this.#events.onSpans);
    const topology = await planTopology(this.#folder, this.#receiver.port, this.#plan);
    await Promise.all([this.#startServices(topology), this.#startSidecars(topology)]);
    return topology;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #startServices(topology: Topology): Promise<void> {
    this.#redis = startRedis();
    const redis = await this.#redis;
    this.#events.onStarted({ name: 'redis', pid: redis.pid, listens: `:${redis.port}` });
    const specs = await planServices(topology, redis.url);
    await Promise.all(specs.map((spec) => this.#startChild(spec)));
  }

  async #startSidecars(topology: Topology): Promise<void> {
    const authority = await this.#startChild(await planAuthority(topology));
    const port = Number(authority.port);
    await Promise.all([
      this.#startControl(topology, port),
      ...serviceNames(topology).map(async (name) =>
        this.#startChild(await planSidecar(topology, name, port)),
      ),
    ]);
  }

  async #startControl(topology: Topology, authorityPort: number): Promise<void> {
    const { control, sidecar } = await planControl(topology, authorityPort);
    await Promise.all([this.#startChild(control), this.#startChild(sidecar)]);
  }

  async #startChild(spec: ChildSpec): Promise<ReadyLine> {
    const ready = await this.#processes.start(spec);
    const pid = this.#processes.pidOf(spec.name) ?? null;
    const adminPort = Number(ready.admin ?? ready.adminPort ?? ready.metricsPort);
    if (adminPort > 0) this.#adminPorts.set(spec.name, adminPort);
    this.#events.onStarted({ name: spec.name, pid, listens: describePorts(ready) });
    return ready;
  }

  /** Against the flow: whoever sends stops before whoever answers. */
  async #stop(): Promise<void> {
    await this.#processes.stop([
      SERVICE_NAMES,
      SERVICE_NAMES.map(sidecarOf),
      [CONTROL],
      [sidecarOf(CONTROL)],
      ['ca'],
    ]);
    await this.#receiver?.close();
    // A start that failed has told so already, and one that still installs Redis is not worth waiting for.
    const redis = this.#redis?.then((running) => running.stop()).catch(() => {});
    await Promise.race([redis, sleep(limits.stopMs, undefined, { ref: false })]);
    if (this.#folder !== null) await rm(this.#folder, { recursive: true, force: true });
  }
}

function describePorts({ port, inbound, outbound, admin }: ReadyLine): string {
  const http = (inbound as { http?: number } | undefined)?.http;
  const named = { in: http, out: outbound, admin };
  const ports = Object.entries(named).filter(([, value]) => typeof value === 'number');
  return port === undefined ? ports.map(([name, value]) => `${name} :${value}`).join('  ') : `:${port}`;
}
