// An unmodified service in a process of its own on some Node, between the two sides of its sidecar, and origins that tell what they got.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import {
  Server as GrpcServer,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { startOtlpReceiver } from '../../examples/demo/otlp-receiver.ts';
import { type Sidecar, startSidecar } from '../../sidecar/src/app.ts';
import { createFolder, openAuthority, sidecarConfig, spiffeId } from '../../test/e2e/mesh-fixture.ts';
import { findFreePort } from '../../test/parts/part.ts';
import { issueSvid } from '../ca/issue-svid.ts';

const SERVICE = join(import.meta.dirname, 'service.fixture.mjs');

/** What an origin saw of the request of one step. */
export interface Seen extends http.IncomingHttpHeaders {
  readonly step: string;
}

export interface Answer {
  /** As the sidecar has it. */
  readonly requestId: string;
  readonly seen: Seen[];
}

export interface WorldOptions {
  /** The program. */
  readonly node: string;
  readonly flags: readonly string[];
  /** URL of the module that the service has as undici. */
  readonly undici: string;
}

export interface World {
  readonly sidecar: Sidecar;
  /** Of the service itself, without a sidecar. */
  readonly servicePort: number;
  /** By HTTP/1.1, over a few connections. */
  call1(path: string, headers: http.OutgoingHttpHeaders): Promise<Answer>;
  /** By HTTP/2, over one connection. */
  call2(path: string, headers: http.OutgoingHttpHeaders): Promise<Answer>;
  close(): Promise<void>;
}

export async function openWorld({ node, flags, undici }: WorldOptions): Promise<World> {
  const folder = await createFolder();
  const receiver = await startOtlpReceiver(() => {});
  const origins = await startOrigins();
  const servicePorts = [await findFreePort(), await findFreePort()];
  const listen = '127.0.0.1:0';
  const spec = {
    inbound: servicePorts.map((port, i) => ({
      name: `http${i + 1}`,
      ...{ listen, mtls: 'off', protocol: i === 0 ? 'http' : 'http2', target: `127.0.0.1:${port}` },
    })),
    outbound: {
      listen,
      services: [origins.plain, origins.http2].map((origin, i) => ({
        host: `origin${i + 1}`,
        ...{ mtls: 'off', protocol: i === 0 ? 'http' : 'http2', listen },
        endpoints: [`127.0.0.1:${portOf(origin)}`],
      })),
    },
    telemetry: {
      accessLog: 'off',
      baggage: { fromStrangers: ['who'], toStrangers: ['who'] },
      traces: { endpoint: `http://127.0.0.1:${receiver.port}`, headSampleRatio: 0 },
    },
  };
  const configPath = await folder.write('sidecar.yaml', sidecarConfig('service', spec));
  const sidecar = await startSidecar({ configPath });
  const urls = [
    `http://127.0.0.1:${sidecar.servicePorts.origin1}`,
    `http://127.0.0.1:${sidecar.servicePorts.origin2}`,
    `https://127.0.0.1:${portOf(origins.secure)}`,
    `127.0.0.1:${origins.grpcPort}`,
  ];
  const child = await startService(node, [...flags, SERVICE, ...servicePorts.map(String), ...urls, undici]);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 3 });
  const session = http2.connect(`http://127.0.0.1:${sidecar.inboundPorts.http2}`);

  return {
    sidecar,
    servicePort: servicePorts[0] as number,
    async call1(path, headers) {
      const { http1: port } = sidecar.inboundPorts;
      const options = { host: '127.0.0.1', port: port as number, agent, path, headers, method: 'POST' };
      const request = http.request(options);
      sendSlowly(request);
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      return readAnswer(response, response.statusCode, response.headers);
    },
    async call2(path, headers) {
      const stream = session.request({ ':method': 'POST', ':path': path, ...headers });
      sendSlowly(stream);
      const [head] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
      return readAnswer(stream, Number(head[':status']), head);
    },
    async close() {
      agent.destroy();
      session.destroy();
      if (child.exitCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      await sidecar.drain();
      await receiver.close();
      origins.close();
      await folder.remove();
    },
  };
}

/** Headers of a caller, unlike those of any other, and what of them every request behind it has to carry. */
export function newCaller() {
  const traceId = randomBytes(16).toString('hex');
  const traceparent = `00-${traceId}-${randomBytes(8).toString('hex')}-00`;
  const own = { tracestate: `a=${traceId}`, baggage: `who=${traceId}` };
  return { headers: { traceparent, ...own }, context: { traceId, ...own } };
}

/** What of a context an origin saw. */
export function contextOf({ traceparent, tracestate, baggage }: Seen) {
  return { traceId: String(traceparent).split('-')[1], tracestate, baggage };
}

async function startOrigins() {
  const { keyPem: key, certificatePem: cert } = await issueSvid(await openAuthority(), {
    spiffeId: spiffeId('origin'),
  });
  const answer = (request: { headers: unknown }, response: { end(text: string): void }) =>
    response.end(JSON.stringify(request.headers));
  const plain = http.createServer(answer);
  const secure = https.createServer({ key, cert }, answer);
  const all = { plain, secure, http2: http2.createServer(answer) };
  for (const server of Object.values(all)) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  const { grpcPort, closeGrpc } = await startGrpcOrigin();
  return {
    ...all,
    grpcPort,
    close() {
      closeGrpc();
      plain.closeAllConnections();
      secure.closeAllConnections();
      for (const server of Object.values(all)) server.close();
    },
  };
}

async function startGrpcOrigin() {
  const encode = (metadata: object) => Buffer.from(JSON.stringify(metadata));
  const definition = {
    Tell: {
      ...{ path: '/origin/Tell', requestStream: false, responseStream: false },
      ...{ requestSerialize: encode, requestDeserialize: () => ({}) },
      ...{ responseSerialize: encode, responseDeserialize: () => ({}) },
    },
  };
  const server = new GrpcServer();
  server.addService(definition, {
    Tell: ({ metadata }: ServerUnaryCall<object, object>, reply: sendUnaryData<object>) =>
      reply(null, metadata.getMap()),
  });
  const grpcPort = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
  return { grpcPort, closeGrpc: () => server.forceShutdown() };
}

async function startService(node: string, args: string[]): Promise<ChildProcess> {
  const child = spawn(node, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface(child.stdout)) {
    if (line !== 'ready') continue;
    child.stdout.resume();
    return child;
  }
  throw new Error('the service ended before it was ready');
}

/** A body whose end comes in another event than its head. */
function sendSlowly(request: Writable): void {
  request.write('some ');
  setTimeout(() => request.end('body'), 2);
}

async function readAnswer(
  body: AsyncIterable<Buffer>,
  status: number | undefined,
  headers: NodeJS.Dict<string | string[]>,
): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  if (status !== 200) throw new Error(`the service answered ${status}: ${text}`);
  return { requestId: String(headers['x-request-id']), seen: JSON.parse(text) };
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
