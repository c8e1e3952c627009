import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toAlertmanagerConfig } from '../../alerts/src/alertmanager.ts';
import { readReceivers } from '../../alerts/src/files.ts';
import { reachLocally } from '../../alerts/test/local-receivers.ts';
import { openPager, type Pager } from '../../alerts/test/pager.ts';
import { startAlertmanager } from '../../test/parts/alertmanager.ts';
import { startPrometheus } from '../../test/parts/prometheus.ts';
import { Mesh } from '../demo/mesh.ts';
import type { Topology } from '../demo/topology.ts';
import { type AlertChange, watchAlerts } from './alert-watch.ts';
import type { Fault } from './faults.ts';
import { keepAsking } from './load.ts';
import { shortenedRules } from './rules.ts';
import type { Screen } from './screen.ts';
import { readMessage, type Told } from './told.ts';

// The mesh, what watches it, and who is told: start, faults, stop.
// Invariant: `stop` may be called at any moment and ends whatever was started until then.

/** The dead man's switch hears from the watchdog all the time. */
const SWITCH = 'dead-mans-switch';

export class ObservedDemo {
  readonly #screen: Screen;
  readonly #fault: Fault | null;
  readonly #fail: (error: Error) => void;
  readonly #mesh: Mesh;
  readonly #pids = new Map<string, number>();
  readonly #told: Told[] = [];
  readonly #stopping = new AbortController();
  /** In the order in which they were started. */
  readonly #stops: (() => Promise<unknown>)[] = [];
  #topology: Topology | null = null;
  #undo: (() => Promise<void>) | null = null;

  constructor(screen: Screen, fault: Fault | null, fail: (error: Error) => void) {
    this.#screen = screen;
    this.#fault = fault;
    this.#fail = fail;
    this.#mesh = new Mesh(
      {
        onSpans: () => {},
        onStarted: ({ name, pid }) => pid !== null && this.#pids.set(name, pid),
        onLost: fail,
      },
      fault?.plan,
    );
  }

  async start(): Promise<void> {
    const pager = await openPager((message) => this.#hear(readMessage(message)));
    this.#stops.push(() => pager.close());
    const alertmanager = await this.#startAlertmanager(pager);
    this.#stops.push(() => this.#mesh.stop());
    const topology = await this.#mesh.start();
    this.#topology = topology;
    const rules = await shortenedRules();
    const alertmanagers = [alertmanager];
    const prometheus = await startPrometheus(this.#mesh.scrapeJobs, { rules, alertmanagers });
    this.#stops.push(() => prometheus.stop());
    const { signal } = this.#stopping;
    const watching = watchAlerts(prometheus, (change) => this.#see(change), signal);
    const asking = keepAsking(topology, signal);
    for (const running of [watching, asking]) running.catch((error) => signal.aborted || this.#fail(error));
    this.#stops.push(() => Promise.allSettled([watching, asking]));
    this.#sayWhere(prometheus.port, alertmanager);
  }

  async inject(fault: Fault): Promise<() => Promise<void>> {
    const pidOf = (name: string) => this.#pids.get(name) as number;
    const undo = await fault.inject({ topology: this.#topology as Topology, pidOf });
    this.#undo = undo;
    return () => {
      this.#undo = null;
      return undo();
    };
  }

  whoWasToldOf(alert: string, isResolved: boolean): string[] {
    const incidents = new Set(this.#told.filter((told) => told.alert === alert).map(keyOf));
    const about = this.#told.filter((told) => incidents.has(keyOf(told)));
    return [...new Set(about.filter((told) => told.isResolved === isResolved).map(({ who }) => who))];
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#undo?.();
    for (const stop of this.#stops.reverse()) await stop();
  }

  async #startAlertmanager(pager: Pager): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'tulle-observe-'));
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
    this.#stops.push(() => rm(folder, { recursive: true, force: true }));
    const receivers = await reachLocally(await readReceivers(), pager.url, folder);
    const alertmanager = await startAlertmanager(toAlertmanagerConfig(receivers));
    this.#stops.push(() => alertmanager.stop());
    return alertmanager.address;
  }

  /** Of alerts that nobody expects, what is not yet one is no news. */
  #see(change: AlertChange): void {
    const { alert, before, state } = change;
    if (alert === this.#fault?.alert || before === 'firing' || state === 'firing')
      this.#screen.changed(change);
  }

  #hear(told: Told): void {
    const isNews = told.who !== SWITCH || !this.#told.some(({ who }) => who === SWITCH);
    this.#told.push(told);
    if (isNews) this.#screen.told(told);
  }

  #sayWhere(prometheusPort: number, alertmanager: string): void {
    const { control } = this.#mesh.adminPorts;
    this.#screen.say(
      [
        `  Prometheus    http://127.0.0.1:${prometheusPort}/alerts`,
        `  Alertmanager  http://${alertmanager}`,
        `  explain       npx tulle explain <request id> --control http://127.0.0.1:${control}`,
        `  Grafana       yours, with TULLE_PROMETHEUS_URL=http://127.0.0.1:${prometheusPort} and deploy/grafana/README.md`,
        '',
      ].join('\n'),
    );
  }
}

function keyOf({ who, incident }: Told): string {
  return `${who} ${incident}`;
}
