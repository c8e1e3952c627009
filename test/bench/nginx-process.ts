// One nginx with one worker, as backend and as contender: what any nginx of the benchmark needs around its own lines.
import { findDebianTool } from '../parts/debian-tools.ts';
import { type Part, startOnFreePort, startPart } from '../parts/part.ts';
import { acceptsConnections } from './listening.ts';

export interface NginxOptions {
  name: string;
  cpu: number;
  files?: Record<string, string>;
  /** Modules to load, by path. */
  modules?: string[];
  /** What follows the common part of the config: an `http` or a `stream` block. */
  blocks: (port: number) => string;
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
      files: { ...options.files, 'nginx.conf': configFile(options, port) },
      isReady: () => acceptsConnections(port),
    });
    return { ...part, port };
  });
}

/** An `http` block that serves from kept connections and writes nothing but what it is told to. */
export function httpBlock(content: string): string {
  return `
http {
  access_log off;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  client_body_temp_path temporary;
  proxy_temp_path temporary;
  fastcgi_temp_path temporary;
  uwsgi_temp_path temporary;
  scgi_temp_path temporary;
  ${content}
}`;
}

function configFile({ modules = [], blocks }: NginxOptions, port: number): string {
  // Started by root, the worker would change to a user who may not enter the part's folder.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  return `
${modules.map((path) => `load_module ${path};`).join('\n')}
${user}
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
${blocks(port)}
`;
}
