/**
 * Metrics and health of a process of the mesh over HTTP.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { findForeign } from '../sidecar/src/admin/foreign.ts';
import type { Address } from '../sidecar/src/config/address.ts';

export interface Admin {
  readonly port: number;
  close(): void;
}

export interface AdminReply {
  readonly status: number;
  /** As JSON; a problem (RFC 9457) where the status is an error. */
  readonly body: object;
}

export interface AdminContent {
  /** `service_name` of every metric. */
  readonly service: string;
  register(registry: Registry): void;
  /** Answers any other path; null where there is no such thing. */
  answer?(path: string): Promise<AdminReply | null>;
  /** Details of /healthz/ready, as JSON. */
  describe?(): object;
}

export async function startAdmin(listen: Address, content: AdminContent): Promise<Admin> {
  const registry = new Registry();
  registry.setDefaultLabels({ service_name: content.service });
  content.register(registry);
  collectDefaultMetrics({ register: registry });
  const server = createServer(async (request, response) => {
    if (request.url === '/metrics') {
      response.setHeader('content-type', registry.contentType);
      response.end(await registry.metrics());
      return;
    }
    const { status, body } = await replyTo(request, content);
    const contentType = status < 400 ? 'application/json' : 'application/problem+json';
    response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' });
    response.end(JSON.stringify(body));
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

async function replyTo(request: IncomingMessage, content: AdminContent): Promise<AdminReply> {
  const foreign = findForeign(request);
  if (foreign !== null) return problem(403, foreign);
  const path = request.url ?? '';
  if (path === '/healthz/live') return { status: 200, body: {} };
  if (path === '/healthz/ready') return { status: 200, body: content.describe?.() ?? {} };
  try {
    return (await content.answer?.(path)) ?? problem(404, `there is no ${path}`);
  } catch (error) {
    return problem(500, String(error));
  }
}

function problem(status: number, detail: string): AdminReply {
  return { status, body: { status, detail } };
}
