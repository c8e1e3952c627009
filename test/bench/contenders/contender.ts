// What the benchmark needs to know about a proxy under test.
import type { Svid } from '../../../sidecar/src/identity/svid.ts';
import type { ScenarioName } from '../cells.ts';

/** What stands around the proxy: the backends, the core it may use and, for a pair, who its two sides are. */
export interface Stage {
  backendPort: number;
  grpcBackendPort: number;
  cpu: number;
  outbound: Svid;
  inbound: Svid;
}

/** Policies that nobody reaches, so that what they cost is their look at each request: requests a second of each tenant, */
export const POLICY_QUOTA = 100_000;
/** requests at once, */
export const POLICY_CONCURRENCY = 1_024;
/** and retries as a share of requests. */
export const RETRY_BUDGET_PERCENT = 20;

export interface Contender {
  name: string;
  scenarios: ScenarioName[];
  start: (scenario: ScenarioName, stage: Stage) => Promise<RunningContender>;
}

export interface RunningContender {
  /** Where the client connects. */
  port: number;
  pids: number[];
  accessLogs: string[];
  /** How many spans reached the contender's collector; null when it cannot trace. */
  spans: (() => number) | null;
  stop: () => Promise<void>;
}

/** Starts several things of which each may need the ones before it, and stops them all when one of them fails. */
export class Started {
  readonly #stops: (() => Promise<void>)[] = [];

  async add<T extends { stop: () => Promise<void> }>(starting: Promise<T>): Promise<T> {
    try {
      const started = await starting;
      this.#stops.unshift(started.stop);
      return started;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  stop = async (): Promise<void> => {
    for (const stop of this.#stops.splice(0)) await stop();
  };
}
