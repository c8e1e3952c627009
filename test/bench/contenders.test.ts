// Every contender in every scenario answers every workload correctly, with real processes: a benchmark of a proxy that
// is set up wrong is worse than none.
import { readFile } from 'node:fs/promises';
import { Client, credentials } from '@grpc/grpc-js';
import { request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAuthority } from '../../mesh/ca/authority.ts';
import { issueSvid } from '../../mesh/ca/issue-svid.ts';
import { findOnPath } from '../parts/install.ts';
import { type Backends, startBackends } from './backend.ts';
import { type Cell, HOST, headersOf, listCells, REQUEST_HEADERS, type ScenarioName } from './cells.ts';
import { POLICY_QUOTA, type RunningContender, type Stage } from './contenders/contender.ts';
import { envoy, envoyHttp1 } from './contenders/envoy.ts';
import { haproxy } from './contenders/haproxy.ts';
import { nginx } from './contenders/nginx.ts';
import { TRUST_DOMAIN, tulle, tullePlain, tulleUntraced } from './contenders/tulle.ts';
import { isLarge, measure } from './measurement.ts';

/** Some seventy requests each: that none of them all is sampled will not be seen (0.99^7000). */
const SPAN_ROUNDS = 100;
const CPU = 0;
const MEASUREMENTS = 30;
const PATIENCE_MS = 120_000;
const DURATIONS = { warmUpMs: 100, measureMs: 120 };
const canInstall = (await findOnPath('apt-get')) !== null && (await findOnPath('taskset')) !== null;
const cases = [tulle, tullePlain, tulleUntraced, envoy, envoyHttp1, haproxy, nginx].flatMap((contender) =>
  contender.scenarios.map((scenario) => ({ name: contender.name, scenario, contender })),
);
let stage: Stage;
let backends: Backends;

beforeAll(async () => {
  if (!canInstall) return;
  backends = await startBackends(CPU);
  const authority = await createAuthority({ trustDomain: TRUST_DOMAIN });
  const idOf = (name: string) => `spiffe://${TRUST_DOMAIN}/ns/bench/sa/${name}`;
  stage = {
    backendPort: backends.port,
    grpcBackendPort: backends.grpcPort,
    cpu: CPU,
    outbound: await issueSvid(authority, { spiffeId: idOf('client') }),
    inbound: await issueSvid(authority, { spiffeId: idOf('backend') }),
  };
});

afterAll(() => backends?.stop());

test.skipIf(!canInstall).each(cases)(
  '$name, $scenario',
  { timeout: PATIENCE_MS },
  async ({ contender, scenario }) => {
    const running = await contender.start(scenario, stage);
    try {
      for (const cell of smallCellsOf(scenario)) {
        if (cell.load === 'saturated' && isLarge(cell)) continue;
        const sample = await measureUntilAnswered(cell, running);
        expect(sample.requestsPerSecond, cell.name).toBeGreaterThan(0);
        expect(sample.cpuMicros, cell.name).toBeGreaterThan(0);
      }
      if (scenario === 'policies') expect(await readLimit(running.port)).toContain(POLICY_QUOTA);
      if (scenario === 'waf') expect(await attackStatus(running.port)).toBe(contender === tulle ? 403 : 200);
      if (scenario === 'grpc') expect(await callStatus(running.port)).toEqual({ code: 0, bytes: 1024 });
      await expectEvidence(running, scenario);
    } finally {
      await running.stop();
    }
  },
);

/** On a busy machine the time of a measurement may be over before the first answer. */
async function measureUntilAnswered(cell: Cell, running: RunningContender): ReturnType<typeof measure> {
  for (let tries = 1; ; tries++) {
    try {
      const sample = await measure(cell, running, DURATIONS, CPU);
      // A clock of CPU time has ticks, and a short measurement may see none.
      if ((sample.requestsPerSecond > 0 && sample.cpuMicros > 0) || tries === MEASUREMENTS) return sample;
    } catch (error) {
      if (tries === MEASUREMENTS) throw error;
    }
  }
}

/** With fewer requests at once: the test is about answers. */
function smallCellsOf(scenario: ScenarioName): Cell[] {
  const cells = listCells(new RegExp(`^${scenario}/.*/32/`));
  return cells.map((cell) => ({ ...cell, concurrency: 8 }));
}

/** The proof that the rate limit is on: what an answer says of it. */
async function readLimit(port: number): Promise<number[]> {
  const [{ workload }] = smallCellsOf('policies') as [Cell];
  const answer = await request(`http://127.0.0.1:${port}${workload.path}`, { headers: REQUEST_HEADERS });
  await answer.body.dump();
  const fields = [answer.headers['ratelimit-policy'], answer.headers['x-ratelimit-limit']].join();
  return [...fields.matchAll(/\d+/g)].map(Number);
}

/** The proof that the WAF is on, or off: what becomes of an attack. */
async function attackStatus(port: number): Promise<number> {
  const [{ workload }] = smallCellsOf('waf') as [Cell];
  const { statusCode, body } = await request(`http://127.0.0.1:${port}${workload.path}`, {
    ...{ method: 'POST', headers: headersOf(workload) },
    body: JSON.stringify({ q: "1' UNION SELECT card FROM customers--" }),
  });
  await body.dump();
  return statusCode;
}

/** What a gRPC client of its own makes of an answer: it alone looks at the trailers. */
async function callStatus(port: number): Promise<{ code: number; bytes: number }> {
  const bytes = (message: Buffer) => message;
  const [{ workload }] = smallCellsOf('grpc') as [Cell];
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.default_authority': HOST,
  });
  try {
    return await new Promise((resolve, reject) => {
      let received = 0;
      const call = client.makeUnaryRequest(workload.path, bytes, bytes, Buffer.alloc(10), (error, answer) => {
        if (error !== null) reject(error);
        received = answer?.length ?? 0;
      });
      call.on('status', ({ code }) => resolve({ code, bytes: received }));
    });
  } finally {
    client.close();
  }
}

async function expectEvidence(running: RunningContender, scenario: ScenarioName): Promise<void> {
  const cells = smallCellsOf(scenario);
  const posting = cells.find(({ workload }) => workload.method === 'POST') ?? (cells[0] as Cell);
  const { method, path: asked } = posting.workload;
  for (const path of running.accessLogs) {
    const line = (await readFile(path, 'utf8')).split('\n').find((text) => text.includes(asked));
    expect(JSON.parse(line ?? '{}')).toMatchObject({ method, path: asked, status: 200 });
    expect(JSON.parse(line ?? '{}').request_id).toMatch(/^[0-9a-f-]{32,36}$/);
  }
  const { spans } = running;
  if (spans === null) return;
  const steady = cells.find(({ load }) => load === 'equal-rate') as Cell;
  // One trace in a hundred is kept, so that the few hundred requests of a busy machine may have none: more of them, then.
  for (let round = 0; spans() === 0 && round < SPAN_ROUNDS; round++) {
    await measure(steady, running, DURATIONS, CPU);
  }
  expect(spans()).toBeGreaterThan(0);
}
