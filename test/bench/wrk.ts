// Saturating load of small requests by wrk: a Node generator could not keep the faster proxies busy.
//
// wrk counts connection errors, framing errors, time-outs and statuses above 399; the bytes it read per response tell
// whether the bodies were whole. A run with any of these wrong is an error.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findDebianTool } from '../parts/debian-tools.ts';
import { REQUEST_HEADERS, type Workload } from './cells.ts';
import type { LoadResult } from './generator.ts';

export interface SaturatingLoad {
  port: number;
  workload: Workload;
  connections: number;
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
  const folder = await mkdtemp(join(tmpdir(), 'tulle-wrk-'));
  try {
    const script = join(folder, 'load.lua');
    await writeFile(script, luaScript(load.workload));
    // Fills the pools behind the proxy first: a measurement should not pay for handshakes.
    await runWrk(load, script, load.warmUpMs);
    const before = load.readCpuNs();
    const summary = await runWrk(load, script, load.measureMs);
    const cpuNs = load.readCpuNs() - before;
    const { requests, micros, p50, p99 } = summary;
    return { requests, seconds: micros / 1e6, cpuNs, p50Ms: p50 / 1000, p99Ms: p99 / 1000 };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function runWrk(load: SaturatingLoad, script: string, durationMs: number): Promise<Summary> {
  const { command, env } = await findDebianTool('wrk');
  const url = `http://127.0.0.1:${load.port}${load.workload.path}`;
  const args = ['-t1', `-c${load.connections}`, `-d${MAX_SECONDS}s`, '-s', script, url];
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = execFile(command, args, { env: { ...process.env, ...env } }, (error, stdout, stderr) => {
    if (error === null) resolve(stdout);
    else reject(new Error(`wrk failed: ${stderr || error.message}`));
  });
  await Promise.race([sleep(durationMs), promise]);
  child.kill('SIGINT');
  const output = await promise;
  const line = output.split('\n').find((text) => text.startsWith('{'));
  if (line === undefined) throw new Error(`wrk gave no summary: ${output}`);
  const summary = JSON.parse(line) as Summary;
  checkSummary(summary, load.workload, output);
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
  const headers = Object.entries(REQUEST_HEADERS).map(
    ([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`,
  );
  const body = workload.requestBytes > 0 ? [`wrk.body = string.rep("x", ${workload.requestBytes})`] : [];
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
