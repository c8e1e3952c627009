// A request that dies at a hop is explained: where, in which phase, of what. Real processes, real certificates, and the command line that people use.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { tulle } from '../../mesh/cli/cli.fixture.ts';
import type { Diagnosis } from '../../mesh/cli/explain/diagnosis.ts';
import { type Asked, BrokenMesh } from './broken-mesh.ts';
import { drawPage, type Example, type Told } from './page.ts';
import { LIMITED_BY, RUN_AT } from './trouble.ts';

const PAGE = '../../docs/explain.md';

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
  /** What is broken. */
  readonly how: string;
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
    how: 'A request without `x-api-key`, or with a wrong one.',
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
    how: 'A request with a bearer token that is none, to a service with a JwtPolicy.',
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
    how: 'A request for `/admin`, which no AccessPolicy allows.',
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
    how: 'A RateLimitPolicy allows one request an hour; this is the second.',
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
    how: 'The same, counted in Redis.',
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
    how: 'Nobody listens at the only endpoint of the worker; the request before this one has opened the breaker.',
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
    how: 'A TrafficPolicy allows one request at once; another is under way.',
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
    how: 'The sidecar of the worker has a certificate of another trust domain.',
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
    how: 'A step of the workflow requires a field that the input lacks.',
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
    how: 'The target answers 500, to every attempt.',
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
    how: 'Nobody listens at the target.',
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
    how: 'The target takes the connection and says nothing; a TrafficPolicy gives an attempt 200 ms.',
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
    how: 'The same, and the dispatcher itself gives up after 500 ms.',
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
    how: 'The process of the vector store is stopped; a TrafficPolicy gives an attempt 500 ms.',
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
    how: 'The process of the vector store is killed.',
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
    how: 'The Redis of a RateLimitPolicy with `onFailure: deny` is killed.',
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
    how: 'The Redis of the queues is killed.',
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
  const examples: Example[] = [];

  test.each(DEATHS)('$of', async ({ of, how, ask, told }) => {
    const { requestId } = await ask();
    let last: Told | null = null;
    const explain = async () => {
      const { out } = await tulle(['explain', requestId, '--control', mesh.control, '--json']);
      last = out === '' ? null : (JSON.parse(out) as Told);
      return last;
    };
    // Services send their spans twice a second.
    await expect
      .poll(explain, { timeout: 10_000, interval: 300 })
      .toMatchObject({ diagnosis: { requestId, outstanding: [], ...told } });
    examples.push({ of, how, told: last as unknown as Told });

    const inWords = async () => {
      const { out, err } = await tulle(['explain', requestId, '--control', mesh.control]);
      return `${out}${err}`.replace(/\s+/g, ' ');
    };
    await expect
      .poll(inWords, { timeout: 10_000, interval: 300 })
      .toMatch(new RegExp(`at ${told.hop},.*: ${told.failureCode}`));
  });

  test('any of these is explained as the page says', async () => {
    await expect(drawPage(examples)).toMatchFileSnapshot(PAGE);
  });
});
