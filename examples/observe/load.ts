import { setTimeout as sleep } from 'node:timers/promises';
import { edgeUrl, RUN_PATH, runBody } from '../demo/scenario.ts';
import type { Topology } from '../demo/topology.ts';

// Somebody who uses the gateway all the time: starts runs and asks for them.

const PAUSE_MS = 50;
const PATIENCE_MS = 2_000;

/** Goes on until it is stopped. What fails is what the alerts are about. */
export async function keepAsking(topology: Topology, stopped: AbortSignal): Promise<void> {
  const headers = { 'content-type': 'application/json', 'x-api-key': topology.apiKey };
  const ask = async (path: string, options: RequestInit = {}) => {
    const signal = AbortSignal.any([stopped, AbortSignal.timeout(PATIENCE_MS)]);
    const response = await fetch(edgeUrl(topology) + path, { ...options, headers, signal });
    return (await response.json()) as { runId?: string };
  };
  while (!stopped.aborted) {
    const asked = ask(RUN_PATH, { method: 'POST', body: runBody('/hooks/ok') }).then(({ runId }) =>
      runId === undefined ? undefined : ask(`/v1/runs/${runId}`),
    );
    await Promise.allSettled([asked, sleep(PAUSE_MS)]);
  }
}
