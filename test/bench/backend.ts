// The service behind every proxy: nginx with fixed answers, cheap enough to share its core with the load generator.
import { WORKLOADS, type Workload } from './cells.ts';
import { type Nginx, startNginx } from './nginx-process.ts';

const LARGE_FOLDER = 'large';
/** Longer answers do not fit into a directive of nginx's config and come from a file. */
const MAX_INLINE_BYTES = 2048;

export function startBackend(cpu: number): Promise<Nginx> {
  const large = WORKLOADS.filter(isLarge);
  const files = large.map(({ path, responseBytes }) => [`${LARGE_FOLDER}${path}`, 'x'.repeat(responseBytes)]);
  return startNginx({ name: 'backend', cpu, files: Object.fromEntries(files), http: httpBlock });
}

function httpBlock(port: number): string {
  return `
  sendfile on;
  tcp_nopush on;
  open_file_cache max=16 inactive=1h;
  default_type application/json;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    ${WORKLOADS.map(location).join('\n    ')}
  }`;
}

function location(workload: Workload): string {
  const inline = `return 200 "${'y'.repeat(workload.responseBytes)}";`;
  return `location = ${workload.path} { ${isLarge(workload) ? `root ${LARGE_FOLDER};` : inline} }`;
}

function isLarge(workload: Workload): boolean {
  return workload.responseBytes > MAX_INLINE_BYTES;
}
