// Every case through a real sidecar, whole and in pieces: any split into packets must lead to the same verdict.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Sidecar, startSidecar } from '../../sidecar/src/app.ts';
import { Activity } from './activity.ts';
import type { Case } from './case.ts';
import { themes } from './cases/index.ts';
import { Origin } from './origin.ts';
import { type Lane, runCase } from './run-case.ts';
import { BYTE_BY_BYTE, type SplitPlan, seededPlan, seedOf, WHOLE } from './split.ts';

/** Cases that send more than this are not sent byte by byte: a packet a byte would take minutes. */
const BYTE_BY_BYTE_LIMIT = 2_000;
const LANES = 4;

let folder: string;
let sidecar: Sidecar;
let lanes: Lane[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-conformance-'));
  const origins = Array.from({ length: LANES }, () => {
    const activity = new Activity();
    return { activity, origin: new Origin(activity) };
  });
  const ports = await Promise.all(origins.map(({ origin }) => origin.listen()));
  const configPath = join(folder, 'sidecar.yaml');
  await writeFile(configPath, configFor(ports));
  sidecar = await startSidecar({ configPath });
  lanes = origins.map((lane, i) => ({ ...lane, port: sidecar.inboundPorts[`lane-${i}`] as number }));
});

afterAll(async () => {
  await sidecar.drain();
  await Promise.all(lanes.map(({ origin }) => origin.close()));
  await rm(folder, { recursive: true });
});

describe.each(Object.entries(themes))('%s', (_theme, cases) => {
  it.each(cases.map((testCase) => [testCase.id, testCase] as const))('%s', async (_id, testCase) => {
    const plans = plansFor(testCase);
    const results = await Promise.all(
      plans.map(async (plan, i) => {
        const differences = await runCase(lanes[i] as Lane, testCase, plan);
        return differences.map((difference) => `[${plan.name}] ${difference}`);
      }),
    );
    expect(results.flat(), testCase.why).toEqual([]);
  });
});

it('has at least 300 cases, each with an id of its own', () => {
  const ids = Object.values(themes).flatMap((cases) => cases.map(({ id }) => id));
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.length).toBeGreaterThanOrEqual(300);
});

function plansFor(testCase: Case): SplitPlan[] {
  const { id, send } = testCase;
  const sent = typeof send === 'string' ? send.length : send.join('').length;
  const answered = (testCase.answers ?? [])
    .map((answer) => (typeof answer === 'string' ? answer : answer.bytes).length)
    .reduce((sum, length) => sum + length, 0);
  const seeded = [seededPlan(seedOf(id)), seededPlan(seedOf(`${id} again`))];
  return sent + answered <= BYTE_BY_BYTE_LIMIT ? [WHOLE, BYTE_BY_BYTE, ...seeded] : [WHOLE, ...seeded];
}

function configFor(ports: number[]): string {
  return JSON.stringify({
    apiVersion: 'mesh.tulle.dev/v1alpha1',
    kind: 'Sidecar',
    metadata: { name: 'conformance' },
    spec: {
      service: 'conformance',
      admin: { listen: '127.0.0.1:0' },
      inbound: ports.map((port, i) => ({
        name: `lane-${i}`,
        listen: '127.0.0.1:0',
        mtls: 'off',
        target: `127.0.0.1:${port}`,
      })),
      telemetry: { accessLog: 'off' },
    },
  });
}
