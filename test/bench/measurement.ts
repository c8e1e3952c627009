// One measurement: one cell, one contender, one round.

import type { ConnectCallers } from './caller.ts';
import { type Cell, encodeRequest, GRPC_CONNECTIONS, HOST } from './cells.ts';
import type { RunningContender } from './contenders/contender.ts';
import { generateLoad, type LoadResult } from './generator.ts';
import { callGrpc } from './grpc-caller.ts';
import { saturateWithCalls } from './h2load.ts';
import { callHttp1 } from './http1-caller.ts';
import { readCoreBusyNs, readCpuNs, readRssBytes } from './process-stats.ts';
import { saturate } from './wrk.ts';

export interface Sample {
  /** All requests that were answered, those of the warm-up too. */
  answered: number;
  cpuMicros: number;
  requestsPerSecond: number;
  /** Share of its core that the proxy used. */
  utilisation: number;
  /** Share of the proxy's core that was taken by anybody else. */
  disturbance: number;
  p50Ms: number;
  p99Ms: number;
  rssBytes: number;
}

export interface Durations {
  warmUpMs: number;
  measureMs: number;
}

/** Somebody else on the proxy's core costs the proxy its caches. A quiet core has 0 to 2 % of others. */
export const MAX_DISTURBANCE = 0.1;
/** wrk reads 8 KB at a time; with large answers it would be the bottleneck, and its end would cut many of them off. */
const LARGE_BYTES = 65_536;

export async function measure(
  cell: Cell,
  contender: RunningContender,
  durations: Durations,
  cpu: number,
): Promise<Sample> {
  // Read at both ends of the window, together with the proxy's own.
  const busyNs: number[] = [];
  const readCpu = () => {
    busyNs.push(readCoreBusyNs(cpu));
    return readCpuNs(contender.pids);
  };
  const result = await runLoad(cell, contender.port, { ...durations, readCpuNs: readCpu });
  const [busyBefore = 0, busyAfter = 0] = busyNs;
  const windowNs = result.seconds * 1e9;
  return {
    answered: result.answered,
    cpuMicros: result.cpuNs / result.requests / 1000,
    requestsPerSecond: result.requests / result.seconds,
    utilisation: result.cpuNs / windowNs,
    disturbance: Math.max(0, (busyAfter - busyBefore - result.cpuNs) / windowNs),
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    rssBytes: readRssBytes(contender.pids),
  };
}

/** The first measurement that nobody disturbed, else the one that was disturbed least: what it says has no part in the choice. */
export async function measureUndisturbed(
  maxAttempts: number,
  attempt: () => Promise<Sample>,
): Promise<Sample> {
  let best = await attempt();
  for (let attempts = 1; best.disturbance > MAX_DISTURBANCE && attempts < maxAttempts; attempts++) {
    const next = await attempt();
    if (next.disturbance < best.disturbance) best = next;
  }
  return best;
}

export function isLarge(cell: Cell): boolean {
  return cell.workload.responseBytes >= LARGE_BYTES;
}

function runLoad(
  cell: Cell,
  port: number,
  window: Durations & { readCpuNs: () => number },
): Promise<LoadResult> {
  const { workload, concurrency } = cell;
  if (cell.load === 'saturated' && !isLarge(cell)) {
    const load = { port, workload, concurrency, ...window };
    return workload.protocol === 'grpc' ? saturateWithCalls(load) : saturate(load);
  }
  return generateLoad({
    connections: callersFor(cell, port),
    concurrency,
    responseBytes: workload.responseBytes,
    ratePerSecond: cell.load === 'saturated' ? null : workload.equalRatePerSecond,
    ...window,
  });
}

function callersFor({ workload, concurrency }: Cell, port: number): ConnectCallers[] {
  const { path, responseBytes } = workload;
  const request = encodeRequest(workload);
  if (workload.protocol === 'http1') {
    return Array.from({ length: concurrency }, () => callHttp1({ port, request, responseBytes }));
  }
  const streams = concurrency / GRPC_CONNECTIONS;
  const call = { port, authority: HOST, path, request, responseBytes, streams };
  return Array.from({ length: GRPC_CONNECTIONS }, () => callGrpc(call));
}
