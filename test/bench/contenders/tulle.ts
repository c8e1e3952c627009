// Our sidecar, started as its own process the way a pod starts it: as the one file that images ship.
//
// Bare: one inbound listener without mTLS; access log, traces, request id and x-forwarded-* are off, and what has no switch (metrics,
// deadlines) stays on. Features: all of that on, with a JSON access log and 1 % of traces. Pair and gRPC: two sidecars with
// features, HTTP/2 over mTLS between them. TCP: one inbound listener that passes bytes on, as bare as the first.
import { join } from 'node:path';
import { buildSidecar } from '../../../sidecar/build.ts';
import { type Part, startPart } from '../../parts/part.ts';
import { HOST, type ScenarioName } from '../cells.ts';
import { listProcessTree } from '../process-stats.ts';
import { type Contender, type RunningContender, type Stage, Started } from './contender.ts';
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

export const tulle: Contender = {
  name: 'tulle',
  scenarios: ['bare', 'features', 'pair', 'grpc', 'tcp'],
  start: (scenario, stage) => {
    if (scenario === 'pair') return startPair(stage, stage.backendPort);
    return scenario === 'grpc' ? startPair(stage, stage.grpcBackendPort) : startHop(scenario, stage);
  },
};

async function startHop(scenario: ScenarioName, stage: Stage): Promise<RunningContender> {
  const started = new Started();
  const sink = await started.add(startSpanSink());
  const hasFeatures = scenario === 'features';
  const sidecar = await started.add(
    startSidecar(stage, {
      service: 'backend',
      inbound: [
        { ...inboundListener('off', stage.backendPort), protocol: scenario === 'tcp' ? 'tcp' : 'auto' },
      ],
      ...(hasFeatures ? { telemetry: telemetry(sink.port) } : BARE),
    }),
  );
  return {
    port: sidecar.inbound.http ?? 0,
    pids: listProcessTree(sidecar.part.pid),
    accessLogs: hasFeatures ? [join(sidecar.part.folder, ACCESS_LOG)] : [],
    spans: hasFeatures ? sink.spans : null,
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
      stage.inbound,
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
      stage.outbound,
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
  svid = stage.inbound,
): Promise<ReadySidecar> {
  const document = {
    apiVersion: 'mesh.tulle.dev/v1alpha1',
    kind: 'Sidecar',
    metadata: { name: String(spec.service), namespace: 'bench' },
    spec: { ...spec, timeouts: TIMEOUTS },
  };
  const part = await startPart({
    name: 'tulle',
    command: process.execPath,
    args: [await builtOnce(), '--config', 'sidecar.yaml'],
    env: { NODE_ENV: 'production' },
    cpu: stage.cpu,
    files: {
      // JSON is YAML.
      'sidecar.yaml': JSON.stringify(document),
      'svid.pem': svid.certificatePem,
      'svid.key': svid.keyPem,
      'roots.pem': svid.rootsPem,
    },
    isReady: ({ output }) => findReadyLine(output()) !== undefined,
  });
  const ready = JSON.parse(findReadyLine(part.output()) ?? '{}');
  return { part, stop: part.stop, inbound: ready.inbound, outbound: ready.outbound };
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

function telemetry(sinkPort: number) {
  return {
    accessLog: ACCESS_LOG,
    traces: { endpoint: `http://127.0.0.1:${sinkPort}`, headSampleRatio: 0.01 },
  };
}
