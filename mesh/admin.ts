/**
 * Metrics and health of a process of the mesh over HTTP.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Address } from '../sidecar/src/config/address.ts';

export interface Admin {
  readonly port: number;
  close(): void;
}

export interface AdminContent {
  /** `service_name` of every metric. */
  readonly service: string;
  register(registry: Registry): void;
  /** Details of /healthz/ready, as JSON. */
  describe?(): object;
}

export async function startAdmin(listen: Address, content: AdminContent): Promise<Admin> {
  const registry = new Registry();
  registry.setDefaultLabels({ service_name: content.service });
  content.register(registry);
  collectDefaultMetrics({ register: registry });
  const server = createServer(async ({ url }, response) => {
    if (url === '/metrics') {
      response.setHeader('content-type', registry.contentType);
      response.end(await registry.metrics());
    } else if (url === '/healthz/ready' || url === '/healthz/live') {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(url === '/healthz/ready' ? (content.describe?.() ?? {}) : {}));
    } else {
      response.writeHead(404).end();
    }
  });
  server.listen(listen.port, listen.host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
