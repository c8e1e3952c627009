/**
 * Metrics and health of the service over HTTP.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Address } from '../../sidecar/src/config/address.ts';
import { type RateLimitReadings, registerRateLimits } from '../../sidecar/src/filters/rate-limit/metrics.ts';

export interface Admin {
  readonly port: number;
  close(): void;
}

export async function startAdmin(listen: Address, readings: RateLimitReadings): Promise<Admin> {
  const registry = new Registry();
  registry.setDefaultLabels({ service_name: 'ratelimit' });
  registerRateLimits(registry, readings);
  collectDefaultMetrics({ register: registry });
  const server = createServer(async ({ url }, response) => {
    if (url === '/metrics') {
      response.setHeader('content-type', registry.contentType);
      response.end(await registry.metrics());
      return;
    }
    const healthy = url === '/healthz/ready' || url === '/healthz/live';
    response.writeHead(healthy ? 200 : 404).end();
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
