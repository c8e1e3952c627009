// Our sidecar, started as its own process the way a pod starts it: as the one file that images ship.
//
// Bare: one inbound listener without mTLS; access log, traces, request id and x-forwarded-* are off, and what has no switch (metrics,
// deadlines) stays on. Features: all of that on, with a JSON access log and 1 % of traces. Policies: an outbound listener with
// features, a rate limit by tenant, breakers and retries. WAF: features, and a WafPolicy for what comes in; `tulle-plain` is the same without. Tracing: features, and
// `tulle-untraced` is the same without traces. Pair and gRPC: two sidecars with features, HTTP/2 over mTLS between them. TCP: one inbound
// listener that passes bytes on, as bare as the first.
import { join } from 'node:path';
import { buildSidecar } from '../../../sidecar/build.ts';
import type { Svid } from '../../../sidecar/src/identity/svid.ts';
import { type Part, startPart } from '../../parts/part.ts';
import { HOST, type ScenarioName, TENANT_HEADER } from '../cells.ts';
import { listProcessTree } from '../process-stats.ts';
import {
  type Contender,
  POLICY_CONCURRENCY,
  POLICY_QUOTA,
  RETRY_BUDGET_PERCENT,
  type RunningContender,
  type Stage,
  Started,
} from './contender.ts';
import { startSpanSink } from './span-sink.ts';

interface ReadySidecar {
  part: Part;
  stop: Part['stop'];
  inbound: Record<string, number>;
  outbound: number | null;
}

export const TRUST_DOMAIN = 'bench.tulle.test';
const ACCESS_LOG = './access.log';
/** As long as the peers keep idle connections: no measurement pays for reconnecting. */
const TIMEOUTS = { idleMs: 3_600_000 };
const BARE = { telemetry: { accessLog: 'off' }, headers: { requestId: 'off', forwarded: 'off' } };

const SERVICE = 'backend';
const POLICIES = [
  policy('RateLimitPolicy', {
    limits: [
      {
        name: 'tenants',
        key: [{ header: TENANT_HEADER }],
        windows: [{ quota: POLICY_QUOTA, windowSeconds: 1 }],
      },
    ],
  }),
  policy('TrafficPolicy', {
    outlierDetection: {},
    concurrency: { limit: POLICY_CONCURRENCY },
    retry: { budget: { percent: RETRY_BUDGET_PERCENT } },
  }),
];

export const tulle: Contender = {
  name: 'tulle',
  scenarios: ['bare', 'features', 'policies', 'waf', 'tracing', 'pair', 'grpc', 'tcp'],
  start: (scenario, stage) => {
    if (scenario === 'policies') return startWithPolicies(stage);
    if (scenario === 'pair') return startPair(stage, stage.backendPort);
    if (scenario === 'grpc') return startPair(stage, stage.grpcBackendPort);
    return startHop(scenario, stage, { policies: scenario === 'waf' ? [policy('WafPolicy', {})] : [] });
  },
};

export const tullePlain: Contender = {
  name: 'tulle-plain',
  scenarios: ['waf'],
  start: (scenario, stage) => startHop(scenario, stage),
};

export const tulleUntraced: Contender = {
  name: 'tulle-untraced',
  scenarios: ['tracing'],
  start: (scenario, stage) => startHop(scenario, stage, { traces: false }),
};

async function startHop(
  scenario: ScenarioName,
  stage: Stage,
  { policies = [], traces = true }: { policies?: object[]; traces?: boolean } = {},
): Promise<RunningContender> {
  const started = new Started();
  const sink = await started.add(startSpanSink());
  const hasFeatures = scenario !== 'bare' && scenario !== 'tcp';
  const sidecar = await started.add(
    startSidecar(
      stage,
      {
        service: SERVICE,
        inbound: [
          { ...inboundListener('off', stage.backendPort), protocol: scenario === 'tcp' ? 'tcp' : 'auto' },
        ],
        ...(hasFeatures ? { telemetry: telemetry(traces ? sink.port : null) } : BARE),
      },
      { policies },
    ),
  );
  return {
    port: sidecar.inbound.http ?? 0,
    pids: listProcessTree(sidecar.part.pid),
    accessLogs: hasFeatures ? [join(sidecar.part.folder, ACCESS_LOG)] : [],
    spans: hasFeatures && traces ? sink.spans : null,
    stop: started.stop,
  };
}

