// Every contender in every scenario answers every workload correctly, with real processes: a benchmark of a proxy that
// is set up wrong is worse than none.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAuthority } from '../../mesh/ca/authority.ts';
import { issueSvid } from '../../mesh/ca/issue-svid.ts';
import { findOnPath } from '../parts/install.ts';
import { startBackend } from './backend.ts';
import { encodeRequest, WORKLOADS, type Workload } from './cells.ts';
import type { Stage } from './contenders/contender.ts';
import { envoy, envoyHttp1 } from './contenders/envoy.ts';
import { haproxy } from './contenders/haproxy.ts';
import { nginx } from './contenders/nginx.ts';
import { TRUST_DOMAIN, tulle } from './contenders/tulle.ts';
import { generateLoad } from './generator.ts';
import { readCpuNs } from './process-stats.ts';
import { saturate } from './wrk.ts';

/** Some seventy requests each: that none of them all is sampled will not be seen (0.99^7000). */
const SPAN_ROUNDS = 100;
const canInstall = (await findOnPath('apt-get')) !== null && (await findOnPath('taskset')) !== null;
const cases = [tulle, envoy, envoyHttp1, haproxy, nginx].flatMap((contender) =>
  contender.scenarios.map((scenario) => ({ name: contender.name, scenario, contender })),
);
let stage: Stage;
let backend: Awaited<ReturnType<typeof startBackend>>;

beforeAll(async () => {
  if (!canInstall) return;
  backend = await startBackend(0);
  const authority = await createAuthority({ trustDomain: TRUST_DOMAIN });
  const idOf = (name: string) => `spiffe://${TRUST_DOMAIN}/ns/bench/sa/${name}`;
  stage = {
    backendPort: backend.port,
    cpu: 0,
    outbound: await issueSvid(authority, { spiffeId: idOf('client') }),
    inbound: await issueSvid(authority, { spiffeId: idOf('backend') }),
  };
});

afterAll(() => backend?.stop());

test.skipIf(!canInstall).each(cases)('$name, $scenario', async ({ contender, scenario }) => {
  const running = await contender.start(scenario, stage);
  const timing = { connections: 8, warmUpMs: 20, measureMs: 120, readCpuNs: () => readCpuNs(running.pids) };
  try {
    const steady = (workload: Workload) => ({
      port: running.port,
      request: encodeRequest(workload),
      responseBytes: workload.responseBytes,
      ratePerSecond: 500,
      ...timing,
    });
    for (const workload of WORKLOADS) {
      const result = await generateLoad(steady(workload));
      expect(result.requests).toBeGreaterThan(0);
      expect(result.cpuNs).toBeGreaterThan(0);
    }
    const workload = WORKLOADS[1];
    if (workload === undefined) throw new Error('no workload');
    const saturated = await saturate({ port: running.port, workload, ...timing });
    expect(saturated.requests).toBeGreaterThan(0);
    for (const path of running.accessLogs) {
      const line = (await readFile(path, 'utf8')).split('\n').find((text) => text.includes('/orders'));
      expect(JSON.parse(line ?? '{}')).toMatchObject({ method: 'POST', path: '/orders', status: 200 });
      expect(JSON.parse(line ?? '{}').request_id).toMatch(/^[0-9a-f-]{32,36}$/);
    }
    const { spans } = running;
    if (spans !== null) {
      // One trace in a hundred is kept, so that the few hundred requests of a busy machine may have none: more of them, then.
      for (let round = 0; spans() === 0 && round < SPAN_ROUNDS; round++) await generateLoad(steady(workload));
      expect(spans()).toBeGreaterThan(0);
    }
  } finally {
    await running.stop();
  }
});
