// One measurement: one cell, one contender, one round.
import { type Cell, encodeRequest } from './cells.ts';
import type { RunningContender } from './contenders/contender.ts';
import { generateLoad, type LoadResult } from './generator.ts';
import { readCpuNs, readRssBytes } from './process-stats.ts';
import { saturate } from './wrk.ts';

export interface Sample {
  /** All requests that were answered, those of the warm-up too. */
  answered: number;
  cpuMicros: number;
  requestsPerSecond: number;
  /** Share of its core that the proxy used. */
  utilisation: number;
  p50Ms: number;
  p99Ms: number;
  rssBytes: number;
}

export interface Durations {
  warmUpMs: number;
  measureMs: number;
}

/** wrk reads 8 KB at a time; with large answers it would be the bottleneck, and its end would cut many of them off. */
const LARGE_BYTES = 65_536;

export async function measure(
  cell: Cell,
  contender: RunningContender,
  durations: Durations,
): Promise<Sample> {
  const result = await runLoad(cell, contender, durations);
  const cpuMicros = result.cpuNs / result.requests / 1000;
  const requestsPerSecond = result.requests / result.seconds;
  return {
    answered: result.answered,
    cpuMicros,
    requestsPerSecond,
    utilisation: (cpuMicros * requestsPerSecond) / 1e6,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    rssBytes: readRssBytes(contender.pids),
  };
}

export function isLarge(cell: Cell): boolean {
  return cell.workload.responseBytes >= LARGE_BYTES;
}

function runLoad(cell: Cell, contender: RunningContender, durations: Durations): Promise<LoadResult> {
  const { workload, connections } = cell;
  const { port } = contender;
  const readCpu = () => readCpuNs(contender.pids);
  if (cell.load === 'saturated' && !isLarge(cell)) {
    return saturate({ port, workload, connections, ...durations, readCpuNs: readCpu });
  }
  return generateLoad({
    port,
    request: encodeRequest(workload),
    responseBytes: workload.responseBytes,
    connections,
    ratePerSecond: cell.load === 'saturated' ? null : workload.equalRatePerSecond,
    ...durations,
    readCpuNs: readCpu,
  });
}
