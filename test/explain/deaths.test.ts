// A request that dies at a hop is explained: where, in which phase, of what. Real processes, real certificates, and the command line that people use.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { tulle } from '../../mesh/cli/cli.fixture.ts';
import type { Diagnosis } from '../../mesh/cli/explain/diagnosis.ts';
import { type Asked, BrokenMesh } from './broken-mesh.ts';
import { LIMITED_BY, RUN_AT } from './trouble.ts';

let mesh: BrokenMesh;

beforeAll(async () => {
  // One of the deaths is that of Redis, which has to be ours.
  vi.stubEnv('REDIS_URL', '');
  mesh = await BrokenMesh.start();
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await mesh?.close();
});

type Death = {
  readonly of: string;
  readonly ask: () => Promise<Asked>;
  readonly told: Partial<Diagnosis> & Pick<Diagnosis, 'hop' | 'phase' | 'failureCode'>;
};

const RUN = '/v1/runs/run_00000000-0000-4000-8000-00000000000f';

async function second(ask: () => Promise<Asked>): Promise<Asked> {
  await ask();
  return ask();
}

const DEATHS: readonly Death[] = [
  {
    of: 'edge auth: no API key',
    ask: () => mesh.ask(RUN, { 'x-api-key': '' }),
    told: {
      outcome: 'refused',
      hop: 'gateway service in',
      phase: 'code',
      failureCode: 'unauthenticated',
      status: 401,
    },
  },
  {
    of: 'edge auth: a forged token',
    ask: () => mesh.ask(RUN, { authorization: 'Bearer forged' }),
    told: {
      outcome: 'refused',
      hop: 'gateway sidecar in',
      phase: 'filters',
      failureCode: 'invalid_token',
      status: 401,
    },
  },
  {
    of: 'edge auth: a path that no rule allows',
    ask: () => mesh.ask('/admin'),
    told: {
      outcome: 'refused',
      hop: 'gateway sidecar in',
      phase: 'filters',
      failureCode: 'access_denied',
      status: 403,
    },
  },
  {
    of: 'limiter: of the sidecar',
    ask: () => second(() => mesh.ask(RUN, { [LIMITED_BY.local]: 'greedy' })),
    told: {
      outcome: 'refused',
      hop: 'gateway sidecar in',
      phase: 'limiter',
      failureCode: 'rate_limited',
      status: 429,
    },
  },
  {
    of: 'limiter: shared over Redis',
    ask: () => second(() => mesh.ask(RUN, { [LIMITED_BY.shared]: 'greedy' })),
    told: {
      outcome: 'refused',
      hop: 'gateway sidecar in',
      phase: 'limiter',
      failureCode: 'rate_limited',
      status: 429,
    },
  },
  {
    of: 'breaker',
    ask: () => second(() => mesh.ask(`/v1/runs/${RUN_AT.ejected}`)),
    told: {
      outcome: 'died',
      hop: 'gateway sidecar out',
      phase: 'pool',
      failureCode: 'circuit_open',
      status: 503,
    },
  },
  {
    of: 'breaker: too many at once',
    // The one that is under way is given up half a second later.
    ask: () => Promise.race([1, 2].map(() => mesh.ask(`/v1/runs/${RUN_AT.crowded}`))),
    told: {
      outcome: 'died',
      hop: 'gateway sidecar out',
      phase: 'limiter',
      failureCode: 'overloaded',
      status: 503,
    },
  },
  {
    of: 'TLS to the worker',
    ask: () => mesh.ask(`/v1/runs/${RUN_AT.foreign}`),
    told: {
      outcome: 'died',
      hop: 'gateway sidecar out',
      phase: 'tls',
      failureCode: 'tls_failed',
      status: 503,
    },
  },
  {
    of: 'worker code',
    ask: () => mesh.startRun('webhook-receiver/hooks/ok', { other: 1 }),
    told: {
      outcome: 'died',
      hop: 'workflow-worker service',
      phase: 'code',
      failureCode: 'PermanentFailure',
    },
  },
  {
    of: 'webhook target: answers 500',
    ask: () => mesh.startRun('webhook-receiver/hooks/fail'),
    told: {
      outcome: 'died',
      hop: 'webhook-receiver service in',
      phase: 'code',
      failureCode: 'failing_on_purpose',
      status: 500,
      attempts: 2,
    },
  },
  {
    of: 'webhook target: refuses connections',
    ask: () => mesh.startRun('gone-hook/'),
    told: {
      outcome: 'died',
      hop: 'webhook-dispatcher sidecar out',
      phase: 'connect',
      failureCode: 'connect_refused',
      attempts: 2,
    },
  },
  {
    of: 'webhook target: too late for the mesh',
    ask: () => mesh.startRun('late-hook/'),
    told: {
      outcome: 'died',
      hop: 'webhook-dispatcher sidecar out',
      phase: 'upstream',
      failureCode: 'upstream_timeout',
      attempts: 2,
    },
  },
  {
    of: 'webhook target: too late for the dispatcher',
    ask: () => mesh.startRun('silent-hook/'),
    told: {
      outcome: 'died',
      hop: 'webhook-dispatcher sidecar out',
      phase: 'upstream',
      failureCode: 'timeout',
      givenUpBy: 'webhook-dispatcher service out',
      attempts: 2,
    },
  },
  {
    of: 'vector store: stands still',
    ask: async () => {
      mesh.signal('vector-store', 'SIGSTOP');
      const asked = await mesh.search('double payment');
      mesh.signal('vector-store', 'SIGCONT');
      return asked;
    },
    told: {
      outcome: 'died',
      hop: 'vector-store sidecar in',
      phase: 'upstream',
      failureCode: 'upstream_timeout',
      givenUpBy: 'ai-processor sidecar out',
    },
  },
  {
    of: 'vector store: is dead',
    ask: async () => {
      await mesh.kill('vector-store');
      return mesh.search('double payment');
    },
    told: {
      outcome: 'died',
      hop: 'vector-store sidecar in',
      phase: 'connect',
      failureCode: 'connect_refused',
      status: 503,
    },
  },
  {
    of: 'Redis: that of shared limits',
    ask: async () => {
      await mesh.kill('limit-store');
      return mesh.ask(RUN, { [LIMITED_BY.shared]: 'modest' });
    },
    told: {
      outcome: 'died',
      hop: 'gateway sidecar in',
      phase: 'limiter',
      failureCode: 'rate_limit_unavailable',
    },
  },
  {
    of: 'Redis: that of the queue',
    ask: async () => {
      await mesh.kill('redis');
      return mesh.startRun('webhook-receiver/hooks/ok');
    },
    told: {
      outcome: 'died',
      hop: 'gateway job sent',
      phase: 'call',
      failureCode: 'queue_unavailable',
    },
  },
];

describe('a request that dies of', () => {
  test.each(DEATHS)('$of', async ({ ask, told }) => {
    const { requestId } = await ask();
    // Services send their spans twice a second.
    await expect
      .poll(() => explain(requestId), { timeout: 10_000, interval: 300 })
      .toMatchObject({ diagnosis: { requestId, ...told } });
    const { out } = await tulle(['explain', requestId, '--control', mesh.control, '--width', '160']);

    expect(out.replace(/\s+/g, ' ')).toContain(`at ${told.hop},`);
    expect(out).toContain(told.failureCode);
  });
});

async function explain(requestId: string): Promise<unknown> {
  const { out } = await tulle(['explain', requestId, '--control', mesh.control, '--json']);
  return out === '' ? null : JSON.parse(out);
}
