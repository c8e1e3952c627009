// What end-to-end tests share: an authority in the process, sidecar configs on disk, a small origin, and requests over it all.
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Authority, createAuthority } from '../../mesh/ca/authority.ts';
import { issueSvid, type SvidRequest } from '../../mesh/ca/issue-svid.ts';
import type { Svid } from '../../sidecar/src/identity/svid.ts';

export const TRUST_DOMAIN = 'e2e.tulle.test';

export function spiffeId(service: string): string {
  return `spiffe://${TRUST_DOMAIN}/ns/e2e/sa/${service}`;
}

export interface Folder {
  readonly path: string;
  /** `mode` of a new file. */
  write(name: string, content: string, mode?: number): Promise<string>;
  remove(): Promise<void>;
}

export async function createFolder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), 'tulle-e2e-'));
  return {
    path,
    async write(name, content, mode) {
      const file = join(path, name);
      await writeFile(file, content, { mode });
      return file;
    },
    remove: () => rm(path, { recursive: true }),
  };
}

export function openAuthority(): Promise<Authority> {
  return createAuthority({ trustDomain: TRUST_DOMAIN });
}

/** Writes certificate, key and roots of a fresh SVID; returns the `identity` section that names them. */
export async function writeIdentity(
  folder: Folder,
  authority: Authority,
  request: SvidRequest,
): Promise<Record<string, unknown>> {
  const svid = await issueSvid(authority, request);
  const name = request.spiffeId.slice(request.spiffeId.lastIndexOf('/') + 1);
  for (const [file, content] of Object.entries(svidFiles(svid)))
    await folder.write(`${name}-${file}`, content);
  return {
    trustDomain: TRUST_DOMAIN,
    files: { certificate: `${name}-svid.pem`, key: `${name}-svid.key`, roots: `${name}-roots.pem` },
  };
}

export function svidFiles(svid: Svid): Record<string, string> {
  return { 'svid.pem': svid.certificatePem, 'svid.key': svid.keyPem, 'roots.pem': svid.rootsPem };
}

export function sidecarConfig(service: string, spec: Record<string, unknown>): string {
  return JSON.stringify({
    apiVersion: 'mesh.tulle.dev/v1alpha1',
    kind: 'Sidecar',
    metadata: { name: `${service}-1`, namespace: 'e2e' },
    spec: { service, admin: { listen: '127.0.0.1:0' }, telemetry: { accessLog: 'off' }, ...spec },
  });
}

export interface EchoOrigin {
  readonly port: number;
  /** Accepted so far. */
  connections(): number;
  close(): void;
}

/** Answers with the request's head as JSON in a header and its body as it came. `/slow?ms=N` waits before it answers. */
export async function startOrigin(name = 'origin'): Promise<EchoOrigin> {
  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://origin');
    setTimeout(
      () => {
        response.writeHead(200, { 'x-origin': name, 'x-seen': JSON.stringify(request.headers) });
        request.pipe(response);
      },
      Number(url.searchParams.get('ms') ?? 0),
    );
  });
  server.keepAliveTimeout = 60_000;
  let connections = 0;
  server.on('connection', () => {
    connections++;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
  /** Headers as the origin received them; empty when it was not reached. */
  readonly seen: http.IncomingHttpHeaders;
}

export async function send(
  port: number,
  path: string,
  options: {
    host?: string;
    method?: string;
    headers?: http.OutgoingHttpHeaders;
    body?: string;
    agent?: http.Agent;
  } = {},
): Promise<Answer> {
  const { host = 'a.test', method = 'GET', headers = {}, body, agent } = options;
  const request = http.request({
    host: '127.0.0.1',
    port,
    path,
    method,
    headers: { host, ...headers },
    ...(agent === undefined ? {} : { agent }),
  });
  request.end(body);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.setEncoding('utf8');
  let text = '';
  for await (const chunk of response) text += chunk;
  const seen = response.headers['x-seen'];
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: text,
    seen: typeof seen === 'string' ? JSON.parse(seen) : {},
  };
}
