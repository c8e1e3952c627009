// The services behind every proxy: nginx with fixed answers, cheap enough to share its core with the load generator. One speaks
// HTTP/1.1, one gRPC, each from a process of its own.
import { GRPC_WORKLOADS, grpcMessage, HTTP_WORKLOADS, type Workload } from './cells.ts';
import { httpBlock, type Nginx, startNginx } from './nginx-process.ts';

export interface Backends {
  port: number;
  grpcPort: number;
  stop: () => Promise<void>;
}

const LARGE_FOLDER = 'large';
/** Longer answers do not fit into a directive of nginx's config and come from a file. */
const MAX_INLINE_BYTES = 2048;

export async function startBackends(cpu: number): Promise<Backends> {
  const http = await startHttp(cpu);
  try {
    const grpc = await startGrpc(cpu);
    const stop = async () => {
      await Promise.all([http.stop(), grpc.stop()]);
    };
    return { port: http.port, grpcPort: grpc.port, stop };
  } catch (error) {
    await http.stop();
    throw error;
  }
}

function startHttp(cpu: number): Promise<Nginx> {
  const large = HTTP_WORKLOADS.filter(isLarge);
  const files = large.map(({ path, responseBytes }) => [`${LARGE_FOLDER}${path}`, 'x'.repeat(responseBytes)]);
  const blocks = (port: number) =>
    httpBlock(`
  sendfile on;
  tcp_nopush on;
  open_file_cache max=16 inactive=1h;
  default_type application/json;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    ${HTTP_WORKLOADS.map(location).join('\n    ')}
  }`);
  return startNginx({ name: 'backend', cpu, files: Object.fromEntries(files), blocks });
}

function location(workload: Workload): string {
  const inline = `return 200 "${'y'.repeat(workload.responseBytes)}";`;
  return `location = ${workload.path} { ${isLarge(workload) ? `root ${LARGE_FOLDER};` : inline} }`;
}

function isLarge(workload: Workload): boolean {
  return workload.responseBytes > MAX_INLINE_BYTES;
}

/**
 * nginx serves files to GET alone, and no directive takes a message, which holds zeros: a call leads to its file by its error page.
 * The mirror, which goes nowhere, makes it read the request first, as a service would; else it answers early and resets the stream.
 */
function startGrpc(cpu: number): Promise<Nginx> {
  const files = GRPC_WORKLOADS.flatMap(({ name, path, responseBytes }) => [
    [name, grpcMessage(responseBytes)],
    [path.slice(1), ''],
  ]);
  // The backend should not decide how many connections a proxy takes for the streams of one cell.
  const blocks = (port: number) =>
    httpBlock(`
  open_file_cache max=16 inactive=1h;
  etag off;
  max_ranges 0;
  server {
    listen 127.0.0.1:${port} http2 backlog=4096;
    http2_max_concurrent_streams 1024;
    root .;
    location = /nowhere { internal; return 204; }
    ${GRPC_WORKLOADS.map(grpcLocations).join('\n    ')}
  }`);
  return startNginx({ name: 'grpc-backend', cpu, files: Object.fromEntries(files), blocks });
}

function grpcLocations({ name, path }: Workload): string {
  return `location = ${path} { mirror /nowhere; error_page 405 =200 /${name}; }
    location = /${name} { internal; default_type application/grpc; add_trailer grpc-status 0; }`;
}
