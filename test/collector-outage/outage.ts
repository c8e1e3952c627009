// What a collector that stops, dies and comes back does to a sidecar under load, with every request's span to be exported: a real collector, and the
// sidecar in a process of its own. The collector is stopped by SIGSTOP, so that it accepts and never answers, then killed, so that it
// refuses, then started again.
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseExposition } from '../../mesh/cli/top/exposition.ts';
import { generateLoad } from '../bench/generator.ts';
import { callHttp1 } from '../bench/http1-caller.ts';
import { readRssBytes } from '../bench/process-stats.ts';
import { createFolder, send, sidecarConfig } from '../e2e/mesh-fixture.ts';
import { Processes, SIDECAR } from '../e2e/process-fixture.ts';
import { type Collector, startCollector } from '../parts/collector.ts';
import { findSteadyPort } from '../parts/part.ts';

/** Requests in each phase, at least. */
export interface OutageOptions {
  there: number;
  /** Before the memory is first looked at: code is compiled and the heap finds its size. */
  warmUp: number;
  stopped: number;
  dead: number;
  onPhase?: (phase: Phase) => void;
}

/** Counts since the sidecar's start, at the end of the phase. */
export interface Phase {
  name: PhaseName;
  /** Each was answered with the origin's answer, or there would be no phase. */
  requests: number;
  recorded: number;
  exported: number;
  dropped: number;
  waiting: number;
  rssBytes: number;
}

export type PhaseName = 'there' | 'warmUp' | 'stopped' | 'dead' | 'back';

export interface Outage {
  phases: Record<PhaseName, Phase>;
  /** Spans that the collector has which came back. */
  collected: number;
}

const CONNECTIONS = 16;
const BODY = 'x'.repeat(64);
/** The smallest there may be, so that it has turned many times. */
const RING_SPANS = 1_024;
const SLICE_MS = 500;
/** The collector writes its file ten times a second. */
const WRITTEN_MS = 500;

export async function measureOutage(options: OutageOptions): Promise<Outage> {
  const folder = await createFolder();
  const processes = new Processes();
  const origin = await startOrigin();
  const port = await findSteadyPort();
  let collector: Collector | null = await startCollector(port);
  try {
    const config = sidecarConfig('orders', {
      inbound: [{ name: 'http', listen: '127.0.0.1:0', mtls: 'off', target: `127.0.0.1:${origin.port}` }],
      telemetry: {
        accessLog: 'off',
        traces: { endpoint: `http://127.0.0.1:${port}`, headSampleRatio: 1, ringSpans: RING_SPANS },
      },
    });
    const { ready, child } = await processes.start(SIDECAR, await folder.write('sidecar.yaml', config));
    const phases = {} as Outage['phases'];
    let requests = 0;
    const load = async (name: PhaseName, isOver: (phase: Phase) => boolean): Promise<void> => {
      for (;;) {
        requests += await sendFor(SLICE_MS, ready.inbound.http ?? 0);
        const counts = await readCounts(ready.admin);
        const phase = { name, requests, ...counts, rssBytes: readRssBytes([child.pid as number]) };
        if (!isOver(phase)) continue;
        phases[name] = phase;
        options.onPhase?.(phase);
        return;
      }
    };
    const more = (count: number) => {
      const goal = requests + count;
      return (phase: Phase) => phase.requests >= goal;
    };

    await load('there', more(options.there));
    process.kill(collector.pid, 'SIGSTOP');
    await load('warmUp', more(options.warmUp));
    await load('stopped', more(options.stopped));
    process.kill(collector.pid, 'SIGKILL');
    await collector.stop();
    await load('dead', more(options.dead));
    collector = await startCollector(port);
    // By itself, after what is left of its back-off.
    const { exported } = phases.dead;
    await load('back', (phase) => phase.exported > exported);
    return { phases, collected: await settledCount(collector) };
  } finally {
    await processes.stop();
    await collector?.stop();
    origin.close();
    await folder.remove();
  }
}

async function settledCount(collector: Collector): Promise<number> {
  for (let count = -1; ; ) {
    const now = (await collector.spans()).length;
    if (now === count) return count;
    count = now;
    await sleep(WRITTEN_MS);
  }
}

/** As fast as the sidecar can. Returns how many were answered; throws when one was not, or not as it should. */
async function sendFor(durationMs: number, port: number): Promise<number> {
  const request = Buffer.from('GET /orders/4711 HTTP/1.1\r\nHost: orders.test\r\n\r\n');
  const { answered } = await generateLoad({
    connections: Array.from({ length: CONNECTIONS }, () =>
      callHttp1({ port, request, responseBytes: BODY.length }),
    ),
    concurrency: CONNECTIONS,
    responseBytes: BODY.length,
    ratePerSecond: null,
    warmUpMs: 0,
    measureMs: durationMs,
    readCpuNs: () => 0,
  });
  return answered;
}

async function readCounts(admin: number): Promise<Omit<Phase, 'name' | 'requests' | 'rssBytes'>> {
  const samples = parseExposition((await send(admin, '/metrics', { host: '127.0.0.1' })).body);
  const sum = (wanted: string) =>
    samples.filter(({ name }) => name === wanted).reduce((total, { value }) => total + value, 0);
  return {
    recorded: sum('tulle_spans_recorded_total'),
    exported: sum('tulle_spans_exported_total'),
    dropped: sum('tulle_spans_dropped_total'),
    waiting: sum('tulle_spans_waiting'),
  };
}

async function startOrigin(): Promise<{ port: number; close: () => void }> {
  const server = http.createServer((_request, response) => response.end(BODY));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Of the memory while the collector was away. */
export function growthOf({ phases }: Outage): { bytes: number; requests: number } {
  const { warmUp, dead } = phases;
  return { bytes: dead.rssBytes - warmUp.rssBytes, requests: dead.requests - warmUp.requests };
}

/**
 * What a heap may breathe. Of the 120,000 requests of the shortest run, a leak of one span each would be 60 MB as the ring has it (0.5 KB) and some
 * 300 MB as an object that is to be exported; of a sidecar of 250 MB this is 16 MB.
 */
export function allowedGrowth({ phases }: Outage): number {
  return 0.05 * phases.warmUp.rssBytes + 4e6;
}
