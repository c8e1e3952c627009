// Saturating load of small requests by wrk: a Node generator could not keep the faster proxies busy.
//
// wrk counts connection errors, framing errors, time-outs and statuses above 399; the bytes it read per response tell
// whether the bodies were whole. A run with any of these wrong is an error.
import { setTimeout as sleep } from 'node:timers/promises';
import { findDebianTool } from '../parts/debian-tools.ts';
import { startPart } from '../parts/part.ts';
import { bodyOf, headersOf, type Workload } from './cells.ts';
import type { LoadResult } from './generator.ts';

export interface SaturatingLoad {
  port: number;
  workload: Workload;
  concurrency: number;
  warmUpMs: number;
  measureMs: number;
  readCpuNs: () => number;
}

interface Summary {
  requests: number;
  micros: number;
  bytes: number;
  errors: number;
  p50: number;
  p99: number;
}

/** Longer than any measurement: wrk is stopped by SIGINT, which it answers with its summary. */
const MAX_SECONDS = 60;
const MIN_HEAD_BYTES = 40;
const MAX_HEAD_BYTES = 1_000;

export async function saturate(load: SaturatingLoad): Promise<LoadResult> {
  // Fills the pools behind the proxy first: a measurement should not pay for handshakes.
  const warmUp = await runWrk(load, load.warmUpMs);
  const before = load.readCpuNs();
  const { requests, micros, p50, p99 } = await runWrk(load, load.measureMs);
  const cpuNs = load.readCpuNs() - before;
  return {
    requests,
    answered: warmUp.requests + requests,
    seconds: micros / 1e6,
    cpuNs,
    p50Ms: p50 / 1000,
    p99Ms: p99 / 1000,
  };
}

async function runWrk({ port, workload, concurrency }: SaturatingLoad, durationMs: number): Promise<Summary> {
  const { command, env } = await findDebianTool('wrk');
  const wrk = await startPart({
    name: 'wrk',
    command,
    args: [
      '-t1',
      `-c${concurrency}`,
      `-d${MAX_SECONDS}s`,
      '-s',
      'load.lua',
      `http://127.0.0.1:${port}${workload.path}`,
    ],
    env,
    files: { 'load.lua': luaScript(workload) },
    isReady: () => true,
  });
  try {
    await Promise.race([sleep(durationMs), wrk.exited]);
    if (!wrk.hasExited()) process.kill(wrk.pid, 'SIGINT');
    await wrk.exited;
  } finally {
    await wrk.stop();
  }
  const line = wrk
    .output()
    .split('\n')
    .find((text) => text.startsWith('{'));
  if (line === undefined) throw new Error(`wrk gave no summary: ${wrk.output()}`);
  const summary = JSON.parse(line) as Summary;
  checkSummary(summary, workload, wrk.output());
  return summary;
}

function checkSummary({ requests, bytes, errors }: Summary, workload: Workload, output: string): void {
  if (requests === 0) throw new Error('no request was answered');
  if (errors > 0) throw new Error(`${errors} of ${requests} requests failed: ${output}`);
  const headBytes = bytes / requests - workload.responseBytes;
  if (headBytes < MIN_HEAD_BYTES || headBytes > MAX_HEAD_BYTES) {
    throw new Error(
      `responses of ${workload.responseBytes} bytes came as ${bytes / requests} bytes with head`,
    );
  }
}

function luaScript(workload: Workload): string {
  const headers = Object.entries(headersOf(workload)).map(
    ([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`,
  );
  const body = workload.requestBytes > 0 ? [`wrk.body = ${JSON.stringify(bodyOf(workload))}`] : [];
  return [
    `wrk.method = "${workload.method}"`,
    ...headers,
    ...body,
    'done = function(summary, latency)',
    '  local e = summary.errors',
    '  print(string.format(\'{"requests":%d,"micros":%d,"bytes":%d,"errors":%d,"p50":%d,"p99":%d}\',',
    '    summary.requests, summary.duration, summary.bytes, e.connect + e.read + e.write + e.status + e.timeout,',
    '    latency:percentile(50), latency:percentile(99)))',
    'end',
  ].join('\n');
}