async function startWithPolicies(stage: Stage): Promise<RunningContender> {
  const started = new Started();
  const sink = await started.add(startSpanSink());
  const service = { host: HOST, name: SERVICE, mtls: 'off', endpoints: [`127.0.0.1:${stage.backendPort}`] };
  const sidecar = await started.add(
    startSidecar(
      stage,
      {
        service: 'client',
        outbound: { listen: '127.0.0.1:0', services: [service] },
        telemetry: telemetry(sink.port),
      },
      { policies: POLICIES },
    ),
  );
  return {
    port: sidecar.outbound ?? 0,
    pids: listProcessTree(sidecar.part.pid),
    accessLogs: [join(sidecar.part.folder, ACCESS_LOG)],
    spans: sink.spans,
    stop: started.stop,
  };
}

async function startPair(stage: Stage, backendPort: number): Promise<RunningContender> {
  const started = new Started();
  const sink = await started.add(startSpanSink());
  const inbound = await started.add(
    startSidecar(
      stage,
      {
        service: 'backend',
        identity: identity(),
        inbound: [inboundListener('strict', backendPort)],
        telemetry: telemetry(sink.port),
      },
      { svid: stage.inbound },
    ),
  );
  const outbound = await started.add(
    startSidecar(
      stage,
      {
        service: 'client',
        identity: identity(),
        outbound: {
          listen: '127.0.0.1:0',
          services: [
            {
              host: HOST,
              mtls: 'strict',
              identity: stage.inbound.spiffeId,
              endpoints: [`127.0.0.1:${inbound.inbound.http}`],
            },
          ],
        },
        telemetry: telemetry(sink.port),
      },
      { svid: stage.outbound },
    ),
  );
  const parts = [outbound.part, inbound.part];
  return {
    port: outbound.outbound ?? 0,
    pids: parts.flatMap((part) => listProcessTree(part.pid)),
    accessLogs: parts.map((part) => join(part.folder, ACCESS_LOG)),
    spans: sink.spans,
    stop: started.stop,
  };
}

async function startSidecar(
  stage: Stage,
  spec: Record<string, unknown>,
  { svid = stage.inbound, policies = [] }: { svid?: Svid; policies?: object[] } = {},
): Promise<ReadySidecar> {
  const documents = [
    { ...document('Sidecar', String(spec.service)), spec: { ...spec, timeouts: TIMEOUTS } },
    ...policies,
  ];
  const part = await startPart({
    name: 'tulle',
    command: process.execPath,
    args: [await builtOnce(), '--config', 'sidecar.yaml'],
    env: { NODE_ENV: 'production' },
    cpu: stage.cpu,
    files: {
      // JSON is YAML.
      'sidecar.yaml': documents.map((entry) => JSON.stringify(entry)).join('\n---\n'),
      'svid.pem': svid.certificatePem,
      'svid.key': svid.keyPem,
      'roots.pem': svid.rootsPem,
    },
    isReady: ({ output }) => findReadyLine(output()) !== undefined,
  });
  const ready = JSON.parse(findReadyLine(part.output()) ?? '{}');
  return { part, stop: part.stop, inbound: ready.inbound, outbound: ready.outbound };
}

function policy(kind: string, spec: object): object {
  return { ...document(kind, SERVICE), spec: { targetRefs: [{ kind: 'Service', name: SERVICE }], ...spec } };
}

function document(kind: string, name: string): object {
  return { apiVersion: 'mesh.tulle.dev/v1alpha1', kind, metadata: { name, namespace: 'bench' } };
}

let built: Promise<string> | null = null;

function builtOnce(): Promise<string> {
  built ??= buildSidecar();
  return built;
}

function findReadyLine(output: string): string | undefined {
  return output
    .split('\n')
    .find((line) => line.startsWith('{') && line.includes('"event":"ready"') && line.endsWith('}'));
}

function inboundListener(mtls: 'strict' | 'off', targetPort: number) {
  return { name: 'http', listen: '127.0.0.1:0', mtls, target: `127.0.0.1:${targetPort}` };
}

function identity() {
  const files = { certificate: 'svid.pem', key: 'svid.key', roots: 'roots.pem' };
  return { trustDomain: TRUST_DOMAIN, files };
}

/** Without a sink, no traces. */
function telemetry(sinkPort: number | null) {
  const traces = { endpoint: `http://127.0.0.1:${sinkPort}`, headSampleRatio: 0.01 };
  return { accessLog: ACCESS_LOG, ...(sinkPort === null ? {} : { traces }) };
}
