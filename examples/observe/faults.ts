import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { EDGE, type MeshPlan, SERVICES, sidecarOf, type Topology } from '../demo/topology.ts';

// What can be made to go wrong in the running mesh, and which alert has to say so to whom.
// Invariant: everything is put back, and nothing is lost: processes are held, not killed.

export type Fault = {
  readonly title: string;
  readonly alert: string;
  /** All who are to be told, and nobody else: notifiers of alerts/receivers.yaml. */
  readonly told: readonly string[];
  /** What the mesh needs to be, so that nobody has to wait for long. */
  readonly plan?: MeshPlan;
  /** Returns how it is undone. */
  readonly inject: (mesh: FaultyMesh) => Promise<() => Promise<void>>;
};

export type FaultyMesh = {
  readonly topology: Topology;
  /** Of a process of the mesh. */
  readonly pidOf: (name: string) => number;
};

const PLATFORM_PAGE = ['platform-pager', '#platform-alerts'];
const GATEWAY_PAGE = [...PLATFORM_PAGE, 'gateway-owners'];
const MESH_PAGE = ['mesh-pager', '#mesh-alerts'];

export const FAULTS: Readonly<Record<string, Fault>> = {
  errors: {
    title: `Every third request to the ${EDGE} is answered with 503 (a FaultPolicy in the config of its sidecar)`,
    alert: 'ErrorBudgetBurnsFast',
    told: GATEWAY_PAGE,
    inject: (mesh) => addFaultPolicy(mesh, { abort: { percentage: 33, httpStatus: 503 } }),
  },
  latency: {
    title: `Half of the requests to the ${EDGE} take 400 ms longer (a FaultPolicy in the config of its sidecar)`,
    alert: 'ErrorBudgetBurnsFast',
    told: GATEWAY_PAGE,
    inject: (mesh) => addFaultPolicy(mesh, { delay: { percentage: 50, delayMs: 400 } }),
  },
  queue: {
    title: 'The workflow worker hangs (SIGSTOP), and jobs wait for it',
    alert: 'QueueStalls',
    told: PLATFORM_PAGE,
    inject: (mesh) => hold(mesh, 'workflow-worker'),
  },
  cert: {
    title:
      'The certificate authority hangs (SIGSTOP), and certificates, which live for 40 s here, are not replaced',
    alert: 'CertificateExpires',
    told: MESH_PAGE,
    plan: { services: SERVICES, adjust: withShortCertificates },
    inject: (mesh) => hold(mesh, 'ca'),
  },
  redis: {
    title: 'Redis hangs (SIGSTOP)',
    alert: 'RedisAway',
    told: PLATFORM_PAGE,
    inject: (mesh) => hold(mesh, 'redis'),
  },
};

/** Certificates live for 40 seconds, and are replaced after 20. */
function withShortCertificates(name: string, documents: readonly object[]): readonly object[] {
  return name === 'ca' ? documents.map((config) => ({ ...config, svidTtlSeconds: 40 })) : documents;
}

/** The sidecar watches its config. */
async function addFaultPolicy({ topology }: FaultyMesh, spec: object): Promise<() => Promise<void>> {
  const file = join(topology.folder, `${sidecarOf(EDGE)}.yaml`);
  const before = await readFile(file, 'utf8');
  const policy = {
    apiVersion: 'mesh.tulle.dev/v1alpha1',
    kind: 'FaultPolicy',
    metadata: { name: 'observed' },
    spec: { targetRefs: [{ kind: 'Service', name: EDGE }], ...spec },
  };
  await writeFile(file, `${before}\n---\n${stringify(policy)}`);
  return () => writeFile(file, before);
}

async function hold({ pidOf }: FaultyMesh, name: string): Promise<() => Promise<void>> {
  const pid = pidOf(name);
  process.kill(pid, 'SIGSTOP');
  return async () => {
    process.kill(pid, 'SIGCONT');
  };
}
