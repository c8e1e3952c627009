// Saturating load of gRPC calls by h2load: a number of calls that takes about as long as asked for, each of them answered.
//
// h2load counts statuses and bytes and logs each answer; it doesn't look at trailers. A call that failed on its way has no body
// (what fails late, behind its body, has been paid for). A run with any call or byte missing is an error.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findDebianTool } from '../parts/debian-tools.ts';
import { startPart } from '../parts/part.ts';
import { GRPC_CONNECTIONS, grpcMessage, HOST, type Workload } from './cells.ts';
import type { LoadResult } from './generator.ts';
import { percentileOf } from './statistics.ts';
import type { SaturatingLoad } from './wrk.ts';

interface Run {
  requests: number;
  seconds: number;
  latenciesMs: number[];
}

const ANSWER_LOG = 'answers.tsv';
/** By then something is stuck. */
const MAX_SECONDS = 30;
/** Before anything is known: what the slowest proxy does in a tenth of a second. */
const FIRST_REQUESTS = 500;

export async function saturateWithCalls(load: SaturatingLoad): Promise<LoadResult> {
  const first = await runH2load(load, FIRST_REQUESTS);
  const warmUp = await runH2load(load, requestsFor(load.warmUpMs, first));
  const before = load.readCpuNs();
  const { requests, seconds, latenciesMs } = await runH2load(load, requestsFor(load.measureMs, warmUp));
  const cpuNs = load.readCpuNs() - before;
  return {
    requests,
    answered: first.requests + warmUp.requests + requests,
    seconds,
    cpuNs,
    p50Ms: percentileOf(latenciesMs, 0.5),
    p99Ms: percentileOf(latenciesMs, 0.99),
  };
}

function requestsFor(durationMs: number, { requests, seconds }: Run): number {
  return Math.max(FIRST_REQUESTS, Math.round((requests / seconds) * (durationMs / 1000)));
}

async function runH2load({ port, workload, concurrency }: SaturatingLoad, requests: number): Promise<Run> {
  const { command, env } = await findDebianTool('h2load');
  const headers = [`:authority: ${HOST}`, 'content-type: application/grpc', 'te: trailers'];
  const h2load = await startPart({
    name: 'h2load',
    command,
    args: [
      '-t1',
      `-c${GRPC_CONNECTIONS}`,
      `-m${concurrency / GRPC_CONNECTIONS}`,
      `-n${requests}`,
      ...headers.map((header) => `-H${header}`),
      '-drequest',
      `--log-file=${ANSWER_LOG}`,
      `--connection-active-timeout=${MAX_SECONDS}s`,
      `http://127.0.0.1:${port}${workload.path}`,
    ],
    env,
    files: { request: grpcMessage(workload.requestBytes) },
    isReady: () => true,
  });
  try {
    await h2load.exited;
    const seconds = checkOutput(h2load.output(), requests, workload);
    return { requests, seconds, latenciesMs: await readLatencies(join(h2load.folder, ANSWER_LOG)) };
  } finally {
    await h2load.stop();
  }
}

/** Returns how many seconds it took. */
function checkOutput(output: string, requests: number, workload: Workload): number {
  const finished = /^finished in ([\d.]+)(us|ms|s|m)\b/m.exec(output);
  const succeeded = Number(/ (\d+) succeeded/.exec(output)?.[1]);
  const isWell = Number(/ (\d+) 2xx/.exec(output)?.[1]) === requests;
  const bodyBytes = Number(/ \((\d+)\) data$/m.exec(output)?.[1]);
  if (finished === null) throw new Error(`h2load gave no summary: ${output}`);
  if (succeeded !== requests || !isWell) throw new Error(`not all of ${requests} calls succeeded: ${output}`);
  if (bodyBytes !== requests * workload.responseBytes) {
    throw new Error(
      `${requests} answers of ${workload.responseBytes} bytes came as ${bodyBytes} bytes: ${output}`,
    );
  }
  return Number(finished[1]) * { us: 1e-6, ms: 1e-3, s: 1, m: 60 }[finished[2] as 'us' | 'ms' | 's' | 'm'];
}

/** Lines of start, status and microseconds. */
async function readLatencies(path: string): Promise<number[]> {
  const lines = (await readFile(path, 'latin1')).trim().split('\n');
  return lines.map((line) => Number(line.slice(line.lastIndexOf('\t') + 1)) / 1000);
}
