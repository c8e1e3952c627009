// Envoy as a mesh configures it: HTTP/2 between its two sides; and, for comparison, with pooled HTTP/1.1 between them. With gRPC
// it speaks HTTP/2 to the backend, too.
import { join } from 'node:path';
import type { Svid } from '../../../sidecar/src/identity/svid.ts';
import { startEnvoy } from '../../parts/envoy.ts';
import type { ScenarioName } from '../cells.ts';
import { listProcessTree } from '../process-stats.ts';
import { type Contender, type RunningContender, type Stage, Started } from './contender.ts';
import {
  ACCESS_LOG,
  bootstrap,
  downstreamTls,
  httpCluster,
  httpListener,
  otlpCluster,
  tcpCluster,
  tcpListener,
  upstreamTls,
} from './envoy-config.ts';
import { startSpanSink } from './span-sink.ts';

export const envoy: Contender = {
  name: 'envoy',
  scenarios: ['bare', 'features', 'policies', 'pair', 'grpc', 'tcp'],
  start: (scenario, stage) => {
    if (scenario === 'pair') return startPair(stage, 'h2', httpBackend(stage));
    if (scenario === 'grpc') return startPair(stage, 'h2', grpcBackend(stage));
    return scenario === 'tcp' ? startRelay(stage) : startHop(scenario, stage);
  },
};

export const envoyHttp1: Contender = {
  name: 'envoy-http1',
  scenarios: ['pair'],
  start: (_scenario, stage) => startPair(stage, 'http/1.1', httpBackend(stage)),
};

async function startHop(scenario: ScenarioName, stage: Stage): Promise<RunningContender> {
  const started = new Started();
  const sink = await started.add(startSpanSink());
  const hasPolicies = scenario === 'policies';
  const hasFeatures = hasPolicies || scenario === 'features';
  const proxy = await started.add(
    startEnvoy({
      cpu: stage.cpu,
      config: bootstrap({
        listener: httpListener({ hasFeatures, hasPolicies, service: 'backend', tls: null }),
        clusters: [httpBackend(stage, hasPolicies), otlpCluster(sink.port)],
      }),
    }),
  );
  return {
    port: proxy.ports.client ?? 0,
    pids: listProcessTree(proxy.pid),
    accessLogs: hasFeatures ? [join(proxy.folder, ACCESS_LOG)] : [],
    spans: hasFeatures ? sink.spans : null,
    stop: started.stop,
  };
}

async function startRelay(stage: Stage): Promise<RunningContender> {
  const config = bootstrap({ listener: tcpListener(), clusters: [tcpCluster(stage.backendPort)] });
  const proxy = await startEnvoy({ cpu: stage.cpu, config });
  return {
    port: proxy.ports.client ?? 0,
    pids: listProcessTree(proxy.pid),
    accessLogs: [],
    spans: null,
    stop: proxy.stop,
  };
}

async function startPair(
  stage: Stage,
  protocol: 'h2' | 'http/1.1',
  backend: Record<string, unknown>,
): Promise<RunningContender> {
  const started = new Started();
  const sink = await started.add(startSpanSink());
  const inbound = await started.add(
    startEnvoy({
      cpu: stage.cpu,
      files: svidFiles(stage.inbound),
      config: bootstrap({
        listener: httpListener({
          hasFeatures: true,
          service: 'backend',
          tls: downstreamTls(stage.outbound.spiffeId, protocol),
        }),
        clusters: [backend, otlpCluster(sink.port)],
      }),
    }),
  );
  const outbound = await started.add(
    startEnvoy({
      cpu: stage.cpu,
      files: svidFiles(stage.outbound),
      config: bootstrap({
        listener: httpListener({ hasFeatures: true, service: 'client', tls: null }),
        clusters: [
          httpCluster({
            port: inbound.ports.client ?? 0,
            protocol,
            tls: upstreamTls(stage.inbound.spiffeId, protocol),
          }),
          otlpCluster(sink.port),
        ],
      }),
    }),
  );
  const proxies = [outbound, inbound];
  return {
    port: outbound.ports.client ?? 0,
    pids: proxies.flatMap((proxy) => listProcessTree(proxy.pid)),
    accessLogs: proxies.map((proxy) => join(proxy.folder, ACCESS_LOG)),
    spans: sink.spans,
    stop: started.stop,
  };
}

function httpBackend({ backendPort }: Stage, hasPolicies = false): Record<string, unknown> {
  return httpCluster({ port: backendPort, protocol: 'http/1.1', tls: null, hasPolicies });
}

function grpcBackend({ grpcBackendPort }: Stage): Record<string, unknown> {
  return httpCluster({ port: grpcBackendPort, protocol: 'h2', tls: null });
}

function svidFiles(svid: Svid): Record<string, string> {
  return { 'svid.pem': svid.certificatePem, 'svid.key': svid.keyPem, 'roots.pem': svid.rootsPem };
}
