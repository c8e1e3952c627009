// What a real Prometheus makes of native histograms: those of a sidecar, and one whose durations are known.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseExposition } from '../../mesh/cli/top/exposition.ts';
import { type Sidecar, startSidecar } from '../../sidecar/src/app.ts';
import { registerHistogram } from '../../sidecar/src/observe/family.ts';
import { Histogram } from '../../sidecar/src/observe/histogram.ts';
import { histogram } from '../../sidecar/src/observe/metric.ts';
import { HTTP_SERVER_REQUEST_DURATION } from '../../sidecar/src/observe/request-exposition.ts';
import { type Scrape, Scrapes } from '../../sidecar/src/observe/scrapes.ts';
import {
  createFolder,
  type EchoOrigin,
  type Folder,
  send,
  sidecarConfig,
  startOrigin,
} from '../e2e/mesh-fixture.ts';
import { type Prometheus, startPrometheus } from '../parts/prometheus.ts';

/** Prometheus is unpacked where it is missing. */
const INSTALL_MS = 300_000;
const KNOWN = histogram('known_duration_seconds', 'Durations that the test knows.');
/** From 100 us to 10 s, most of them short. */
const SECONDS = Array.from({ length: 10_000 }, (_, i) => 1e-4 * 1e5 ** (i / 10_000));
const REQUESTS = 40;

let folder: Folder;
let origin: EchoOrigin;
let sidecar: Sidecar;
let known: Server;
let prometheus: Prometheus;

beforeAll(async () => {
  folder = await createFolder();
  origin = await startOrigin();
  const target = `127.0.0.1:${origin.port}`;
  const spec = {
    inbound: [{ name: 'http', listen: '127.0.0.1:0', mtls: 'off', target }],
    telemetry: { accessLog: 'off', metrics: { nativeHistograms: 'on' } },
  };
  const configPath = await folder.write('shop.yaml', sidecarConfig('shop', spec));
  sidecar = await startSidecar({ configPath });
  known = await serveKnown();
  const ports = [sidecar.adminPort, (known.address() as AddressInfo).port];
  const targets = ports.map((port) => ({ address: `127.0.0.1:${port}` }));
  prometheus = await startPrometheus([{ job: 'mesh', targets }], { nativeHistograms: true });
}, INSTALL_MS);

afterAll(async () => {
  await prometheus?.stop();
  known?.close();
  await sidecar?.drain();
  origin?.close();
  await folder?.remove();
});

async function serveKnown(): Promise<Server> {
  const duration = new Histogram();
  for (const seconds of SECONDS) duration.observe(seconds * 1_000);
  const registry = new Registry();
  registerHistogram(registry, KNOWN, () => [[{}, duration]]);
  const scrapes = new Scrapes(registry, {});
  scrapes.nativeHistograms = true;
  const server = createServer((request, response) => {
    const { contentType, slices } = scrapes.begin(request.headers.accept ?? '') as Scrape;
    response.setHeader('content-type', contentType);
    void pipeline(slices, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** The number that a query comes to; waits until it comes to one that is wanted. */
async function ask(query: string, isWanted = (value: number) => !Number.isNaN(value)): Promise<number> {
  for (;;) {
    const { result } = (await prometheus.query('query', { query })) as {
      result: { value: [number, string] }[];
    };
    const value = Number(result[0]?.value[1] ?? Number.NaN);
    if (isWanted(value)) return value;
    await sleep(200);
  }
}

test.each([0.01, 0.5, 0.9, 0.99, 0.999])(
  'the quantile %d of known durations is at most 7.2 %% off',
  async (q) => {
    const answer = await ask(`histogram_quantile(${q}, ${KNOWN.name})`);
    const exact = SECONDS[Math.ceil(q * SECONDS.length) - 1] as number;
    expect(answer / exact).toBeGreaterThan(1 / 1.072);
    expect(answer / exact).toBeLessThan(1.072);
  },
);

test('count and sum of a sidecar are those that its text has, and classic buckets are left out', async () => {
  for (let i = 0; i < REQUESTS; i++) await send(sidecar.inboundPorts.http as number, '/');
  const { name } = HTTP_SERVER_REQUEST_DURATION;
  expect(await ask(`sum(histogram_count(${name}))`, (count) => count >= REQUESTS)).toBe(REQUESTS);
  const text = await (await fetch(`http://127.0.0.1:${sidecar.adminPort}/metrics`)).text();
  const sum = parseExposition(text).find((sample) => sample.name === `${name}_sum`)?.value;
  expect(await ask(`sum(histogram_sum(${name}))`)).toBeCloseTo(sum as number, 9);
  const { result } = (await prometheus.query('query', { query: `${name}_bucket` })) as { result: unknown[] };
  expect(result).toEqual([]);
  // What is no histogram comes the same way.
  expect(await ask('sum(tulle_requests_total{failure="none"})')).toBe(REQUESTS);
});
