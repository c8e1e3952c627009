// The mesh under load, with a real Prometheus that scrapes it: what dashboards, rules and alerts are tried against.
//
// The demo's mesh runs as processes, as `npm start` starts it; beside it a pair of sidecars with every kind of policy. Some of all requests fail, are
// limited, blocked, retried or refused, so that nearly every metric has something to tell. The load is slow on purpose: it is there to be seen, not to
// be measured.
import { setTimeout as sleep } from 'node:timers/promises';
import { Mesh } from '../../examples/demo/mesh.ts';
import { RUN_PATH, runBody } from '../../examples/demo/scenario.ts';
import { INTRUSION, portsOf, type Topology } from '../../examples/demo/topology.ts';
import { send } from '../e2e/mesh-fixture.ts';
import {
  type Prometheus,
  type PrometheusOptions,
  type ScrapeJob,
  startPrometheus,
} from '../parts/prometheus.ts';
import { PolicyPair } from './policy-pair.ts';

/** Between two rounds of requests, each of about twenty. */
const ROUND_MS = 250;

const INJECTION = "A-1' UNION SELECT card FROM customers--";

export class ObservedMesh {
  readonly prometheus: Prometheus;
  private readonly mesh: Mesh;
  private readonly topology: Topology;
  private readonly pair: PolicyPair;
  private readonly stopped = new AbortController();
  private readonly load: Promise<void>;

  private constructor(mesh: Mesh, topology: Topology, pair: PolicyPair, prometheus: Prometheus) {
    this.mesh = mesh;
    this.topology = topology;
    this.pair = pair;
    this.prometheus = prometheus;
    this.load = this.keepBusy();
  }

  /** The load has begun; Prometheus knows of it after some scrapes: see `settled`. */
  static async open(options: PrometheusOptions = {}): Promise<ObservedMesh> {
    const mesh = new Mesh({ onSpans: () => {}, onStarted: () => {}, onLost: throwLater });
    const closings: (() => Promise<void>)[] = [() => mesh.stop()];
    try {
      const [topology, pair] = await Promise.all([mesh.start(), PolicyPair.open()]);
      closings.push(() => pair.close());
      const prometheus = await startPrometheus(merge(mesh.scrapeJobs, pair.scrapeJobs), options);
      return new ObservedMesh(mesh, topology, pair, prometheus);
    } catch (error) {
      for (const close of closings.reverse()) await close();
      throw error;
    }
  }

  /** Resolves when every target has been scraped so often under load. */
  async settled(scrapes = 10): Promise<void> {
    const query = `min(count_over_time(up[10m])) >= ${scrapes} and min(up) == 1`;
    for (;;) {
      const { result } = (await this.prometheus.query('query', { query })) as { result: unknown[] };
      if (result.length > 0) return;
      await sleep(ROUND_MS);
    }
  }

  async close(): Promise<void> {
    this.stopped.abort();
    await this.load;
    await this.prometheus.stop();
    await this.pair.close();
    await this.mesh.stop();
  }

  private async keepBusy(): Promise<void> {
    const { signal } = this.stopped;
    for (let round = 0; !signal.aborted; round++) {
      await Promise.all([this.requestDemo(round), this.pair.request(), this.pair.request()]);
      await sleep(ROUND_MS, undefined, { signal }).catch(() => {});
    }
  }

  /** Runs of workflows, of which some have a broken webhook, questions about them, an injection and an intrusion. */
  private async requestDemo(round: number): Promise<void> {
    const { topology } = this;
    const edge = portsOf(topology, 'gateway').inbound;
    const headers = { 'content-type': 'application/json', 'x-api-key': topology.apiKey };
    const run = (body: string) => send(edge, RUN_PATH, { method: 'POST', headers, body });
    const hook = round % 6 === 0 ? '/hooks/fail' : round % 3 === 0 ? '/hooks/flaky/1' : '/hooks/ok';
    const started = await run(runBody(hook));
    const { runId = 'none' } = JSON.parse(started.body) as { runId?: string };
    await Promise.allSettled([
      send(edge, `/v1/runs/${runId}`, { headers }),
      send(edge, '/v1/runs/unknown', { headers }),
      send(edge, RUN_PATH, { method: 'POST', headers: { 'x-api-key': 'wrong' }, body: '{}' }),
      run(runBody('/hooks/ok', INJECTION)),
      send(portsOf(topology, INTRUSION.from).outbound, '/v1/dead-letters', { host: INTRUSION.to }),
    ]);
  }
}

/** A process of the mesh that dies fails the test, whatever it waits for. */
function throwLater(error: Error): void {
  setImmediate(() => {
    throw error;
  });
}

function merge(...lists: ScrapeJob[][]): ScrapeJob[] {
  const jobs = Map.groupBy(lists.flat(), ({ job }) => job);
  return Array.from(jobs, ([job, same]) => ({ job, targets: same.flatMap(({ targets }) => targets) }));
}
