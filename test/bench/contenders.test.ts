// Every contender in every scenario answers every workload correctly, with real processes: a benchmark of a proxy that
// is set up wrong is worse than none.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAuthority } from '../../mesh/ca/authority.ts';
import { issueSvid } from '../../mesh/ca/issue-svid.ts';
import { findOnPath } from '../parts/install.ts';
import { startBackend } from './backend.ts';
import { encodeRequest, WORKLOADS } from './cells.ts';
import type { Stage } from './contenders/contender.ts';
import { envoy, envoyHttp1 } from './contenders/envoy.ts';
import { haproxy } from './contenders/haproxy.ts';
import { nginx } from './contenders/nginx.ts';
import { TRUST_DOMAIN, tulle } from './contenders/tulle.ts';
import { generateLoad } from './generator.ts';
import { readCpuNs } from './process-stats.ts';
import { saturate } from './wrk.ts';

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
    for (const workload of WORKLOADS) {
      const request = encodeRequest(workload);
      const { responseBytes } = workload;
      const load = { port: running.port, request, responseBytes, ratePerSecond: 500, ...timing };
      const result = await generateLoad(load);
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
    if (running.spans !== null) {
      while (running.spans() === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    }
  } finally {
    await running.stop();
  }
});
