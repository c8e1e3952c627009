// One nginx with one worker, as backend and as contender: what any nginx of the benchmark needs around its `http` block.
import { findDebianTool } from '../parts/debian-tools.ts';
import { type Part, startOnFreePort, startPart } from '../parts/part.ts';
import { acceptsConnections } from './listening.ts';

export interface NginxOptions {
  name: string;
  cpu: number;
  files?: Record<string, string>;
  /** The content of the `http` block. */
  http: (port: number) => string;
}

export interface Nginx extends Part {
  port: number;
}

export async function startNginx(options: NginxOptions): Promise<Nginx> {
  const { command, env } = await findDebianTool('nginx');
  return startOnFreePort(async (port) => {
    const part = await startPart({
      name: options.name,
      command,
      args: ['-e', 'stderr', '-p', '.', '-c', 'nginx.conf'],
      env,
      cpu: options.cpu,
      files: { ...options.files, 'nginx.conf': configFile(options.http(port)) },
      isReady: () => acceptsConnections(port),
    });
    return { ...part, port };
  });
}

function configFile(http: string): string {
  // Started by root, the worker would change to a user who may not enter the part's folder.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  return `
${user}
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  client_body_temp_path temporary;
  proxy_temp_path temporary;
  fastcgi_temp_path temporary;
  uwsgi_temp_path temporary;
  scgi_temp_path temporary;
  ${http}
}`;
}
