// HAProxy on one thread: bare, with the features it has (unique id, x-forwarded-for, JSON log; no tracing), as a pair with
// HTTP/2 over mTLS, without features, and passing TCP on. It cannot match a SPIFFE id: both sides verify the chain only.
import { join } from 'node:path';
import { findDebianTool } from '../../parts/debian-tools.ts';
import { type Part, startOnFreePort, startPart } from '../../parts/part.ts';
import { acceptsConnections } from '../listening.ts';
import { listProcessTree } from '../process-stats.ts';
import { type Contender, type RunningContender, type Stage, Started } from './contender.ts';

interface ProxyOptions {
  mode?: 'http' | 'tcp';
  frontend?: string[];
  bind?: string;
  server: string;
}

interface Proxy {
  port: number;
  part: Part;
  stop: Part['stop'];
}

const ACCESS_LOG = 'access.log';
const TLS = 'ca-file roots.pem verify required alpn h2 ssl-min-ver TLSv1.3';

export const haproxy: Contender = {
  name: 'haproxy',
  scenarios: ['bare', 'features', 'pair', 'grpc', 'tcp'],
  start: async (scenario, stage) => {
    const started = new Started();
    const backend = `127.0.0.1:${stage.backendPort}`;
    if (scenario === 'pair') return startPair(stage, started, '', backend);
    if (scenario === 'grpc') {
      return startPair(stage, started, 'proto h2', `127.0.0.1:${stage.grpcBackendPort} proto h2`);
    }
    const hasFeatures = scenario === 'features';
    const proxy = await started.add(
      startProxy(stage, {
        mode: scenario === 'tcp' ? 'tcp' : 'http',
        frontend: hasFeatures ? FEATURES : [],
        server: backend,
      }),
    );
    return {
      port: proxy.port,
      pids: listProcessTree(proxy.part.pid),
      accessLogs: hasFeatures ? [join(proxy.part.folder, ACCESS_LOG)] : [],
      spans: null,
      stop: started.stop,
    };
  },
};

const FEATURES = [
  'log stdout format raw local0',
  'unique-id-format %[uuid()]',
  'unique-id-header X-Request-ID',
  'option forwardfor',
  'http-request set-header X-Forwarded-Proto http',
  'log-format "{\\"time\\":\\"%tr\\",\\"method\\":\\"%HM\\",\\"path\\":\\"%HPO\\",\\"protocol\\":\\"%HV\\",\\"status\\":%ST,' +
    '\\"flags\\":\\"%tsc\\",\\"request_bytes\\":%U,\\"response_bytes\\":%B,\\"duration_ms\\":%Ta,\\"upstream_ms\\":%Tr,' +
    '\\"upstream\\":\\"%si:%sp\\",\\"downstream\\":\\"%ci:%cp\\",\\"request_id\\":\\"%ID\\"}"',
];

async function startPair(
  stage: Stage,
  started: Started,
  bind: string,
  server: string,
): Promise<RunningContender> {
  const inbound = await started.add(startProxy(stage, { bind: `ssl crt inbound.pem ${TLS}`, server }));
  const outbound = await started.add(
    startProxy(stage, { bind, server: `127.0.0.1:${inbound.port} ssl crt outbound.pem ${TLS}` }),
  );
  return {
    port: outbound.port,
    pids: [outbound, inbound].flatMap((proxy) => listProcessTree(proxy.part.pid)),
    accessLogs: [],
    spans: null,
    stop: started.stop,
  };
}

async function startProxy(stage: Stage, options: ProxyOptions): Promise<Proxy> {
  const { command, env } = await findDebianTool('haproxy');
  return startOnFreePort(async (port) => {
    const part = await startPart({
      name: 'haproxy',
      // HAProxy logs to a file only through its standard output.
      command: 'sh',
      args: ['-c', `exec "$0" -db -f haproxy.cfg >>${ACCESS_LOG}`, command],
      env,
      cpu: stage.cpu,
      files: {
        'haproxy.cfg': config(port, options),
        'roots.pem': stage.inbound.rootsPem,
        'inbound.pem': stage.inbound.certificatePem + stage.inbound.keyPem,
        'outbound.pem': stage.outbound.certificatePem + stage.outbound.keyPem,
      },
      isReady: () => acceptsConnections(port),
    });
    return { port, part, stop: part.stop };
  });
}

const HTTP_DEFAULTS = `
  timeout http-keep-alive 1h
  option http-keep-alive
  http-reuse always`;

function config(port: number, options: ProxyOptions): string {
  const { mode = 'http', frontend = [], bind = '', server } = options;
  return `
global
  nbthread 1
  maxconn 8192
defaults
  mode ${mode}
  timeout connect 2s
  timeout client 1h
  timeout server 1h${mode === 'http' ? HTTP_DEFAULTS : ''}
frontend client
  bind 127.0.0.1:${port} backlog 4096 ${bind}
  ${frontend.join('\n  ')}
  default_backend upstream
backend upstream
  server one ${server} pool-purge-delay 1h
`;
}
