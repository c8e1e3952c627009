// nginx with one worker: bare, with the features it has (request id, x-forwarded-*, JSON log; no tracing), and passing TCP on.
import { join } from 'node:path';
import { findNginxStreamModule } from '../../parts/debian-tools.ts';
import { httpBlock, startNginx } from '../nginx-process.ts';
import { listProcessTree } from '../process-stats.ts';
import type { Contender } from './contender.ts';

const ACCESS_LOG = 'access.log';

export const nginx: Contender = {
  name: 'nginx',
  scenarios: ['bare', 'features', 'tcp'],
  start: async (scenario, { backendPort, cpu }) => {
    const hasFeatures = scenario === 'features';
    const proxy = await startNginx({
      name: 'nginx',
      cpu,
      ...(scenario === 'tcp'
        ? { modules: [await findNginxStreamModule()], blocks: (port) => streamBlock(port, backendPort) }
        : { blocks: (port) => httpBlock(httpProxy(port, backendPort, hasFeatures)) }),
    });
    return {
      port: proxy.port,
      pids: listProcessTree(proxy.pid),
      accessLogs: hasFeatures ? [join(proxy.folder, ACCESS_LOG)] : [],
      spans: null,
      stop: proxy.stop,
    };
  },
};

const FEATURES = `
    access_log ${ACCESS_LOG} json buffer=64k flush=1s;
    proxy_set_header X-Request-ID $request_id;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    add_header X-Request-ID $request_id;`;

function httpProxy(port: number, backendPort: number, hasFeatures: boolean): string {
  return `
  log_format json escape=json '{"time":"$time_iso8601","method":"$request_method","authority":"$http_host",'
    '"path":"$request_uri","protocol":"$server_protocol","status":$status,"request_bytes":$request_length,'
    '"response_bytes":$bytes_sent,"duration_s":$request_time,"upstream_s":"$upstream_response_time",'
    '"upstream":"$upstream_addr","downstream":"$remote_addr","request_id":"$request_id","user_agent":"$http_user_agent"}';
  upstream backend {
    server 127.0.0.1:${backendPort};
    keepalive 512;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_buffers 8 64k;
    proxy_busy_buffers_size 128k;
    proxy_max_temp_file_size 0;${hasFeatures ? FEATURES : ''}
    location / { proxy_pass http://backend; }
  }`;
}

function streamBlock(port: number, backendPort: number): string {
  return `
stream {
  server {
    listen 127.0.0.1:${port} backlog=4096;
    proxy_pass 127.0.0.1:${backendPort};
    proxy_timeout 1h;
    tcp_nodelay on;
  }
}`;
}
