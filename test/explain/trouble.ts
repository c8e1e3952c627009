// What is broken in the mesh, as its configs say it. Each trouble is met by the requests that are meant for it alone: by a header, by the id of a run, or by the
// host of a webhook.
import { type MeshPlan, NAMESPACE, SERVICES, sidecarOf, spiffeId } from '../../examples/demo/topology.ts';

/** Of runs that the gateway asks for where no healthy worker is. */
export const RUN_AT = {
  foreign: 'run_00000000-0000-4000-8000-000000000001',
  ejected: 'run_00000000-0000-4000-8000-000000000002',
  crowded: 'run_00000000-0000-4000-8000-000000000003',
} as const;

/** With one of these, the second request is one too many. */
export const LIMITED_BY = { local: 'x-client', shared: 'x-tenant' } as const;

export interface Places {
  /** Nobody listens there. */
  readonly gone: number;
  /** A sidecar with a certificate of another trust domain. */
  readonly foreign: number;
  /** Takes connections and says nothing. */
  readonly silent: number;
  /** The Redis of shared limits. */
  readonly limitStore: number;
  readonly jwtSecretFile: string;
  readonly modelFolder: string;
}

export function troubleAt(places: Places): MeshPlan {
  return { services: WITH_AI, adjust: (name, documents) => trouble(places, name, documents) };
}

const WITH_AI = {
  ...SERVICES,
  gateway: [...(SERVICES.gateway ?? []), 'ai-processor'],
  'ai-processor': ['vector-store'],
  'vector-store': [],
};

function trouble(places: Places, name: string, documents: readonly object[]): readonly object[] {
  switch (name) {
    case sidecarOf('gateway'):
      return [...withCallees(documents, workersOf(places)), ...edgePolicies(places), ...workerPolicies()];
    case sidecarOf('webhook-dispatcher'):
      return [...withCallees(documents, targetsOf(places)), IMPATIENCE];
    case 'gateway':
      return documents.map((config) => ({ ...config, worker: { timeoutMs: 500 } }));
    case 'webhook-dispatcher':
      return documents.map((config) => ({ ...config, ...QUICK_DELIVERY }));
    case sidecarOf('ai-processor'):
      return [...documents, IMPATIENCE_WITH_STORE];
    case 'ai-processor':
      return documents.map((config) => ({ ...config, model: { folder: places.modelFolder } }));
    case 'vector-store':
      return documents.map((config) => ({ ...config, folder: 'vectors' }));
    default:
      return documents;
  }
}

/** Two attempts, and the second soon. */
const QUICK_DELIVERY = {
  retry: { attempts: 2, firstDelayMs: 50, maxDelayMs: 100 },
  attemptTimeoutMs: 500,
};

function withCallees(documents: readonly object[], callees: readonly object[]): object[] {
  return documents.map((document) => {
    const { kind, spec } = document as { kind: string; spec: { outbound: { services: object[] } } };
    if (kind !== 'Sidecar') return document;
    const outbound = { ...spec.outbound, services: [...spec.outbound.services, ...callees] };
    return { ...document, spec: { ...spec, outbound } };
  });
}

function workersOf({ gone, foreign, silent }: Places): object[] {
  return [
    {
      host: 'worker-foreign',
      mtls: 'strict',
      identity: spiffeId('workflow-worker'),
      endpoints: [`127.0.0.1:${foreign}`],
    },
    inClear('worker-ejected', gone),
    inClear('worker-crowded', silent),
  ];
}

function targetsOf({ gone, silent }: Places): object[] {
  return [inClear('gone-hook', gone), inClear('silent-hook', silent), inClear('late-hook', silent)];
}

function inClear(host: string, port: number): object {
  return { host, mtls: 'off', endpoints: [`127.0.0.1:${port}`] };
}

function edgePolicies({ limitStore, jwtSecretFile }: Places): object[] {
  const once = [{ quota: 1, windowSeconds: 3_600 }];
  const login = {
    name: 'login',
    issuer: 'https://login.test',
    audiences: ['gateway'],
    secretFile: jwtSecretFile,
  };
  return [
    policy('JwtPolicy', 'customers', serviceRef('gateway'), { issuers: [login] }),
    policy('RateLimitPolicy', 'fair-use', serviceRef('gateway'), {
      limits: [
        { name: 'per-client', key: [{ header: LIMITED_BY.local }], absent: 'skip', windows: once },
        {
          name: 'per-tenant',
          scope: 'global',
          key: [{ header: LIMITED_BY.shared }],
          absent: 'skip',
          windows: once,
        },
      ],
      redis: { endpoints: [`127.0.0.1:${limitStore}`], deadlineMs: 1_000 },
      onFailure: 'deny',
    }),
  ];
}

function workerPolicies(): object[] {
  const rules = Object.entries(RUN_AT).map(([where, runId]) => ({
    name: where,
    matches: [{ path: { type: 'Exact', value: `/v1/runs/${runId}` } }],
    backendRefs: [{ name: `worker-${where}` }],
  }));
  return [
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name: 'workers', namespace: NAMESPACE },
      spec: {
        parentRefs: [{ group: '', kind: 'Service', name: 'workflow-worker' }],
        rules: [...rules, { backendRefs: [{ name: 'workflow-worker' }] }],
      },
    },
    policy('TrafficPolicy', 'breaker', serviceRef('worker-ejected'), {
      loadBalancer: { panicThreshold: 0 },
      outlierDetection: { consecutive: { connectFailures: 1 }, ejection: { baseMs: 60_000, maxShare: 1 } },
    }),
    policy(
      'TrafficPolicy',
      'one-at-a-time',
      { kind: 'HTTPRoute', name: 'workers', sectionName: 'crowded' },
      {
        concurrency: { limit: 1 },
      },
    ),
  ];
}

/** This one is given up by the mesh, the others by the dispatcher. */
const IMPATIENCE = policy('TrafficPolicy', 'impatience', serviceRef('late-hook'), {
  timeouts: { attemptMs: 200 },
});

const IMPATIENCE_WITH_STORE = policy('TrafficPolicy', 'vector-store', serviceRef('vector-store'), {
  timeouts: { attemptMs: 500 },
});

function policy(kind: string, name: string, target: object, spec: object): object {
  return {
    apiVersion: 'mesh.tulle.dev/v1alpha1',
    kind,
    metadata: { name },
    spec: { targetRefs: [target], ...spec },
  };
}

function serviceRef(name: string): object {
  return { kind: 'Service', name };
}
