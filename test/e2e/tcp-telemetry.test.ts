// What is told of a connection that was passed on: metrics, a line in the access log and a span, which agree.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type OtlpReceiver, startOtlpReceiver } from '../../examples/demo/otlp-receiver.ts';
import type { Span } from '../../mesh/cli/trace/span.ts';
import type { Sidecar } from '../../sidecar/src/app.ts';
import { createFolder, type Folder, openAuthority, send, spiffeId, writeIdentity } from './mesh-fixture.ts';
import {
  Client,
  createMesh,
  echo,
  listenTcp,
  type Mesh,
  metric,
  type TcpServer,
  until,
} from './tcp-fixture.ts';

let folder: Folder;
let mesh: Mesh;
let server: TcpServer;
let collector: OtlpReceiver;
const spans: Span[] = [];
let near: Sidecar;
let far: Sidecar;

beforeAll(async () => {
  folder = await createFolder();
  mesh = createMesh(folder);
  server = await listenTcp(echo);
  collector = await startOtlpReceiver((batch) => spans.push(...batch));
  const authority = await openAuthority();
  const telemetryOf = (name: string) => ({
    accessLog: `./${name}.log`,
    traces: { endpoint: `http://127.0.0.1:${collector.port}`, headSampleRatio: 1 },
  });
  far = await mesh.sidecar('far', {
    identity: await writeIdentity(folder, authority, { spiffeId: spiffeId('far') }),
    inbound: [{ name: 'in', listen: '127.0.0.1:0', target: `127.0.0.1:${server.port}` }],
    telemetry: telemetryOf('far'),
  });
  const cache = {
    identity: spiffeId('far'),
    listen: '127.0.0.1:0',
    endpoints: [`127.0.0.1:${far.inboundPorts.in}`],
  };
  near = await mesh.sidecar('near', {
    identity: await writeIdentity(folder, authority, { spiffeId: spiffeId('near') }),
    outbound: {
      listen: '127.0.0.1:0',
      services: [
        { host: 'cache', protocol: 'redis', ...cache },
        { host: 'gone', mtls: 'off', protocol: 'tcp', listen: '127.0.0.1:0', endpoints: ['127.0.0.1:1'] },
      ],
    },
    telemetry: telemetryOf('near'),
  });
});

afterAll(async () => {
  await mesh.close();
  await collector.close();
  await server.close();
  await folder.remove();
});

it('metrics, log and span of both sides agree about a connection', async () => {
  const client = new Client(near.servicePorts.cache as number);
  await client.exchange('*1\r\n$4\r\nPING\r\n', 14);
  const open = 'tulle_tcp_active_connections';
  expect([await metric(near, open, 'route="cache"'), await metric(far, open, 'route="in"')]).toEqual([1, 1]);
  client.socket.end();
  await client.closed();
  const failed = new Client(near.servicePorts.gone as number);
  await failed.closed();
  await until(async () => (await metric(far, open, 'route="in"')) === 0);

  for (const [sidecar, route] of [
    [near, 'route="cache"'],
    [far, 'route="in"'],
  ] as const) {
    expect(await metric(sidecar, 'tulle_tcp_connections_opened_total', route)).toBe(1);
    expect(await metric(sidecar, 'tulle_tcp_connections_closed_total', route, 'failure="none"')).toBe(1);
    expect(await metric(sidecar, 'tulle_tcp_client_bytes_total', route)).toBe(14);
    expect(await metric(sidecar, 'tulle_tcp_server_bytes_total', route)).toBe(14);
    expect(await metric(sidecar, 'tulle_tcp_connection_duration_seconds_count', route)).toBe(1);
    expect(await metric(sidecar, 'tulle_downstream_protocols_total', 'protocol="tcp"')).toBe(1);
  }
  expect(await metric(near, 'tulle_upstream_tls_handshakes_total', 'upstream="cache"')).toBe(1);
  // A page that names what is served: the families stand there without a connection, too.
  expect((await send(near.adminPort, '/metrics', { host: '127.0.0.1' })).body).toContain(
    '# TYPE tulle_tcp_connection_duration_seconds histogram',
  );

  await mesh.close();
  const lines = await Promise.all([readLog('near'), readLog('far')]);
  const [[passed, refused], [arrived]] = lines as [[Line, Line], [Line]];
  expect(passed).toMatchObject({
    direction: 'outbound',
    service: 'near',
    route: 'cache',
    protocol: 'redis',
    failure: 'none',
    peer: '127.0.0.1',
    upstream: `127.0.0.1:${far.inboundPorts.in}`,
    upstream_identity: spiffeId('far'),
    client_bytes: 14,
    server_bytes: 14,
  });
  expect(arrived).toMatchObject({
    direction: 'inbound',
    route: 'in',
    protocol: 'auto',
    peer_identity: spiffeId('near'),
  });
  expect(refused).toMatchObject({ route: 'gone', failure: 'connect_refused', upstream: '127.0.0.1:1' });
  expect(refused.failure_detail).toContain('ECONNREFUSED');

  const spanOf = (line: Line) => spans.find(({ spanId }) => spanId === line.span_id) as Span;
  // Each connection's, and that of the command.
  expect(spans).toHaveLength(4);
  expect(spanOf(passed)).toMatchObject({ name: 'redis cache', traceId: passed.trace_id });
  expect(Object.fromEntries(spanOf(passed).attributes)).toMatchObject({
    'network.transport': 'tcp',
    'network.protocol.name': 'redis',
    'server.address': 'cache',
    'server.port': far.inboundPorts.in,
    'network.peer.address': '127.0.0.1',
    'tulle.direction': 'outbound',
    'tulle.upstream.identity': spiffeId('far'),
    'tulle.connection.client_bytes': 14,
    'tulle.connection.server_bytes': 14,
  });
  expect(spanOf(arrived).name).toBe('tcp in');
  expect(Object.fromEntries(spanOf(refused).attributes)).toMatchObject({
    'error.type': 'connect_refused',
    'tulle.failure.code': 'connect_refused',
  });
});

type Line = Record<string, unknown>;

async function readLog(name: string): Promise<Line[]> {
  const text = await readFile(join(folder.path, `${name}.log`), 'utf8');
  return text
    .split('\n')
    .filter((line) => line.includes('client_bytes'))
    .map((line) => JSON.parse(line) as Line);
}
