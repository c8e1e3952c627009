import { createHash, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { JoinTokens } from '../../mesh/ca/join-tokens.ts';
import { pickPorts } from './ports.ts';
import type { ChildSpec } from './processes.ts';

// Who there is and who calls whom, and the config files that say so to each process.
// Invariants: everything listens on loopback; secrets are made anew for each run and stand only in the run's folder; only the gateway's
// sidecar takes plain HTTP from outside, between sidecars there is nothing but mTLS with a named peer, whom a policy allows.

export const TRUST_DOMAIN = 'demo.tulle.test';
export const NAMESPACE = 'demo';
export const EDGE = 'gateway';

/** In the order of the flow, each with the services that it calls. */
export const SERVICES: Readonly<Record<string, readonly string[]>> = {
  gateway: ['workflow-worker'],
  'workflow-worker': ['webhook-dispatcher'],
  'webhook-dispatcher': ['webhook-receiver'],
  'webhook-receiver': [],
};

/** Of what the demo tries in vain: the certificate is good, and nobody has allowed the call. */
export const INTRUSION = { from: 'gateway', to: 'webhook-dispatcher' } as const;

export const SERVICE_NAMES = Object.keys(SERVICES);

/** Stands behind a sidecar as the services do; all sidecars talk to it. */
export const CONTROL = 'control';

/** How often and how fast the dispatcher tries: quick enough for somebody who watches. */
export const DELIVERY_RETRY = { attempts: 4, firstDelayMs: 100, maxDelayMs: 800 };

/** For streams to the control plane; pings find out earlier who is gone. */
const CONTROL_IDLE_MS = 3_600_000;

/** Join tokens are good for one enrolment, and for that long. */
const JOIN_SECONDS = 120;

/** Whatever comes from outside is inspected before the gateway sees it. */
const EDGE_WAF = {
  apiVersion: 'mesh.tulle.dev/v1alpha1',
  kind: 'WafPolicy',
  metadata: { name: 'edge' },
  spec: { targetRefs: [{ kind: 'Service', name: EDGE }] },
};

/** Each is called by those who have to, and by nobody else; the edge by whoever is outside, for its API. */
function accessTo({ plan }: Topology, name: string): object {
  const callers = Object.keys(plan.services).filter((caller) => plan.services[caller]?.includes(name));
  const rule =
    name === EDGE
      ? { name: 'api', action: 'allow', to: { paths: ['/v1/*'] } }
      : { name: 'callers', action: 'allow', from: { identities: callers.map(spiffeId) } };
  return {
    apiVersion: 'mesh.tulle.dev/v1alpha1',
    kind: 'AccessPolicy',
    metadata: { name },
    spec: { targetRefs: [{ kind: 'Service', name }], rules: [rule] },
  };
}

export type Ports = {
  readonly service: number;
  readonly inbound: number;
  readonly outbound: number;
  /** Where the service sends its own spans. */
  readonly intake: number;
};

/** For those who want another mesh than the demo's. */
export type MeshPlan = {
  /** Those of the demo and maybe more, with whom each calls. */
  readonly services: Readonly<Record<string, readonly string[]>>;
  /** Has the last word on the documents of a config file, by the name of its process. */
  readonly adjust: (name: string, documents: readonly object[]) => readonly object[];
};

const DEMO: MeshPlan = { services: SERVICES, adjust: (_, documents) => documents };

export type Topology = {
  readonly folder: string;
  readonly ports: Readonly<Record<string, Ports>>;
  readonly apiKey: string;
  readonly otlpUrl: string;
  readonly plan: MeshPlan;
};

export async function planTopology(
  folder: string,
  otlpPort: number,
  plan: MeshPlan = DEMO,
): Promise<Topology> {
  const names = [...Object.keys(plan.services), CONTROL];
  const free = await pickPorts(names.length * 4);
  const ports: Record<string, Ports> = {};
  for (const [index, name] of names.entries()) {
    const [service = 0, inbound = 0, outbound = 0, intake = 0] = free.slice(index * 4, index * 4 + 4);
    ports[name] = { service, inbound, outbound, intake };
  }
  const apiKey = `demo-${randomBytes(12).toString('hex')}`;
  return { folder, ports, apiKey, otlpUrl: `http://127.0.0.1:${otlpPort}`, plan };
}

export function serviceNames({ plan }: Topology): string[] {
  return Object.keys(plan.services);
}

export function portsOf(topology: Topology, name: string): Ports {
  const ports = topology.ports[name];
  if (ports === undefined) throw new Error(`${name} is no service of the demo`);
  return ports;
}

export function spiffeId(name: string): string {
  return `spiffe://${TRUST_DOMAIN}/ns/${NAMESPACE}/sa/${name}`;
}

export function sidecarOf(name: string): string {
  return `${name}-sidecar`;
}

/** Writes the authority's config and one join token a sidecar. */
export async function planAuthority(topology: Topology): Promise<ChildSpec> {
  const { folder } = topology;
  await mkdir(join(folder, 'tokens'));
  const joinTokens = new JoinTokens(join(folder, 'ca'));
  for (const name of [...serviceNames(topology), CONTROL]) {
    const token = await joinTokens.create(spiffeId(name), JOIN_SECONDS);
    await writeSecret(folder, tokenFile(name), token);
  }
  await writeSecret(folder, 'ca-passphrase', randomBytes(32).toString('base64'));
  const config = {
    trustDomain: TRUST_DOMAIN,
    listen: '127.0.0.1:0',
    stateDir: 'ca',
    passphraseFile: 'ca-passphrase',
    // Short enough that certificates are replaced under traffic while somebody plays with the demo.
    svidTtlSeconds: 300,
  };
  return writeSpec(topology, 'ca', '../../mesh/ca/main.ts', config);
}

export async function planSidecar(
  topology: Topology,
  name: string,
  authorityPort: number,
): Promise<ChildSpec> {
  const { service, inbound, outbound, intake } = portsOf(topology, name);
  const called = [
    ...(topology.plan.services[name] ?? []),
    ...(name === INTRUSION.from ? [INTRUSION.to] : []),
  ];
  const config = {
    apiVersion: 'mesh.tulle.dev/v1alpha1',
    kind: 'Sidecar',
    metadata: { name: `${name}-1`, namespace: NAMESPACE },
    spec: {
      service: name,
      identity: identityOf(name, authorityPort),
      control: {
        address: `127.0.0.1:${portsOf(topology, CONTROL).inbound}`,
        identity: spiffeId(CONTROL),
      },
      admin: { listen: '127.0.0.1:0' },
      access: { default: 'deny' },
      inbound: [
        {
          name: 'http',
          listen: `127.0.0.1:${inbound}`,
          mtls: name === EDGE ? 'off' : 'strict',
          protocol: 'http',
          target: `127.0.0.1:${service}`,
        },
      ],
      ...(called.length > 0 && {
        outbound: {
          listen: `127.0.0.1:${outbound}`,
          services: called.map((host) => ({
            host,
            mtls: 'strict',
            identity: spiffeId(host),
            endpoints: [`127.0.0.1:${portsOf(topology, host).inbound}`],
          })),
        },
      }),
      telemetry: {
        accessLog: 'stdout',
        traces: { endpoint: topology.otlpUrl, headSampleRatio: 1, intake: `127.0.0.1:${intake}` },
      },
    },
  };
  const policies = [accessTo(topology, name), ...(name === EDGE ? [EDGE_WAF] : [])];
  return writeSpec(topology, sidecarOf(name), '../../sidecar/src/main.ts', config, ...policies);
}

function identityOf(name: string, authorityPort: number): object {
  return {
    trustDomain: TRUST_DOMAIN,
    authority: {
      url: `https://127.0.0.1:${authorityPort}`,
      rootsFile: 'ca/roots.pem',
      tokenFile: tokenFile(name),
    },
  };
}

/** Writes the config of the control plane and of the sidecar in front of it. */
export async function planControl(
  topology: Topology,
  authorityPort: number,
): Promise<{ control: ChildSpec; sidecar: ChildSpec }> {
  const { service, inbound } = portsOf(topology, CONTROL);
  const address = `127.0.0.1:${service}`;
  const access = {
    apiVersion: 'mesh.tulle.dev/v1alpha1',
    kind: 'AccessPolicy',
    metadata: { name: CONTROL },
    spec: {
      targetRefs: [{ kind: 'Service', name: CONTROL }],
      rules: [
        { name: 'sidecars', action: 'allow', from: { identities: serviceNames(topology).map(spiffeId) } },
      ],
    },
  };
  const sidecar = {
    apiVersion: 'mesh.tulle.dev/v1alpha1',
    kind: 'Sidecar',
    metadata: { name: `${CONTROL}-1`, namespace: NAMESPACE },
    spec: {
      service: CONTROL,
      identity: identityOf(CONTROL, authorityPort),
      admin: { listen: '127.0.0.1:0' },
      access: { default: 'deny' },
      inbound: [
        { name: 'grpc', listen: `127.0.0.1:${inbound}`, mtls: 'strict', protocol: 'grpc', target: address },
      ],
      // Streams of sidecars may have nothing to say for long.
      timeouts: { bodyIdleMs: CONTROL_IDLE_MS },
      telemetry: { accessLog: 'off' },
    },
  };
  return {
    control: await writeSpec(topology, CONTROL, '../../mesh/control/main.ts', { listen: address }),
    sidecar: await writeSpec(topology, sidecarOf(CONTROL), '../../sidecar/src/main.ts', sidecar, access),
  };
}

/** Writes the config files of all services; they share the tenant's secrets. */
export async function planServices(topology: Topology, redisUrl: string): Promise<ChildSpec[]> {
  const { folder, apiKey } = topology;
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  const hash = `sha256:${createHash('sha256').update(apiKey).digest('hex')}`;
  await Promise.all([
    writeSecret(folder, 'webhook-secret', secret),
    writeSecret(folder, 'signing-secrets.yaml', stringify({ tenants: { demo: [secret] } })),
    writeSecret(folder, 'api-keys.yaml', stringify({ keys: [{ tenant: 'demo', hash }] })),
  ]);
  const redis = { url: redisUrl };
  const workflowsFile = pathOf('../../services/workflow-worker/workflows.yaml');
  const own: Record<string, object> = {
    gateway: { redis, secrets: { apiKeys: { file: 'api-keys.yaml' } }, workflowsFile, worker: {} },
    'workflow-worker': { redis, workflowsFile, dispatcher: {} },
    'webhook-dispatcher': {
      redis,
      secrets: { signingSecrets: { file: 'signing-secrets.yaml' } },
      retry: DELIVERY_RETRY,
    },
    'webhook-receiver': { secrets: { signingSecret: { file: 'webhook-secret' } } },
  };
  return Promise.all(
    serviceNames(topology).map((name) => {
      const { service, outbound, intake } = portsOf(topology, name);
      const config = {
        service: name,
        listen: `127.0.0.1:${service}`,
        metrics: { listen: '127.0.0.1:0' },
        ...(topology.plan.services[name]?.length && {
          sidecar: { outbound: `http://127.0.0.1:${outbound}` },
        }),
        telemetry: { endpoint: `http://127.0.0.1:${intake}`, headSampleRatio: 1 },
        ...own[name],
      };
      return writeSpec(topology, name, `../../services/${name}/main.ts`, config);
    }),
  );
}

/** The sidecar takes no aliases. */
const PLAIN = { aliasDuplicateObjects: false };

function tokenFile(name: string): string {
  return join('tokens', name);
}

async function writeSpec(
  topology: Topology,
  name: string,
  script: string,
  ...documents: readonly object[]
): Promise<ChildSpec> {
  const file = join(topology.folder, `${name}.yaml`);
  const adjusted = topology.plan.adjust(name, documents);
  await writeFile(file, adjusted.map((document) => stringify(document, PLAIN)).join('---\n'));
  return { name, script: pathOf(script), config: file };
}

function writeSecret(folder: string, name: string, content: string): Promise<void> {
  return writeFile(join(folder, name), content, { mode: 0o600 });
}

function pathOf(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url));
}
