// The services of the suite and a sidecar in front of those who call them: `echo` runs as both versions, `echo-v1` and `echo-v2` as one.
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Sidecar, startSidecar } from '../../sidecar/src/app.ts';
import { createFolder, sidecarConfig } from '../e2e/mesh-fixture.ts';

export interface Seen {
  readonly backend: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface EchoWorld {
  readonly sidecar: Sidecar;
  /** What each version was asked, since it was looked at last. */
  takeSeen(): Seen[];
  stop(): Promise<void>;
}

export interface WorldOptions {
  readonly kind: 'HTTPRoute' | 'GRPCRoute';
  readonly routes: readonly Record<string, unknown>[];
  /** Other documents beside the routes. */
  readonly documents?: readonly Record<string, unknown>[];
  /** In place of echo servers of HTTP: ports of `v1` and `v2`. */
  readonly ports?: { readonly v1: number; readonly v2: number };
}

export async function startEchoWorld(options: WorldOptions): Promise<EchoWorld> {
  const { kind, routes, documents = [] } = options;
  const folder = await createFolder();
  const seen: Seen[] = [];
  const servers =
    options.ports === undefined ? [await startEcho('v1', seen), await startEcho('v2', seen)] : [];
  const [v1, v2] = options.ports
    ? [options.ports.v1, options.ports.v2]
    : servers.map((server) => (server.address() as AddressInfo).port);
  const service = (name: string, ...ports: (number | undefined)[]) => ({
    host: name,
    mtls: 'off',
    endpoints: ports.map((port) => `127.0.0.1:${port}`),
  });
  const config = sidecarConfig('caller', {
    outbound: {
      listen: '127.0.0.1:0',
      services: [service('echo', v1, v2), service('echo-v1', v1), service('echo-v2', v2)],
    },
  });
  const routeDocuments = routes.map((spec, index) => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind,
    metadata: { name: `route-${index}` },
    spec,
  }));
  const texts = [config, ...[...routeDocuments, ...documents].map((document) => JSON.stringify(document))];
  const configPath = await folder.write('sidecar.yaml', texts.join('\n---\n'));
  const closeServers = () => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  };
  try {
    const sidecar = await startSidecar({ configPath });
    return {
      sidecar,
      takeSeen: () => seen.splice(0),
      async stop() {
        await sidecar.drain();
        closeServers();
        await folder.remove();
      },
    };
  } catch (error) {
    closeServers();
    await folder.remove();
    throw error;
  }
}

async function startEcho(backend: string, seen: Seen[]): Promise<http.Server> {
  const server = http.createServer((request, response) => {
    const { method = '', url: path = '' } = request;
    const headers = joinLines(request.rawHeaders);
    seen.push({ backend, method, path, headers });
    const delayMs = Number(new URL(path, 'http://echo').searchParams.get('delay') ?? 0);
    setTimeout(() => {
      response.setHeader('x-backend', backend);
      response.setHeader('x-remove-me', 'backend');
      request.resume().on('end', () => response.end(JSON.stringify({ backend, method, path, headers })));
    }, delayMs);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** As a recipient may read them: lines of one field make one value, in their order. */
function joinLines(raw: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase();
    headers[name] = name in headers ? `${headers[name]},${raw[i + 1]}` : (raw[i + 1] as string);
  }
  return headers;
}
