/** The admin server over real HTTP, with a config from a real file and everything else as a test says. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type OutgoingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { loadConfig } from '../config/load.ts';
import type { SidecarConfig } from '../config/schema.ts';
import { systemClock } from '../core/clock.ts';
import type { AdminServer, AdminSource } from './server.ts';
import { startAdminServer } from './server.ts';

const LOOPBACK = { host: '127.0.0.1', port: 0 };

let folder = '';
export let config: SidecarConfig;
let server: AdminServer | null = null;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-admin-'));
  for (const name of ['join-token', 'roots.pem']) await writeFile(join(folder, name), `hunter2 of ${name}`);
  await writeFile(
    join(folder, 'sidecar.yaml'),
    [
      'apiVersion: mesh.tulle.dev/v1alpha1',
      'kind: Sidecar',
      'metadata: { name: a }',
      'spec:',
      '  service: a',
      '  identity:',
      '    trustDomain: demo',
      '    authority: { url: https://127.0.0.1:1, rootsFile: roots.pem, tokenFile: join-token }',
    ].join('\n'),
  );
  const loaded = await loadConfig(join(folder, 'sidecar.yaml'));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  config = loaded.config;
});
afterAll(() => rm(folder, { recursive: true }));

/** Closing twice does no harm: a test may have done it already. */
export async function stop(): Promise<void> {
  await server?.close();
  server = null;
}
afterEach(stop);

export async function start(changes: Partial<AdminSource> = {}): Promise<number> {
  server = await startAdminServer(LOOPBACK, {
    configPath: join(folder, 'sidecar.yaml'),
    clock: systemClock,
    readiness: () => 'ready',
    configStatus: () => ({
      config,
      version: 'abc',
      onLastGood: false,
      accepted: 2,
      rejected: 1,
      problems: [
        {
          file: join(folder, 'sidecar.yaml'),
          line: 7,
          column: 3,
          path: 'spec.x',
          message: 'is not a known key',
          suggestion: null,
        },
      ],
      warnings: [
        {
          file: join(folder, 'sidecar.yaml'),
          document: 'FaultPolicy a',
          line: 9,
          column: 1,
          path: 'spec',
          message: 'has no effect',
          suggestion: null,
        },
      ],
      lastError: 'x',
    }),
    svid: () => ({ id: 'spiffe://demo/ns/default/sa/a', expiresAtMs: 0, expired: false }),
    findTrace: () => null,
    taps: () => null,
    scrape: () => ({ contentType: 'text/plain; version=0.0.4', slices: slicesOf('up ', '1\n') }),
    drain: () => {},
    ...changes,
  });
  return server.port;
}

export async function* slicesOf(...slices: string[]): AsyncGenerator<string> {
  yield* slices;
}

type Answer = { status: number; type: string; headers: OutgoingHttpHeaders; body: string };

export function ask(
  port: number,
  path: string,
  {
    method = 'GET',
    headers = {},
    body = '',
  }: { method?: string; headers?: OutgoingHttpHeaders; body?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8');
      incoming.on('error', reject);
      incoming.on('data', (chunk: string) => {
        text += chunk;
      });
      incoming.on('end', () =>
        resolve({
          status: incoming.statusCode ?? 0,
          type: incoming.headers['content-type'] ?? '',
          headers: incoming.headers,
          body: text,
        }),
      );
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** For what no HTTP client would send: all bytes that come back until the connection ends. */
export function sendRaw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      received += chunk;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(received));
  });
}
