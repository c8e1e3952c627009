// Callers with real certificates, or with none, over HTTP/1.1, HTTP/2, gRPC and TCP; and a service that speaks all of them.
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import tls from 'node:tls';
import {
  Client,
  credentials,
  status as grpcStatuses,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceError,
} from '@grpc/grpc-js';
import type { Svid } from '../../sidecar/src/identity/svid.ts';
import { type EchoOrigin, startOrigin } from './mesh-fixture.ts';
import { echo, listenTcp, type TcpServer } from './tcp-fixture.ts';

export const PROTOCOLS = ['http1', 'http2', 'grpc', 'tcp'] as const;
export type Spoken = (typeof PROTOCOLS)[number];

/** What became of a call: the service `served` it, the policy `denied` it, its token was no good, or nothing was said over a connection that was `closed`. */
export type Fate = 'served' | 'denied' | 'unauthenticated' | 'closed';

export interface Worker {
  readonly origin: EchoOrigin;
  readonly tcp: TcpServer;
  readonly grpcPort: number;
  /** Of gRPC, so far. */
  calls(): number;
  close(): Promise<void>;
}

// No TLS either, and enough to tell.
const NO_HTTP = Buffer.from([0, 1, 2, 3, 4, 5, 6, 7]);
const CALL = '/demo.Echo/Say';
const same = (bytes: Buffer): Buffer => bytes;

export async function startWorker(): Promise<Worker> {
  const origin = await startOrigin();
  const tcp = await listenTcp(echo);
  const server = new Server();
  let calls = 0;
  const method = {
    ...{ path: CALL, requestStream: false, responseStream: false },
    ...{
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    },
  };
  server.addService(
    { Say: method },
    {
      Say: (call: { request: Buffer }, done: (error: null, answer: Buffer) => void) => {
        calls++;
        done(null, call.request);
      },
    },
  );
  const grpcPort = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    ),
  );
  return {
    origin,
    tcp,
    grpcPort,
    calls: () => calls,
    async close() {
      origin.close();
      server.forceShutdown();
      await tcp.close();
    },
  };
}

/** Without a certificate it speaks in clear. */
export class Caller {
  private readonly svid: Svid | null;

  constructor(svid: Svid | null) {
    this.svid = svid;
  }

  call(protocol: Spoken, port: number): Promise<Fate> {
    if (protocol === 'http1') return this.callHttp1(port);
    if (protocol === 'http2') return this.callHttp2(port);
    return protocol === 'grpc' ? this.callGrpc(port) : this.callTcp(port);
  }

  async callHttp1(port: number, path = '/', headers: http.OutgoingHttpHeaders = {}): Promise<Fate> {
    const { status } = await this.request(port, path, headers);
    return fateOf(status);
  }

  /** Status 0 when there was no answer. */
  async request(
    port: number,
    path = '/',
    headers: http.OutgoingHttpHeaders = {},
  ): Promise<{ status: number; headers: http.IncomingHttpHeaders; body: string }> {
    const socket = this.connect(port, 'http/1.1');
    const request = http.request({
      createConnection: () => socket,
      path,
      headers: { host: 'worker', ...headers },
    });
    request.end();
    try {
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      let body = '';
      for await (const chunk of response.setEncoding('utf8')) body += chunk;
      return { status: response.statusCode ?? 0, headers: response.headers, body };
    } catch {
      return { status: 0, headers: {}, body: '' };
    } finally {
      socket.destroy();
    }
  }

  private async callHttp2(port: number): Promise<Fate> {
    const session = this.openSession(port);
    const failed = new Promise<Fate>((resolve) => {
      session.on('error', () => resolve('closed'));
      session.on('close', () => resolve('closed'));
    });
    const stream = session.request({ ':path': '/' });
    stream.on('error', () => {});
    const answered = once(stream, 'response').then(
      ([headers]) => fateOf(headers[':status']),
      () => 'closed' as const,
    );
    const fate = await Promise.race([answered, failed]);
    session.destroy();
    return fate;
  }

  /** Requests with these headers at once over one connection; their statuses. */
  async callStreams(port: number, all: readonly http.OutgoingHttpHeaders[]): Promise<number[]> {
    const session = this.openSession(port);
    const streams = all.map((headers) => session.request({ ':path': '/', ...headers }));
    const answers = await Promise.all(streams.map((stream) => once(stream, 'response')));
    session.destroy();
    return answers.map(([headers]) => headers[':status']);
  }

  private openSession(port: number): http2.ClientHttp2Session {
    return http2.connect('http://worker', { createConnection: () => this.connect(port, 'h2') });
  }

  async callGrpc(port: number, headers: Readonly<Record<string, string>> = {}): Promise<Fate> {
    const { svid } = this;
    const secured = () =>
      credentials.createSsl(
        Buffer.from(svid?.rootsPem ?? ''),
        pemOf(svid?.keyPem),
        pemOf(svid?.certificatePem),
        { checkServerIdentity: () => undefined },
      );
    const channel = svid === null ? credentials.createInsecure() : secured();
    // A name must be asked for, and no address can be one.
    const client = new Client(`127.0.0.1:${port}`, channel, { 'grpc.ssl_target_name_override': 'worker' });
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
    const error = await new Promise<ServiceError | null>((resolve) =>
      client.makeUnaryRequest(CALL, same, same, Buffer.from('hello'), metadata, (failure) =>
        resolve(failure),
      ),
    );
    client.close();
    if (error === null) return 'served';
    if (error.code === grpcStatuses.UNAUTHENTICATED) return 'unauthenticated';
    return error.code === grpcStatuses.PERMISSION_DENIED ? 'denied' : 'closed';
  }

  /** What is answered but not echoed is a refusal in words that are none of TCP's. */
  private async callTcp(port: number): Promise<Fate> {
    const socket = this.connect(port, null);
    socket.write(NO_HTTP);
    const fate = await Promise.race([
      once(socket, 'data').then(([answer]) => (NO_HTTP.equals(answer) ? 'served' : 'denied')),
      once(socket, 'close').then(() => 'closed' as const),
    ]).catch(() => 'closed' as const);
    socket.destroy();
    return fate;
  }

  /** `alpn` is what is offered, null for nothing. */
  connect(port: number, alpn: string | null): net.Socket {
    const { svid } = this;
    const socket =
      svid === null
        ? net.connect({ port, host: '127.0.0.1' })
        : tls.connect({
            ...{ port, host: '127.0.0.1', ca: svid.rootsPem },
            ...(svid.certificatePem === '' ? {} : { cert: svid.certificatePem, key: svid.keyPem }),
            // A stranger does not care whom it talks to.
            ...{ rejectUnauthorized: false, ...(alpn === null ? {} : { ALPNProtocols: [alpn] }) },
          });
    socket.on('error', () => {});
    return socket;
  }
}

/** Null for a caller without a certificate. */
function pemOf(text = ''): Buffer | null {
  return text === '' ? null : Buffer.from(text);
}

function fateOf(status: number): Fate {
  if (status === 200) return 'served';
  return status === 403 ? 'denied' : 'closed';
}
